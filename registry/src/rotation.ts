import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Certificate, equalBytes, parseJson, SignetError } from '@signet/primitives/formats';
import { createKeyFile, openSigner, type Signer } from '@signet/primitives/keys';
import { createAuthority, createIntermediate } from '@signet/services/ca';
import { shardUrl } from '@signet/services/log';
import { createTimestampChain, createTimestampLeaf } from '@signet/services/tsa';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { createDurably, readIfPresent, writeDurably } from './durable-files.ts';
import {
  type Generations,
  generationPaths,
  type RotatedService,
  readGenerations,
  rotatedServices,
} from './generations.ts';
import type { Instance } from './initialize.ts';
import { authorityName, type OfflineKeys, pemChain, readChain, rootKeyPath } from './material.ts';
import { certificateLogUrl } from './public-url.ts';
import type { ServiceIdentity } from './trust-changes.ts';
import { timestampUrl } from './trust-documents.ts';

/** A rotation from its beginning to its end; it survives restarts. */
export interface Rotation {
  readonly service: RotatedService;
  /** The generation that comes. */
  readonly generation: number;
  readonly begun: Date;
  /** How long the new trust is public before it is used, seconds. */
  readonly leadSeconds: number;
  /** How long what came before is used and trusted beside the new generation, seconds. */
  readonly overlapSeconds?: number;
  /** When the new trust was published. */
  readonly announced?: Date;
  /** When the new generation came into use. */
  readonly switched?: Date;
}

/** What a rotation is to be. */
export interface RotationOptions {
  /** Default eight days: clients ask anew within the seven days for which the timestamp of the trust root is valid. */
  readonly leadSeconds?: number;
  /** Only for the v2 log: how long the present shard still takes entries after the switch. Default one hour. */
  readonly overlapSeconds?: number;
  /** Where the root keys are that left the machine. */
  readonly offlineKeys?: Pick<OfflineKeys, 'directory'>;
  readonly passphrase?: string;
  /** Only for the authorities: another root too, for when the old one ends or its key is not to be relied on. */
  readonly newRoot?: boolean;
  readonly now?: () => Date;
}

const defaultLeadSeconds = 8 * 24 * 3600;
const defaultLogOverlapSeconds = 3600;
/** What an old generation made may be used a little after the switch: a certificate lives ten minutes. */
const defaultOverlapSeconds = 15 * 60;

/**
 * Begins a rotation: makes key and certificate of the next generation and notes what is to happen. The instance publishes the new
 * trust, waits, switches and ends the old trust, whether it runs now or is started later.
 *
 * @throws ERR_ROTATION while another one of the same service is under way; ERR_INSTANCE, ERR_KEY_FILE, ERR_KEY_SIGNER
 */
export async function beginRotation(
  instance: Instance,
  service: RotatedService,
  options: RotationOptions = {},
): Promise<Rotation> {
  const { layout } = instance;
  const now = options.now ?? (() => new Date());
  if (service === 'log-v1' && instance.urls.logV1 === null)
    throw new SignetError('ERR_ROTATION', 'this instance has no v1 log: it was made before there was one');
  const generation = (await readGenerations(layout))[service] + 1;
  const rotation: Rotation = {
    service,
    generation,
    begun: new Date(Math.floor(now().getTime() / 1000) * 1000),
    leadSeconds: options.leadSeconds ?? defaultLeadSeconds,
    ...(service === 'log' ? { overlapSeconds: options.overlapSeconds ?? defaultLogOverlapSeconds } : {}),
  };
  const lock = lockRotations(instance, service);
  try {
    if ((await readRotation(instance, service)) !== undefined) throw underWay(service);
    // The material first: whatever is noted can be done.
    await makeGeneration(instance, rotation, options);
    if (!(await createDurably(rotationPath(instance, service), format(rotation)))) throw underWay(service);
    return rotation;
  } finally {
    lock.release();
  }
}

/** Of two that begin at once, one does. The running instance, which carries rotations through, is not kept waiting. */
function lockRotations({ layout }: Instance, service: RotatedService): DirectoryLock {
  try {
    return lockDirectory(join(layout.state.directory, `rotation-${service}.lock`));
  } catch (error) {
    if (error instanceof SignetError && error.code === 'ERR_INSTANCE_BUSY') throw underWay(service);
    throw error;
  }
}

/** The rotation of a service that is under way. @throws ERR_INSTANCE, ERR_INSTANCE_FORMAT */
export async function readRotation(instance: Instance, service: RotatedService): Promise<Rotation | undefined> {
  const path = rotationPath(instance, service);
  const text = await readIfPresent(path);
  if (text === undefined) return undefined;
  const value = parseJson(text, path) as Readonly<Record<string, unknown>>;
  if (value.format !== 1) {
    throw new SignetError(
      'ERR_INSTANCE_FORMAT',
      `${path} has a format that this Signet does not know; use a newer one`,
    );
  }
  const time = (key: string) => {
    const found = value[key];
    return typeof found === 'string' && !Number.isNaN(Date.parse(found)) ? new Date(found) : undefined;
  };
  const { generation, leadSeconds, overlapSeconds } = value;
  const begun = time('begun');
  const overlaps = overlapSeconds === undefined || typeof overlapSeconds === 'number';
  if (typeof generation !== 'number' || typeof leadSeconds !== 'number' || !overlaps || begun === undefined) {
    throw new SignetError('ERR_INSTANCE', `${path} is damaged; restore it from a backup`);
  }
  const announced = time('announced');
  const switched = time('switched');
  return {
    service,
    generation,
    begun,
    leadSeconds,
    ...(overlapSeconds === undefined ? {} : { overlapSeconds }),
    ...(announced === undefined ? {} : { announced }),
    ...(switched === undefined ? {} : { switched }),
  };
}

/** What an instance has that can be rotated. */
export function servicesOf({ urls }: Instance): readonly RotatedService[] {
  return rotatedServices.filter((service) => service !== 'log-v1' || urls.logV1 !== null);
}

/** All rotations that are under way. */
export async function readRotations(instance: Instance): Promise<readonly Rotation[]> {
  const found = await Promise.all(rotatedServices.map((service) => readRotation(instance, service)));
  return found.filter((rotation) => rotation !== undefined);
}

export function writeRotation(instance: Instance, rotation: Rotation): Promise<void> {
  return writeDurably(rotationPath(instance, rotation.service), format(rotation));
}

/** Forgets a rotation that is done. */
export function endRotation(instance: Instance, { service }: Rotation): Promise<void> {
  return rm(rotationPath(instance, service), { force: true });
}

/** When a rotation that was announced comes into use. */
export function switchTime({ announced, leadSeconds }: Rotation): Date | undefined {
  return announced === undefined ? undefined : new Date(announced.getTime() + leadSeconds * 1000);
}

/** When what came before a rotation that has switched is neither used nor trusted any more. */
export function endTime({ switched, overlapSeconds = defaultOverlapSeconds }: Rotation): Date | undefined {
  return switched === undefined ? undefined : new Date(switched.getTime() + overlapSeconds * 1000);
}

/** What a generation of a service is in the trusted root. @throws ERR_INSTANCE, ERR_KEY_FILE */
export async function serviceIdentity(
  instance: Instance,
  service: RotatedService,
  generation: number,
  passphrase: string | undefined,
): Promise<ServiceIdentity> {
  const { layout, urls, configuration } = instance;
  const paths = generationPaths(layout, service, generation);
  const signer = await openSigner(paths.key, passphrase === undefined ? {} : { passphrase });
  const name = authorityName(configuration);
  const key = signer.publicKey;
  if (service === 'ctlog') return { service, uri: certificateLogUrl(urls, generation), key };
  if (service === 'log') return { service, uri: shardUrl(urls.log, generation), key, firstUri: urls.log };
  if (service === 'log-v1') {
    const uri = urls.logV1 ?? '';
    return { service, uri, key, firstUri: uri };
  }
  const chain = await readChain(paths.certificates, signer);
  return { service, uri: service === 'ca' ? urls.ca : timestampUrl(urls), name, chain };
}

async function makeGeneration(instance: Instance, rotation: Rotation, options: RotationOptions): Promise<void> {
  const { layout, configuration } = instance;
  const { service, generation, begun } = rotation;
  const { passphrase, offlineKeys } = options;
  const keyOptions = passphrase === undefined ? {} : { passphrase };
  const paths = generationPaths(layout, service, generation);
  const before = generationPaths(layout, service, generation - 1);
  const previous = await openSigner(before.key, keyOptions);
  if (service !== 'ca' && service !== 'tsa') {
    await makeKey(paths.key, previous, keyOptions);
    return;
  }
  const newRoot = options.newRoot === true;
  const oldRoot = Certificate.parse((await readChain(before.certificates, previous)).at(-1) ?? new Uint8Array());
  // Asked for before anything is made: without the root's key there is nothing to begin.
  const rootPath = rootKeyPath(layout, service === 'ca' ? 'ca-root' : 'tsa-root', offlineKeys);
  const rootSigner = newRoot
    ? await createKeyFile(rootPath.replace(/\.key$/, `-${generation}-${Date.now()}.key`), rootDetails, keyOptions)
    : await openRoot(rootPath, oldRoot, keyOptions);
  const signer = await makeKey(paths.key, previous, keyOptions);
  const name = authorityName(configuration);
  const chain = { name, rootSigner, notBefore: begun };
  const root = newRoot ? undefined : oldRoot;
  const certificates =
    service === 'ca'
      ? await authorityCertificates({ ...chain, intermediateSigner: signer }, root)
      : await timestampCertificates({ ...chain, signer }, root);
  await writeDurably(paths.certificates, pemChain(certificates));
}

const rootDetails = 'PKIX_ECDSA_P384_SHA_384';

/** Below a root that is there, or below a new one. */
async function authorityCertificates(
  authority: Parameters<typeof createAuthority>[0],
  root: Certificate | undefined,
): Promise<readonly Uint8Array[]> {
  if (root !== undefined) return [await createIntermediate({ ...authority, root }), root.bytes];
  const made = await createAuthority(authority);
  return [made.intermediate, made.root];
}

async function timestampCertificates(
  authority: Parameters<typeof createTimestampChain>[0],
  root: Certificate | undefined,
): Promise<readonly Uint8Array[]> {
  if (root !== undefined) return [await createTimestampLeaf({ ...authority, root }), root.bytes];
  const made = await createTimestampChain(authority);
  return [made.leaf, made.root];
}

/** The key of a root: at its place, or beside it where a rotation with a new root has put it. */
async function openRoot(path: string, root: Certificate, options: { passphrase?: string }): Promise<Signer> {
  const stem = basename(path, '.key');
  const names = await readdir(dirname(path)).catch(() => []);
  const candidates = names.filter((name) => name.startsWith(stem) && /^(?:-\d+)*\.key$/.test(name.slice(stem.length)));
  for (const name of candidates) {
    const signer = await openSigner(join(dirname(path), name), options);
    if (equalBytes(signer.publicKey.spki, root.publicKey.spki)) return signer;
  }
  throw new SignetError(
    'ERR_KEY_FILE',
    `the key of the present root, ${path} or one beside it, is not there; name the folder of the keys that left the machine with --offline-keys DIR`,
  );
}

/**
 * A key of the same kind as the one before. A description of a key elsewhere may have been put there already; or a key that nobody has
 * used, when a rotation was cut off before it was noted.
 */
async function makeKey(path: string, previous: Signer, options: { passphrase?: string }): Promise<Signer> {
  if ((await readIfPresent(path)) !== undefined) return openSigner(path, options);
  return createKeyFile(path, previous.keyDetails, options);
}

function underWay(service: RotatedService): SignetError {
  return new SignetError(
    'ERR_ROTATION',
    `a rotation of the ${names[service]} is under way already; signet doctor says how far it is`,
  );
}

const names = {
  ca: 'certificate authority',
  tsa: 'timestamp authority',
  ctlog: 'certificate log',
  log: 'transparency log',
  'log-v1': 'v1 transparency log',
} as const;

function rotationPath({ layout }: Instance, service: RotatedService): string {
  return join(layout.state.directory, `rotation-${service}.json`);
}

function format(rotation: Rotation): string {
  return `${JSON.stringify({ format: 1, ...rotation })}\n`;
}

/** The generations after a rotation. */
export function withGeneration(generations: Generations, { service, generation }: Rotation): Generations {
  return { ...generations, [service]: generation };
}
