import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { Certificate, equalBytes, type KeyDetails, SignetError, toPem } from '@signet/primitives/formats';
import { createKeyFile, openSigner, type Signer } from '@signet/primitives/keys';
import { createAuthority } from '@signet/services/ca';
import { createTimestampChain } from '@signet/services/tsa';
import { createDurably, makeDirectory, readIfPresent } from './durable-files.ts';
import { firstGenerations, type Generations, generationPaths } from './generations.ts';
import type { InstanceConfiguration } from './instance-file.ts';
import type { InstanceLayout } from './layout.ts';
import type { PublicMaterial } from './trust-documents.ts';
import type { RootHolders } from './trust-repository.ts';

/** The keys that a running instance signs with, beside those of its transparency logs; the roots' are not among them. */
export interface InstanceMaterial {
  readonly caSigner: Signer;
  readonly timestampSigner: Signer;
  readonly certificateLogSigner: Signer;
  readonly publicMaterial: PublicMaterial;
}

/** ARCHITECTURE.md, decision 8: P-384 for the authority, P-256 for CT and timestamps, Ed25519 for the v2 log. */
const kinds = {
  caRoot: 'PKIX_ECDSA_P384_SHA_384',
  caIntermediate: 'PKIX_ECDSA_P384_SHA_384',
  certificateLog: 'PKIX_ECDSA_P256_SHA_256',
  log: 'PKIX_ED25519',
  // Clients of Rekor v1 take no other.
  logV1: 'PKIX_ECDSA_P256_SHA_256',
  timestampRoot: 'PKIX_ECDSA_P384_SHA_384',
  timestamp: 'PKIX_ECDSA_P256_SHA_256',
  // P-256, because every device and service has it: this key is the first that should leave the machine.
  tufRoot: 'PKIX_ECDSA_P256_SHA_256',
  tufOnline: 'PKIX_ED25519',
} as const satisfies Record<string, KeyDetails>;

/** Keys that leave the machine after `init`. */
export interface OfflineKeys {
  /** For example on a medium that is locked away afterwards. */
  readonly directory: string;
  /** How many people hold a key of the trust root, a file each. */
  readonly holders: number;
  /** How many of them must sign a change. */
  readonly threshold: number;
}

/**
 * Makes the keys and certificates that do not exist yet. A certificate is made only together with the keys it speaks of, so
 * one that exists without them is refused instead of being replaced.
 *
 * @param offline where the roots' keys are made instead of beside the others
 * @returns who holds the trust root
 * @throws ERR_INSTANCE, ERR_KEY_FILE, ERR_KEY_SIGNER
 */
export async function createMaterial(
  layout: InstanceLayout,
  configuration: InstanceConfiguration,
  passphrase: string | undefined,
  offline?: OfflineKeys,
): Promise<RootHolders> {
  await makeDirectory(layout.keys.directory, 0o700);
  await makeDirectory(layout.certificates.directory);
  if (offline !== undefined) await makeDirectory(offline.directory, 0o700);
  const options = passphrase === undefined ? {} : { passphrase };
  const ensure = async (name: keyof typeof kinds, certificate?: string, path = layout.keys[name]): Promise<Signer> => {
    if (await exists(path)) return openSigner(path, options);
    if (certificate !== undefined && (await exists(certificate))) {
      throw new SignetError('ERR_INSTANCE', `${certificate} exists but its key ${path} does not; restore both`);
    }
    return createKeyFile(path, kinds[name], options);
  };
  // One after the other: a passphrase makes each take its memory for scrypt.
  const rootSigner = await ensure('caRoot', layout.certificates.ca, rootKeyPath(layout, 'ca-root', offline));
  const intermediateSigner = await ensure('caIntermediate', layout.certificates.ca);
  const timestampRootSigner = await ensure(
    'timestampRoot',
    layout.certificates.timestamp,
    rootKeyPath(layout, 'tsa-root', offline),
  );
  const timestampSigner = await ensure('timestamp', layout.certificates.timestamp);
  await ensure('certificateLog');
  await ensure('log');
  await ensure('logV1');
  await ensure('tufOnline');
  const signers: Signer[] = [];
  for (let holder = 1; offline !== undefined && holder <= offline.holders; holder++) {
    signers.push(await ensure('tufRoot', undefined, join(offline.directory, `tuf-${holder}.key`)));
  }
  if (offline === undefined) signers.push(await ensure('tufRoot'));

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
  return { signers, threshold: offline?.threshold ?? 1 };
}

/** Where the key of a root certificate is: with the offline keys, else on this machine. */
export function rootKeyPath(
  layout: InstanceLayout,
  name: 'ca-root' | 'tsa-root',
  offline?: Pick<OfflineKeys, 'directory'>,
): string {
  if (offline !== undefined) return join(offline.directory, `${name}.key`);
  return name === 'ca-root' ? layout.keys.caRoot : layout.keys.timestampRoot;
}

/**
 * Opens the keys and certificates of an instance and checks that they belong together.
 *
 * @param generations which of each are in use
 * @throws ERR_INSTANCE, ERR_KEY_FILE
 */
export async function openMaterial(
  layout: InstanceLayout,
  configuration: InstanceConfiguration,
  passphrase: string | undefined,
  generations: Generations = firstGenerations,
): Promise<InstanceMaterial> {
  // One thread answers all requests; what signs for many of them at a time does so on others.
  const options = { aside: true, ...(passphrase === undefined ? {} : { passphrase }) };
  const open = async (path: string): Promise<Signer> => {
    if (await exists(path)) return openSigner(path, options);
    throw new SignetError(
      'ERR_INSTANCE',
      `The key ${path} is missing; restore it from a backup, because an instance never gets a second one by itself`,
    );
  };
  const openIfPresent = async (path: string) => ((await exists(path)) ? openSigner(path, options) : undefined);
  const ca = generationPaths(layout, 'ca', generations.ca);
  const timestamp = generationPaths(layout, 'tsa', generations.tsa);
  const [caSigner, timestampSigner, certificateLogSigner, logSigner, logV1Signer] = await Promise.all([
    open(ca.key),
    open(timestamp.key),
    open(generationPaths(layout, 'ctlog', generations.ctlog).key),
    open(generationPaths(layout, 'log', generations.log).key),
    // Once there are later ones, the key cannot be absent.
    (generations['log-v1'] === 1 ? openIfPresent : open)(generationPaths(layout, 'log-v1', generations['log-v1']).key),
  ]);
  return {
    caSigner,
    timestampSigner,
    certificateLogSigner,
    publicMaterial: {
      authorityName: authorityName(configuration),
      caChain: await readChain(ca.certificates, caSigner),
      timestampChain: await readChain(timestamp.certificates, timestampSigner),
      certificateLogKey: certificateLogSigner.publicKey,
      logKey: logSigner.publicKey,
      ...(logV1Signer === undefined ? {} : { logV1Key: logV1Signer.publicKey }),
    },
  };
}

/** The signer of one certificate log. @throws ERR_KEY_FILE, ERR_KEY_SIGNER */
export function openCertificateLogSigner(path: string, passphrase: string | undefined): Promise<Signer> {
  return openSigner(path, { aside: true, ...(passphrase === undefined ? {} : { passphrase }) });
}

/** Organization of the instance's certificates. */
export function authorityName(configuration: InstanceConfiguration): string {
  return new URL(configuration.publicUrl).host;
}

/** @throws ERR_INSTANCE */
export async function readChain(path: string, signer: Pick<Signer, 'publicKey'>): Promise<readonly Uint8Array[]> {
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

/** Certificates as files have them. */
export function pemChain(chain: readonly Uint8Array[]): string {
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
