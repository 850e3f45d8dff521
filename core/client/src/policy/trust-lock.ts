import { createHash } from 'node:crypto';
import { parseJson, SignetError } from '@signet/primitives/basics';

/** How well a release is proven, from the least to the most. */
export const evidenceLevels = ['none', 'signature', 'provenance'] as const;
export type EvidenceLevel = (typeof evidenceLevels)[number];

/** Whom a signature named; members that a certificate lacks are absent. */
export interface PinnedIdentity {
  readonly issuer?: string;
  readonly subject?: string;
  readonly repository?: string;
  readonly repositoryId?: string;
  readonly ownerId?: string;
  /** Path of the workflow that was started. */
  readonly workflow?: string;
}

/** What was verified about a package when it was last looked at with consent. */
export interface Pin {
  readonly level: EvidenceLevel;
  readonly identity: PinnedIdentity;
  /** The version whose evidence this was taken from, and when that was signed. */
  readonly since: { readonly version: string; readonly time?: string };
  /** The versions that the registry listed of the time before the lock was created: how many, and a digest of their sorted list. */
  readonly versions?: { readonly count: number; readonly sha256: string };
  /** Who consented to a change, and why; the last stands last. */
  readonly accepted?: readonly { readonly at: string; readonly by: string; readonly reason: string }[];
}

/** What stands in `trust-lock.json`: written by the tool, committed and reviewed by people. */
export interface TrustLock {
  readonly version: 1;
  /** When pins began to be kept: releases of before are not expected to be as well proven. */
  readonly created: string;
  readonly packages: ReadonlyMap<string, Pin>;
}

/** What the file is called beside trust-policy.yaml. */
export const trustLockFileName = 'trust-lock.json';

/** The number and digest of a set of versions, whatever their order. */
export function versionSet(versions: readonly string[]): { readonly count: number; readonly sha256: string } {
  const sorted = [...new Set(versions)].sort();
  return { count: sorted.length, sha256: createHash('sha256').update(sorted.join('\n')).digest('hex') };
}

export function emptyTrustLock(now: Date): TrustLock {
  return { version: 1, created: now.toISOString(), packages: new Map() };
}

/** The text of the file: sorted, an entry a package, so that it changes only where trust changes. */
export function formatTrustLock({ version, created, packages }: TrustLock): string {
  const sorted = [...packages].sort(([a], [b]) => (a < b ? -1 : 1));
  return `${JSON.stringify({ version, created, packages: Object.fromEntries(sorted) }, undefined, 2)}\n`;
}

const identityFields = ['issuer', 'subject', 'repository', 'repositoryId', 'ownerId', 'workflow'] as const;

/**
 * Reads `trust-lock.json`. A file that is not understood completely is an error: a pin that is overlooked protects nobody.
 *
 * @param path names the file in messages
 * @throws ERR_TRUST_LOCK
 */
export function parseTrustLock(text: string, path: string = trustLockFileName): TrustLock {
  const fail = (problem: string, cause?: unknown): never => {
    throw new SignetError('ERR_TRUST_LOCK', `${path}: ${problem}; restore it from version control`, { cause });
  };
  let root: unknown;
  try {
    root = parseJson(text, path, { maxDepth: 8 });
  } catch (cause) {
    fail('it is not JSON', cause);
  }
  const known = (value: unknown, where: string, keys: readonly string[] | undefined): Record<string, unknown> => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(`${where} is not an object`);
    const stranger = keys && Object.keys(value).find((key) => !keys.includes(key));
    if (stranger !== undefined)
      fail(`${where} has a member ${JSON.stringify(stranger)} that this version does not know`);
    return value as Record<string, unknown>;
  };
  const string = (value: unknown, where: string): string =>
    typeof value === 'string' && value !== '' ? value : fail(`${where} is not a text`);
  const time = (value: unknown, where: string): string =>
    Number.isNaN(Date.parse(string(value, where))) ? fail(`${where} is not a time`) : string(value, where);
  const top = known(root, 'the file', undefined);
  if (top.version !== 1) fail(`expected version 1, found ${JSON.stringify(top.version)?.slice(0, 20)}`);
  known(top, 'the file', ['version', 'created', 'packages']);
  const packages = new Map<string, Pin>();
  for (const [name, value] of Object.entries(known(top.packages, 'packages', undefined))) {
    const entry = known(value, name, ['level', 'identity', 'since', 'versions', 'accepted']);
    const level = evidenceLevels.find((candidate) => candidate === entry.level) ?? fail(`${name}: no such level`);
    const identity = known(entry.identity, `${name}.identity`, identityFields);
    const since = known(entry.since, `${name}.since`, ['version', 'time']);
    const versions = entry.versions === undefined ? undefined : known(entry.versions, name, ['count', 'sha256']);
    const accepted = entry.accepted === undefined ? undefined : (entry.accepted as unknown[]);
    if (accepted !== undefined && !Array.isArray(accepted)) fail(`${name}.accepted is not a list`);
    packages.set(name, {
      level,
      identity: Object.fromEntries(
        Object.entries(identity).map(([key, text]) => [key, string(text, `${name}.${key}`)]),
      ),
      since: {
        version: string(since.version, `${name}.since.version`),
        ...(since.time === undefined ? {} : { time: time(since.time, `${name}.since.time`) }),
      },
      ...(versions === undefined
        ? {}
        : { versions: { count: Number(versions.count), sha256: string(versions.sha256, `${name}.versions`) } }),
      ...(accepted === undefined
        ? {}
        : {
            accepted: accepted.map((one) => {
              const { at, by, reason } = known(one, `${name}.accepted`, ['at', 'by', 'reason']);
              return { at: time(at, name), by: string(by, name), reason: string(reason, name) };
            }),
          }),
    });
  }
  return { version: 1, created: time(top.created, 'created'), packages };
}
