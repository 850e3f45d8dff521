import { digest } from '@signet/primitives/crypto';
import {
  Certificate,
  equalBytes,
  type PublicKeyInfo,
  parseCheckpoint,
  parseSignedNote,
  type SctEntry,
  type SignedCertificateTimestamp,
  SignetError,
  sctSignedData,
} from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import { treeHeadSigner } from '../checkpoint-signer.ts';
import { type BatchLimits, LogEngine } from '../engine/log-engine.ts';
import { IssuerStore } from './issuer-store.ts';
import { certificateKey, encodeTileLeaf, leafIndexExtension, readPromise, staticCtFormat } from './static-ct-format.ts';
import { type AcceptedChain, acceptChain, IssuerMemory } from './submitted-chain.ts';

export interface CertificateLogOptions {
  /** Data directory of this log alone; created when missing. */
  readonly directory: string;
  /** URL that certificates are submitted to, without scheme and trailing slash. */
  readonly origin: string;
  /** P-256, the only kind that RFC 6962 clients all read. */
  readonly signer: Signer;
  /** DER of the roots to which submissions must lead. */
  readonly acceptedRoots: readonly Uint8Array[];
  readonly batch?: BatchLimits;
  readonly forkGuardFile?: string;
  readonly onFatal?: (error: unknown) => void;
}

/** A signed tree head (RFC 6962 §4.3). */
export interface SignedTreeHead {
  readonly treeSize: bigint;
  readonly timestamp: Date;
  readonly rootHash: Uint8Array;
  /** TLS digitally-signed. */
  readonly signature: Uint8Array;
}

const sha256 = 4;
const ecdsa = 3;
// A tree head that says when it was signed must not grow old while nobody submits.
const treeHeadLifetimeMilliseconds = 3_600_000;

/**
 * A certificate transparency log (RFC 6962 submissions, c2sp.org/static-ct-api reads) in one directory. An SCT is given
 * only for an entry that is durable and in a signed tree: there is no merge delay.
 */
export class CertificateLog {
  readonly origin: string;
  readonly publicKey: PublicKeyInfo;
  /** SHA-256 of the key (RFC 6962 §3.2). */
  readonly logId: Uint8Array;
  readonly #signer: Signer;
  #roots: readonly Certificate[];
  readonly #engine: LogEngine;
  readonly #issuers: IssuerStore;
  readonly #checkedIssuers = new IssuerMemory();

  private constructor(options: CertificateLogOptions, engine: LogEngine) {
    this.origin = options.origin;
    this.publicKey = options.signer.publicKey;
    this.logId = digest('sha256', options.signer.publicKey.spki);
    this.#signer = options.signer;
    this.#roots = options.acceptedRoots.map((bytes) => Certificate.parse(bytes));
    this.#issuers = new IssuerStore(options.directory);
    this.#engine = engine;
  }

  /** @internal See {@link openCertificateLog}. */
  static async open(options: CertificateLogOptions): Promise<CertificateLog> {
    const { directory, origin, signer, batch, forkGuardFile, onFatal } = options;
    if (signer.keyDetails !== 'PKIX_ECDSA_P256_SHA_256') {
      throw new SignetError('ERR_KEY_UNSUPPORTED', `a certificate log signs with P-256, not ${signer.keyDetails}`);
    }
    const engine = await LogEngine.open({
      directory,
      format: staticCtFormat,
      identity: { origin, publicKey: signer.publicKey.spki },
      signCheckpoint: treeHeadSigner(origin, digest('sha256', signer.publicKey.spki), signer),
      ...(batch === undefined ? {} : { batch }),
      ...(forkGuardFile === undefined ? {} : { forkGuardFile }),
      ...(onFatal === undefined ? {} : { onFatal }),
    });
    try {
      return new CertificateLog(options, engine);
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** Number of entries in the present tree head. */
  get size(): bigint {
    return BigInt(this.#engine.published.treeSize);
  }

  /** Whether entries are taken. */
  get healthy(): boolean {
    return this.#engine.failure === undefined;
  }

  /** Accepts submissions that lead to these roots too. @param roots DER */
  acceptRoots(roots: readonly Uint8Array[]): void {
    const unknown = roots.filter((root) => !this.#roots.some(({ bytes }) => equalBytes(bytes, root)));
    this.#checkedIssuers.forget();
    this.#roots = [...this.#roots, ...unknown.map((bytes) => Certificate.parse(bytes))];
  }

  /** DER of the roots to which submissions must lead. */
  get acceptedRoots(): readonly Uint8Array[] {
    return this.#roots.map(({ bytes }) => bytes);
  }

  /**
   * Logs a certificate.
   *
   * @param chain DER, the certificate first
   * @throws ERR_CT_CHAIN, ERR_LOG_OVERLOADED, ERR_LOG_CLOSED, ERR_LOG_STORAGE
   */
  async addChain(chain: readonly Uint8Array[]): Promise<SignedCertificateTimestamp> {
    return this.#add(acceptChain(chain, this.#roots, 'certificate', { issuers: this.#checkedIssuers }));
  }

  /**
   * Logs a precertificate. The same one again gets a promise with the same time and index.
   *
   * @param chain DER: precertificate, issuing certificate, … root
   * @throws as {@link addChain}
   */
  async addPreChain(chain: readonly Uint8Array[]): Promise<SignedCertificateTimestamp> {
    return this.#add(acceptChain(chain, this.#roots, 'precertificate', { issuers: this.#checkedIssuers }));
  }

  /**
   * Logs a precertificate that an authority in this process has signed a moment ago. What came from elsewhere goes to
   * {@link CertificateLog.addPreChain}, which verifies its signature too.
   *
   * @param chain DER: precertificate, issuing certificate, … root
   * @throws as {@link addChain}
   */
  async addIssued(chain: readonly Uint8Array[]): Promise<SignedCertificateTimestamp> {
    const options = { issuers: this.#checkedIssuers, signedHere: true };
    return this.#add(acceptChain(chain, this.#roots, 'precertificate', options));
  }

  /** The latest checkpoint. */
  async checkpoint(): Promise<string> {
    if (
      Date.now() - readTreeHead(this.#engine.published.checkpoint).timestamp.getTime() >
      treeHeadLifetimeMilliseconds
    ) {
      await this.#engine.refresh();
    }
    return this.#engine.published.checkpoint;
  }

  /** The latest checkpoint as RFC 6962's clients read it. */
  async treeHead(): Promise<SignedTreeHead> {
    return readTreeHead(await this.checkpoint());
  }

  readTile(level: number, index: number, width?: number): Uint8Array | undefined {
    return this.#engine.readTile(level, index, width);
  }

  /** A data tile with its first `width` entries, or undefined when the log is not so long. */
  readEntryBundle(index: number, width?: number): Promise<Uint8Array | undefined> {
    return this.#engine.readBundle(index, width);
  }

  /** DER of an issuing certificate by the lower-case hexadecimal of its SHA-256. */
  issuer(fingerprint: string): Uint8Array | undefined {
    return this.#issuers.get(fingerprint);
  }

  /** @throws ERR_LOG_RANGE */
  inclusionProof(index: bigint, treeSize: bigint = this.size): Uint8Array[] {
    return this.#engine.inclusionProof(Number(index), Number(treeSize));
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  async #add({ entry, precertificate, issuers }: AcceptedChain): Promise<SignedCertificateTimestamp> {
    const chainFingerprints = issuers.map((issuer) => this.#issuers.add(issuer));
    let built: { readonly leafIndex: number; readonly timestamp: number } | undefined;
    const { index, duplicate } = await this.#engine.append({
      key: certificateKey(entry),
      build: (leafIndex, timestamp) => {
        built = { leafIndex, timestamp };
        return encodeTileLeaf({
          timestamp,
          entry,
          extensions: leafIndexExtension(leafIndex),
          ...(precertificate === undefined ? {} : { precertificate }),
          chainFingerprints,
        });
      },
    });
    if (!duplicate && built?.leafIndex === index) {
      const { timestamp } = built;
      return this.#promise(entry, { timestamp: new Date(timestamp), extensions: leafIndexExtension(index) });
    }
    // It was there before: the same promise again, as the log has it.
    const record = await this.#engine.readRecord(index);
    if (record === undefined) throw new SignetError('ERR_LOG_RANGE', `the log has no entry ${index}`);
    return this.#promise(entry, readPromise(record));
  }

  async #promise(
    entry: SctEntry,
    promise: { timestamp: Date; extensions: Uint8Array },
  ): Promise<SignedCertificateTimestamp> {
    const signature = await this.#signer.sign(sctSignedData(promise, entry));
    return { logId: this.logId, ...promise, hashAlgorithm: sha256, signatureAlgorithm: ecdsa, signature };
  }
}

/**
 * Opens a certificate log, or creates it.
 *
 * @throws ERR_KEY_UNSUPPORTED when the signer is not P-256; otherwise as openTransparencyLog
 */
export function openCertificateLog(options: CertificateLogOptions): Promise<CertificateLog> {
  return CertificateLog.open(options);
}

/** A checkpoint with RFC6962NoteSignature holds all of a tree head (c2sp.org/static-ct-api, Checkpoints). */
function readTreeHead(checkpoint: string): SignedTreeHead {
  const { text, signatures } = parseSignedNote(checkpoint);
  const { treeSize, rootHash } = parseCheckpoint(text);
  const [first] = signatures;
  if (first === undefined) throw new SignetError('ERR_CHECKPOINT_FORMAT', 'the checkpoint has no signature');
  const view = new DataView(first.signature.buffer, first.signature.byteOffset, first.signature.length);
  return {
    treeSize,
    rootHash,
    timestamp: new Date(Number(view.getBigUint64(0))),
    signature: first.signature.subarray(8),
  };
}
