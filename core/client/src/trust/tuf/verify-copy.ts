import { digest } from '@signet/primitives/crypto';
import { equalBytes, fromHex, parseJson, SignetError, toHex } from '@signet/primitives/formats';
import { Metadata, MetadataKind, type Root, type Snapshot, type Targets, type Timestamp } from '@tufjs/models';
import type { RepositoryCopy } from './copy.ts';

/** A root as people compare it. */
export interface RootFacts {
  readonly version: number;
  readonly expires: Date;
  /** SHA-256 of the file, lower-case hexadecimal. */
  readonly fingerprint: string;
}

/** What a copy of a repository proves. */
export interface VerifiedCopy {
  readonly root: RootFacts;
  /** Until when the targets may be used without asking the repository again. */
  readonly expires: Date;
  /** Until when the copy counts as fresh. */
  readonly freshUntil: Date;
  readonly versions: {
    readonly root: number;
    readonly targets: number;
    readonly snapshot: number;
    readonly timestamp: number;
  };
  readonly files: ReadonlyMap<string, Uint8Array>;
}

interface Documents {
  readonly root: Metadata<Root>;
  readonly targets: Metadata<Targets>;
  readonly snapshot: Metadata<Snapshot>;
  readonly timestamp: Metadata<Timestamp>;
}

type Json = Parameters<typeof Metadata.fromJSON>[1];

const kinds = {
  root: MetadataKind.Root,
  targets: MetadataKind.Targets,
  snapshot: MetadataKind.Snapshot,
  timestamp: MetadataKind.Timestamp,
} as const;

/**
 * Reads a root file and checks that its own keys signed it. Whether it is the right one is for the caller to know.
 *
 * @throws ERR_TRUST_REPOSITORY, ERR_JSON
 */
export function readRoot(bytes: Uint8Array): RootFacts {
  const root = parse('root', bytes);
  attempt('the root is not signed by its own keys', () => root.verifyDelegate('root', root));
  return factsOf(root, bytes);
}

/**
 * Verifies a copy from the pinned root upwards, as the TUF specification's client workflow does (§5.3 to 5.7) but for the expiry of
 * timestamp and snapshot, which say how fresh the copy is. Root and targets must not have expired.
 *
 * @param pinned the root file that is trusted as it is
 * @throws ERR_TRUST_REPOSITORY, ERR_TRUST_EXPIRED
 */
export function verifyCopy(pinned: Uint8Array, copy: RepositoryCopy, now: Date): VerifiedCopy {
  const { root, bytes } = newestRoot(pinned, copy.roots);
  const timestamp = parse('timestamp', copy.timestamp);
  const snapshot = parse('snapshot', copy.snapshot);
  const targets = parse('targets', copy.targets);
  attempt('the timestamp is not signed by the keys of the root', () => root.verifyDelegate('timestamp', timestamp));
  attempt('the snapshot is not signed by the keys of the root', () => root.verifyDelegate('snapshot', snapshot));
  attempt('the targets are not signed by the keys of the root', () => root.verifyDelegate('targets', targets));
  const { snapshotMeta } = timestamp.signed;
  attempt('the snapshot is not the one of the timestamp', () => snapshotMeta.verify(Buffer.from(copy.snapshot)));
  assertSame('snapshot', snapshotMeta.version, snapshot.signed.version);
  const targetsMeta = snapshot.signed.meta['targets.json'];
  if (targetsMeta === undefined) throw refuse('the snapshot names no targets');
  attempt('the targets are not those of the snapshot', () => targetsMeta.verify(Buffer.from(copy.targets)));
  assertSame('targets', targetsMeta.version, targets.signed.version);
  for (const [role, document] of [
    ['root', root],
    ['targets', targets],
  ] as const) {
    const expires = new Date(document.signed.expires);
    if (expires > now) continue;
    throw new SignetError(
      'ERR_TRUST_EXPIRED',
      `the ${role} metadata of ${copy.url} expired on ${day(expires)} and no newer is known; ` +
        'refresh it with signet trust refresh, or ask the operator for an archive (signet trust import)',
      { expected: `${role} valid at ${now.toISOString()}`, found: `valid until ${expires.toISOString()}` },
    );
  }
  return {
    root: factsOf(root, bytes),
    expires: earliest(root, targets),
    freshUntil: earliest(timestamp, snapshot),
    versions: versionsOf({ root, targets, snapshot, timestamp }),
    files: verifiedFiles(targets, copy.files),
  };
}

function newestRoot(pinned: Uint8Array, roots: readonly Uint8Array[]): { root: Metadata<Root>; bytes: Uint8Array } {
  let root = parse('root', pinned);
  let newest = pinned;
  attempt('the pinned root is not signed by its own keys', () => root.verifyDelegate('root', root));
  for (const bytes of roots) {
    const next = parse('root', bytes);
    const { version } = next.signed;
    assertSame('root', root.signed.version + 1, version);
    attempt(`root ${version} is not signed by the keys of the one before it`, () => root.verifyDelegate('root', next));
    attempt(`root ${version} is not signed by its own keys`, () => next.verifyDelegate('root', next));
    root = next;
    newest = bytes;
  }
  return { root, bytes: newest };
}

function verifiedFiles(targets: Metadata<Targets>, files: RepositoryCopy['files']): Map<string, Uint8Array> {
  for (const [name, bytes] of files) {
    const target = targets.signed.targets[name];
    const sha256 = target?.hashes.sha256;
    const sha512 = target?.hashes.sha512;
    const algorithm = sha256 === undefined ? 'sha512' : 'sha256';
    const hash = sha256 ?? sha512;
    const same =
      target !== undefined &&
      hash !== undefined &&
      target.length === bytes.length &&
      equalBytes(digest(algorithm, bytes), fromHex(hash, `the hash of ${name}`));
    if (!same) throw refuse(`the file ${name} is not the one that the targets name`);
  }
  return new Map(files);
}

function parse<R extends keyof Documents>(role: R, bytes: Uint8Array): Documents[R] {
  const value = parseJson(bytes, `${role} metadata`) as Json;
  // The overloads of fromJSON name one kind each.
  const read = Metadata.fromJSON as (kind: MetadataKind, data: Json) => Documents[R];
  try {
    return read.call(Metadata, kinds[role], value);
  } catch (cause) {
    throw refuse(`the ${role} metadata is malformed`, cause);
  }
}

function factsOf(root: Metadata<Root>, bytes: Uint8Array): RootFacts {
  const { version, expires } = root.signed;
  return { version, expires: new Date(expires), fingerprint: toHex(digest('sha256', bytes)) };
}

function versionsOf({ root, targets, snapshot, timestamp }: Documents): VerifiedCopy['versions'] {
  return {
    root: root.signed.version,
    targets: targets.signed.version,
    snapshot: snapshot.signed.version,
    timestamp: timestamp.signed.version,
  };
}

function earliest(...documents: readonly Documents[keyof Documents][]): Date {
  return new Date(Math.min(...documents.map(({ signed }) => Date.parse(signed.expires))));
}

function attempt(problem: string, check: () => void): void {
  try {
    check();
  } catch (cause) {
    throw refuse(problem, cause);
  }
}

function assertSame(role: string, expected: number, found: number): void {
  if (expected === found) return;
  const details = { expected: String(expected), found: String(found) };
  throw new SignetError('ERR_TRUST_REPOSITORY', `the ${role} metadata has another version than it must`, details);
}

function refuse(problem: string, cause?: unknown): SignetError {
  return new SignetError('ERR_TRUST_REPOSITORY', `the trust root does not verify: ${problem}`, { cause });
}

/** A date for sentences. */
export function day(time: Date): string {
  return time.toISOString().slice(0, 10);
}
