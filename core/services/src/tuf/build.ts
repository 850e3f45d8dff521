import { digest } from '@signet/primitives/crypto';
import { toHex } from '@signet/primitives/formats';
import { type Key, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models';
import { formatExpiry, formatMetadata } from './metadata.ts';
import { nextVersion, type RoleName, roleLifetimes } from './roles.ts';

/** A file that clients fetch through the repository. */
export interface TargetContent {
  readonly bytes: Uint8Array;
  /** What older clients find it by, as `{ "sigstore": { "usage": "Fulcio", "status": "Active" } }`. */
  readonly custom?: Readonly<Record<string, unknown>>;
}

/** All targets, by name. */
export type TargetSet = ReadonlyMap<string, TargetContent>;

/** The keys of a role and how many of them must sign. */
export interface RoleKeys {
  readonly keys: readonly Key[];
  readonly threshold: number;
}

/** The version of the TUF specification that the metadata follows. */
const specVersion = '1.0.31';

/** Root metadata with consistent snapshots, unsigned. The models' reader checks it: unique keys, thresholds above zero. */
export function buildRoot(version: number, roles: Readonly<Record<RoleName, RoleKeys>>, now: Date): Metadata<Root> {
  const keys = Object.values(roles).flatMap((role) => role.keys.map((key) => [key.keyID, key.toJSON()] as const));
  const assigned = Object.entries(roles).map(([name, role]) => {
    return [name, { keyids: role.keys.map(({ keyID }) => keyID), threshold: role.threshold }] as const;
  });
  return new Metadata(
    Root.fromJSON({
      _type: 'root',
      spec_version: specVersion,
      version,
      expires: expiry('root', now),
      consistent_snapshot: true,
      keys: Object.fromEntries(keys),
      roles: Object.fromEntries(assigned),
    }),
  );
}

/** Targets metadata over a set of files, unsigned. */
export function buildTargets(previous: number, targets: TargetSet, now: Date): Metadata<Targets> {
  const files = [...targets].map(([name, { bytes, custom }]) => [name, describeTarget(name, bytes, custom)] as const);
  return new Metadata(
    new Targets({
      specVersion,
      version: nextVersion(previous, now),
      expires: expiry('targets', now),
      targets: Object.fromEntries(files),
    }),
  );
}

function describeTarget(path: string, bytes: Uint8Array, custom: TargetContent['custom']): TargetFile {
  return TargetFile.fromJSON(path, {
    length: bytes.length,
    hashes: { sha256: toHex(digest('sha256', bytes)) },
    ...(custom === undefined ? {} : { custom: JSON.parse(JSON.stringify(custom)) }),
  });
}

export function buildSnapshot(previous: number, targets: Metadata<Targets>, now: Date): Metadata<Snapshot> {
  const meta = { 'targets.json': describe(targets) };
  return new Metadata(
    new Snapshot({ specVersion, version: nextVersion(previous, now), expires: expiry('snapshot', now), meta }),
  );
}

export function buildTimestamp(previous: number, snapshot: Metadata<Snapshot>, now: Date): Metadata<Timestamp> {
  const version = nextVersion(previous, now);
  return new Metadata(
    new Timestamp({ specVersion, version, expires: expiry('timestamp', now), snapshotMeta: describe(snapshot) }),
  );
}

function describe(metadata: Metadata<Targets> | Metadata<Snapshot>): MetaFile {
  const bytes = formatMetadata(metadata);
  return new MetaFile({
    version: metadata.signed.version,
    length: bytes.length,
    hashes: { sha256: toHex(digest('sha256', bytes)) },
  });
}

/** Where clients with consistent snapshots look for a target: its hash before its name (TUF specification §6). */
export function targetPath(target: TargetFile): string {
  const at = target.path.lastIndexOf('/') + 1;
  return `targets/${target.path.slice(0, at)}${target.hashes.sha256}.${target.path.slice(at)}`;
}

function expiry(role: RoleName, now: Date): string {
  return formatExpiry(new Date(now.getTime() + roleLifetimes[role]));
}
