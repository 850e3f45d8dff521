import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignetError } from '@signet/primitives/basics';
import type { SignerFacts } from '../policy/index.ts';
import type { ProvenAttestation } from './proven-facts.ts';
import { cacheFolder, secretFolder } from './user-folders.ts';
import { verdictKey } from './verdict-key.ts';

const day = 24 * 3600 * 1000;
/** After that, evidence is verified again even if nothing changed. */
const maxAge = 30 * day;
/** So long an answer counts that was less than a policy could wish for: "no evidence" may have become evidence. */
const maxAgeOfLittle = day;

/** The version of this verifier, by its package.json, which lies as deep above the sources as above what is built of them. */
async function clientVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** A package version, its bytes, and the trust root under which its evidence was verified. */
export interface VerdictSubject {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
  /** Digest of the trust material with its name, names and issuers. */
  readonly rootDigest: string;
}

/** Evidence that verified, and when that was found out. */
export interface Verdict {
  readonly attestations: readonly ProvenAttestation[];
  readonly verifiedAt: Date;
}

/**
 * What earlier runs verified for a project, so that the next one need not fetch and verify it again. It holds facts and no decisions: who
 * signed what and when, for exactly these bytes under exactly this trust root. The policy, with its ages, expiries and distrust, is
 * asked anew in every run.
 *
 * The file is authenticated with a key from outside the cache folder (see {@link verdictKey}) and bound to the project's folder and to this
 * version of the verifier. A file that is not authentic counts as absent: that costs time and nothing else. An older authentic
 * file says what was true then and, being about bytes, still is.
 */
export class VerdictCache {
  readonly #path: string;
  readonly #key: Uint8Array;
  readonly #context: string;
  readonly #entries: Map<string, StoredVerdict>;
  #policy: StoredPolicy | undefined;
  #changed = false;

  private constructor(path: string, key: Uint8Array, context: string, content: StoredContent | undefined) {
    this.#path = path;
    this.#key = key;
    this.#context = context;
    this.#entries = new Map(content?.verdicts);
    this.#policy = content?.policy;
  }

  /**
   * Opens the cache of a project.
   *
   * @throws ERR_VERDICT_CACHE when there is no place for it, or its key is not safe; a run can do without
   */
  static async open(directory: string, env: Readonly<Record<string, string | undefined>>): Promise<VerdictCache> {
    const [folder, secrets] = [cacheFolder(env), secretFolder(env)];
    if (folder === undefined || secrets === undefined) {
      throw new SignetError('ERR_VERDICT_CACHE', 'there is no folder for a cache; set HOME or SIGNET_CACHE');
    }
    const key = await verdictKey(secrets, folder);
    const project = createHash('sha256')
      .update(await realpath(directory).catch(() => directory))
      .digest('hex');
    const path = join(folder, 'verdicts', `${project.slice(0, 32)}.json`);
    const context = `signet verdicts, format 1, verifier ${await clientVersion()}, project ${project}\n`;
    const content = await readFile(path).catch(() => undefined);
    return new VerdictCache(path, key, context, content && authentic(content, key, context));
  }

  /** What was verified before; undefined when it was not, or too long ago for this purpose. */
  recall(subject: VerdictSubject, now = new Date()): Verdict | undefined {
    const stored = this.#entries.get(keyOf(subject));
    if (stored === undefined) return undefined;
    const age = now.getTime() - stored.at;
    // A clock that was set back must not make a verdict last longer.
    if (age < 0 || age > maxAge) return undefined;
    return { attestations: stored.attestations.map(revive), verifiedAt: new Date(stored.at) };
  }

  /** Whether what was verified is old enough to look whether there is more by now. */
  static mayBeOutdated({ verifiedAt }: Verdict, now = new Date()): boolean {
    return now.getTime() - verifiedAt.getTime() > maxAgeOfLittle;
  }

  keep(subject: VerdictSubject, attestations: readonly ProvenAttestation[], now = new Date()): void {
    this.#entries.set(keyOf(subject), { at: now.getTime(), attestations: attestations.map(store) });
    this.#changed = true;
  }

  /** The plain values of a policy file that was read before, by the digest of its text. */
  policyRoot(digest: string): unknown {
    return this.#policy?.digest === digest ? this.#policy.root : undefined;
  }

  keepPolicy(digest: string, root: unknown): void {
    this.#policy = { digest, root };
    this.#changed = true;
  }

  /** Writes down what changed. Renamed into place, so that a reader never sees half of it. */
  async save(now = new Date()): Promise<void> {
    if (!this.#changed) return;
    const verdicts = [...this.#entries].filter(([, { at }]) => now.getTime() - at <= maxAge);
    const body = Buffer.from(JSON.stringify({ verdicts, policy: this.#policy } satisfies StoredContent));
    const temporary = `${this.#path}.${randomUUID()}`;
    try {
      await mkdir(join(this.#path, '..'), { recursive: true, mode: 0o700 });
      await writeFile(temporary, [mac(this.#key, this.#context, body), body], { mode: 0o600, flag: 'wx' });
      await rename(temporary, this.#path);
      this.#changed = false;
    } catch (cause) {
      // What cannot be removed was not written.
      await rm(temporary, { force: true }).catch(() => undefined);
      throw new SignetError('ERR_VERDICT_CACHE', `${this.#path} cannot be written`, { cause });
    }
  }
}

/** Bytes of HMAC-SHA256 that stand before the JSON. */
const macLength = 32;

function mac(key: Uint8Array, context: string, body: Uint8Array): Buffer {
  return createHmac('sha256', key).update(context).update(body).digest();
}

function authentic(content: Buffer, key: Uint8Array, context: string): StoredContent | undefined {
  if (content.length < macLength) return undefined;
  const body = content.subarray(macLength);
  if (!timingSafeEqual(content.subarray(0, macLength), mac(key, context, body))) return undefined;
  return JSON.parse(body.toString('utf8')) as StoredContent;
}

function keyOf({ name, version, integrity, rootDigest }: VerdictSubject): string {
  return `${name}@${version} ${integrity} ${rootDigest}`;
}

// How it stands in the file. Only authentic files are read, so that these types can be relied upon.

interface StoredContent {
  readonly verdicts: readonly (readonly [key: string, StoredVerdict])[];
  readonly policy: StoredPolicy | undefined;
}

interface StoredPolicy {
  readonly digest: string;
  readonly root: unknown;
}

interface StoredVerdict {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly attestations: readonly StoredAttestation[];
}

interface StoredAttestation {
  readonly cel?: Readonly<Record<string, boolean | string>>;
  readonly predicateType: string;
  readonly signer: SignerFacts;
  readonly timestamps: readonly { readonly source: 'tsa' | 'log'; readonly time: number; readonly authority: string }[];
  readonly logEntries: readonly { readonly origin?: string; readonly baseUrl: string; readonly index: string }[];
  readonly trustRoot: string;
  readonly checks: readonly string[];
}

function store({ predicateType, verified, cel }: ProvenAttestation): StoredAttestation {
  const { signer, timestamps, logEntries, trustRoot, checks } = verified;
  return {
    predicateType,
    ...(cel === undefined ? {} : { cel }),
    signer,
    timestamps: timestamps.map((timestamp) => ({ ...timestamp, time: timestamp.time.getTime() })),
    logEntries: logEntries.map((entry) => ({ ...entry, index: String(entry.index) })),
    trustRoot,
    checks,
  };
}

function revive({
  predicateType,
  signer,
  timestamps,
  logEntries,
  trustRoot,
  checks,
  cel,
}: StoredAttestation): ProvenAttestation {
  return {
    predicateType,
    predicate: {},
    ...(cel === undefined ? {} : { cel }),
    verified: {
      signer,
      timestamps: timestamps.map((timestamp) => ({ ...timestamp, time: new Date(timestamp.time) })),
      logEntries: logEntries.map((entry) => ({ ...entry, index: BigInt(entry.index) })),
      trustRoot,
      checks,
    },
  };
}
