import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { digest } from '@signet/primitives/crypto';
import {
  type Bundle,
  bundleMediaType,
  inTotoPayloadType,
  type KeyMaterial,
  preAuthenticationEncoding,
  SignetError,
  type statementV1,
  utf8,
} from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import type { ServiceAccess } from '../http/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import type { ArtifactDigest } from '../verify/index.ts';
import {
  assertLoggable,
  type CompletionOptions,
  completeBundle,
  type ExpectedSigner,
  loggedDigest,
  type SignedBundle,
  type WitnessStep,
} from './complete-bundle.ts';
import type { SigningServices } from './signing-services.ts';

/** The most bytes that are held whole for a key that cannot sign a stream. */
const maximumWhole = 256 * 1024 * 1024;

/** What a {@link BundleSigner} signs with, and where its signatures are witnessed. */
export interface BundleSignerParts {
  readonly signer: Signer;
  /** How the bundle names the key. */
  readonly material: KeyMaterial;
  /** Whom every finished bundle must name. */
  readonly expected: ExpectedSigner;
  readonly services: Omit<SigningServices, 'caUrl'>;
  readonly trust: TrustMaterial;
  readonly onStep?: ((step: WitnessStep) => void) | undefined;
  readonly http?: ServiceAccess;
}

/** Signs statements and files with one key, each with its own timestamp and log entry, into bundles v0.3. */
export class BundleSigner {
  readonly #parts: BundleSignerParts;

  constructor(parts: BundleSignerParts) {
    this.#parts = parts;
  }

  /** Signs an in-toto statement in a DSSE envelope. */
  async signStatement(statement: ReturnType<typeof statementV1>): Promise<SignedBundle> {
    return await this.complete(await this.beginStatement(statement));
  }

  /** Signs any payload in a DSSE envelope. */
  async signPayload(payloadType: string, payload: Uint8Array): Promise<SignedBundle> {
    return await this.complete(await this.#beginPayload(payloadType, payload));
  }

  /** Signs the bytes of a file as they are. */
  async signMessage(message: Uint8Array): Promise<SignedBundle> {
    const algorithm = loggedDigest(this.#parts.signer.keyDetails);
    const messageDigest = { algorithm, digest: digest(algorithm, message) };
    const signature = await this.#parts.signer.sign(message);
    return await this.complete(this.#begin({ kind: 'message', messageDigest, signature }), { artifact: message });
  }

  /**
   * Signs a file that is read once, piece by piece: memory does not grow with it, where the key can sign so (in memory with ECDSA
   * or RSA, in a device with ECDSA). For other keys it is read whole.
   *
   * @throws ERR_INPUT_TOO_LARGE when it would have to be read whole and is larger than 256 MiB; ERR_USAGE when it cannot be read
   */
  async signFile(path: string): Promise<SignedBundle> {
    const { signer } = this.#parts;
    const algorithm = loggedDigest(signer.keyDetails);
    const size = await sizeOf(path);
    if (signer.signStream === undefined) {
      if (size > maximumWhole) {
        throw new SignetError(
          'ERR_INPUT_TOO_LARGE',
          `${path} is too large for a key that must be given the whole file`,
          {
            expected: `at most ${maximumWhole} bytes`,
            found: `${size} bytes`,
          },
        );
      }
      const { readFile } = await import('node:fs/promises');
      return await this.signMessage(await readFile(path));
    }
    const { signature, digest: value } = await signer.signStream(createReadStream(path, { highWaterMark: 1 << 18 }));
    const artifact: ArtifactDigest = { algorithm, digest: value };
    return await this.complete(
      this.#begin({ kind: 'message', messageDigest: { algorithm, digest: value }, signature }),
      {
        artifact,
      },
    );
  }

  /**
   * Signs a statement and nothing more: the result holds certificate and signature, and is public. It becomes a bundle by
   * {@link BundleSigner.complete} or, in another process, by `completeBundle`.
   */
  async beginStatement(statement: ReturnType<typeof statementV1>): Promise<Bundle> {
    return await this.#beginPayload(inTotoPayloadType, utf8(JSON.stringify(statement)));
  }

  /** Has a signature of this signer timestamped and logged, and verifies the bundle. */
  async complete(begun: Bundle, more: Pick<CompletionOptions, 'artifact' | 'onProgress'> = {}): Promise<SignedBundle> {
    const { services, trust, onStep, http = {}, expected, signer } = this.#parts;
    const { keyDetails } = signer;
    return await completeBundle(begun, { services, trust, ...expected, keyDetails, http, onStep, ...more });
  }

  async #beginPayload(payloadType: string, payload: Uint8Array): Promise<Bundle> {
    const { signer, material } = this.#parts;
    // Before anything is signed: what no log takes is not worth a signature.
    assertLoggable(signer.keyDetails, 'dsse');
    const sig = await signer.sign(preAuthenticationEncoding(payloadType, payload));
    const keyid = material.kind === 'publicKey' ? material.hint : '';
    return this.#begin({ kind: 'dsse', envelope: { payloadType, payload, signatures: [{ keyid, sig }] } });
  }

  #begin(content: Bundle['content']): Bundle {
    const { material } = this.#parts;
    return { mediaType: bundleMediaType, version: '0.3', key: material, tlogEntries: [], timestamps: [], content };
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    const file = await open(path, 'r');
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw new TypeError('it is not a file');
      return stat.size;
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new SignetError('ERR_USAGE', `${path} cannot be read`, { cause });
  }
}
