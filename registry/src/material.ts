import { access } from 'node:fs/promises';
import { Certificate, equalBytes, type KeyDetails, SignetError, toPem } from '@signet/primitives/formats';
import { createKeyFile, openKeyFile, type Signer } from '@signet/primitives/keys';
import { createAuthority } from '@signet/services/ca';
import { createTimestampChain } from '@signet/services/tsa';
import { createDurably, makeDirectory, readIfPresent } from './durable-files.ts';
import type { InstanceConfiguration } from './instance-file.ts';
import type { InstanceLayout } from './layout.ts';
import type { PublicMaterial } from './trust-documents.ts';

/** The keys that a running instance signs with; the roots' are not among them. */
export interface InstanceMaterial {
  readonly caSigner: Signer;
  readonly timestampSigner: Signer;
  readonly certificateLogSigner: Signer;
  readonly logSigner: Signer;
  readonly publicMaterial: PublicMaterial;
}

/** ARCHITECTURE.md, decision 8: P-384 for the authority, P-256 for CT and timestamps, Ed25519 for the v2 log. */
const kinds = {
  caRoot: 'PKIX_ECDSA_P384_SHA_384',
  caIntermediate: 'PKIX_ECDSA_P384_SHA_384',
  certificateLog: 'PKIX_ECDSA_P256_SHA_256',
  log: 'PKIX_ED25519',
  timestampRoot: 'PKIX_ECDSA_P384_SHA_384',
  timestamp: 'PKIX_ECDSA_P256_SHA_256',
} as const satisfies Record<string, KeyDetails>;

/**
 * Makes the keys and certificates that do not exist yet. A certificate is made only together with the keys it speaks of, so
 * one that exists without them is refused instead of being replaced.
 *
 * @throws ERR_INSTANCE, ERR_KEY_FILE
 */
export async function createMaterial(
  layout: InstanceLayout,
  configuration: InstanceConfiguration,
  passphrase: string | undefined,
): Promise<void> {
  await makeDirectory(layout.keys.directory, 0o700);
  await makeDirectory(layout.certificates.directory);
  const options = passphrase === undefined ? {} : { passphrase };
  const ensure = async (name: keyof typeof kinds, certificate?: string): Promise<Signer> => {
    const path = layout.keys[name];
    if (await exists(path)) return openKeyFile(path, options);
    if (certificate !== undefined && (await exists(certificate))) {
      throw new SignetError('ERR_INSTANCE', `${certificate} exists but its key ${path} does not; restore both`);
    }
    return createKeyFile(path, kinds[name], options);
  };
  // One after the other: a passphrase makes each take its memory for scrypt.
  const rootSigner = await ensure('caRoot', layout.certificates.ca);
  const intermediateSigner = await ensure('caIntermediate', layout.certificates.ca);
  const timestampRootSigner = await ensure('timestampRoot', layout.certificates.timestamp);
  const timestampSigner = await ensure('timestamp', layout.certificates.timestamp);
  await ensure('certificateLog');
  await ensure('log');

  const name = authorityName(configuration);
  const notBefore = configuration.created;
  if (!(await exists(layout.certificates.ca))) {
    const { root, intermediate } = await createAuthority({ name, rootSigner, intermediateSigner, notBefore });
    await createDurably(layout.certificates.ca, pemChain([intermediate, root]));
  }
  if (!(await exists(layout.certificates.timestamp))) {
    const signers = { rootSigner: timestampRootSigner, signer: timestampSigner };
    const { root, leaf } = await createTimestampChain({ name, ...signers, notBefore });
    await createDurably(layout.certificates.timestamp, pemChain([leaf, root]));
  }
}

/**
 * Opens the keys and certificates of an instance and checks that they belong together.
 *
 * @throws ERR_INSTANCE, ERR_KEY_FILE
 */
export async function openMaterial(
  layout: InstanceLayout,
  configuration: InstanceConfiguration,
  passphrase: string | undefined,
): Promise<InstanceMaterial> {
  const options = passphrase === undefined ? {} : { passphrase };
  const open = async (path: string): Promise<Signer> => {
    if (await exists(path)) return openKeyFile(path, options);
    throw new SignetError(
      'ERR_INSTANCE',
      `The key ${path} is missing; restore it from a backup, because an instance never gets a second one by itself`,
    );
  };
  const [caSigner, timestampSigner, certificateLogSigner, logSigner] = await Promise.all([
    open(layout.keys.caIntermediate),
    open(layout.keys.timestamp),
    open(layout.keys.certificateLog),
    open(layout.keys.log),
  ]);
  return {
    caSigner,
    timestampSigner,
    certificateLogSigner,
    logSigner,
    publicMaterial: {
      authorityName: authorityName(configuration),
      caChain: await readChain(layout.certificates.ca, caSigner),
      timestampChain: await readChain(layout.certificates.timestamp, timestampSigner),
      certificateLogKey: certificateLogSigner.publicKey,
      logKey: logSigner.publicKey,
    },
  };
}

function authorityName(configuration: InstanceConfiguration): string {
  return new URL(configuration.publicUrl).host;
}

async function readChain(path: string, signer: Signer): Promise<readonly Uint8Array[]> {
  const text = await readIfPresent(path);
  if (text === undefined) {
    throw new SignetError('ERR_INSTANCE', `The certificates ${path} are missing; restore them from a backup`);
  }
  const chain = Certificate.listFromPem(text);
  const [first] = chain;
  if (first === undefined || !equalBytes(first.publicKey.spki, signer.publicKey.spki)) {
    throw new SignetError('ERR_INSTANCE', `The first certificate in ${path} is not for the key beside it`);
  }
  return chain.map(({ bytes }) => bytes);
}

function pemChain(chain: readonly Uint8Array[]): string {
  return chain.map((bytes) => toPem('CERTIFICATE', bytes)).join('');
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
