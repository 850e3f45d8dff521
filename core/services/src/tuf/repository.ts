import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digest } from '@signet/primitives/crypto';
import { SignetError, toHex } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import {
  buildRoot,
  buildSnapshot,
  buildTargets,
  buildTimestamp,
  type RoleKeys,
  type TargetSet,
  targetPath,
} from './build.ts';
import { readDirectory, targetFileName, targetName, writeDurably } from './durable-file.ts';
import { countSignatures, formatMetadata, parseMetadata, type RoleMetadata, roleOf, signMetadata } from './metadata.ts';
import { type RepositoryFiles, replay } from './replay.ts';
import { type RoleName, renewalTime, roleNames } from './roles.ts';
import { tufKey } from './tuf-key.ts';

/** The private keys that a process has of a repository. */
export interface RepositorySigners {
  /** Signs snapshot and timestamp. */
  readonly online: Signer;
  /** Those root and targets keys that did not leave the machine; may be none. */
  readonly offline: readonly Signer[];
}

export interface RepositoryOptions {
  /** Holds `metadata/` and `targets/`. */
  readonly directory: string;
  readonly signers: RepositorySigners;
  readonly clock?: () => Date;
}

/** A new repository. */
export interface NewRepository extends RepositoryOptions {
  readonly root: { readonly signers: readonly Signer[]; readonly threshold: number };
  /** Default: the root's. */
  readonly targetsRole?: { readonly signers: readonly Signer[]; readonly threshold: number };
  readonly targets: TargetSet;
}

/** A change of root and targets with its signatures, as a ceremony made it. */
export interface SignedChange {
  /** The next root, if it changes. */
  readonly root?: RoleMetadata['root'];
  readonly targets?: { readonly metadata: RoleMetadata['targets']; readonly files: ReadonlyMap<string, Uint8Array> };
}

/** One role as `/healthz`, metrics and people see it. */
export interface RoleStatus {
  readonly role: RoleName;
  readonly version: number;
  readonly expires: Date;
  readonly renewsAt: Date;
  /** Whether this process can sign it again without anybody's key. */
  readonly renewable: boolean;
}

/** The documents in force. */
export type CurrentMetadata = { readonly [R in RoleName]: RoleMetadata[R] };

/** Old snapshots and targets stay for clients that are reading them; nobody reads older ones. */
const keptVersions = 16;

/**
 * The trust root of an instance as a TUF repository with consistent snapshots (TUF specification 1.0). Snapshot and timestamp
 * are signed here; root and targets by keys that may be elsewhere. What is served is swapped whole, after it is on
 * disk and after a stock client has read it.
 */
export class TufRepository {
  readonly #directory: string;
  readonly #signers: RepositorySigners;
  readonly #clock: () => Date;
  #files: RepositoryFiles;
  #current: CurrentMetadata;
  #working: Promise<unknown> = Promise.resolve();

  private constructor(options: RepositoryOptions, files: RepositoryFiles, current: CurrentMetadata) {
    this.#directory = options.directory;
    this.#signers = options.signers;
    this.#clock = options.clock ?? (() => new Date());
    this.#files = files;
    this.#current = current;
  }

  /**
   * Makes a repository. A directory in which an earlier attempt was cut off is filled anew: it is complete, and may have been
   * shown to somebody, only once it has a timestamp.
   *
   * @throws ERR_TUF_REPOSITORY when there is a complete one, ERR_TUF_REFUSED
   */
  static async create(options: NewRepository): Promise<TufRepository> {
    const { directory, signers, root, targetsRole = root } = options;
    const now = (options.clock ?? (() => new Date()))();
    if ((await readFiles(directory)).has('timestamp.json')) {
      throw new SignetError('ERR_TUF_REPOSITORY', `${directory} holds a trust-root repository already`);
    }
    const online: RoleKeys = { keys: [tufKey(signers.online)], threshold: 1 };
    const keysOf = (role: typeof root): RoleKeys => ({ keys: role.signers.map(tufKey), threshold: role.threshold });
    const metadata = buildRoot(
      1,
      { root: keysOf(root), targets: keysOf(targetsRole), snapshot: online, timestamp: online },
      now,
    );
    const targets = buildTargets(0, options.targets, now);
    for (const signer of root.signers) await signMetadata(metadata, signer);
    for (const signer of targetsRole.signers) await signMetadata(targets, signer);
    const files = filesOf(options.targets, targets);
    const snapshot = buildSnapshot(0, targets, now);
    const timestamp = buildTimestamp(0, snapshot, now);
    const repository = new TufRepository(options, new Map(), { root: metadata, targets, snapshot, timestamp });
    await repository.#publish({ root: metadata, targets: { metadata: targets, files } }, undefined);
    return repository;
  }

  /**
   * Opens a repository and checks that it holds together.
   *
   * @throws ERR_TUF_REPOSITORY
   */
  static async open(options: RepositoryOptions): Promise<TufRepository> {
    const files = await readFiles(options.directory);
    return new TufRepository(options, files, readCurrent(files, options.directory));
  }

  /** Bytes below the base URL, or undefined. */
  read(path: string): Uint8Array | undefined {
    // Clients of the first hour ask for the newest root by this name.
    return this.#files.get(path === 'root.json' ? `${this.rootVersion}.root.json` : path);
  }

  /** Everything that is served. */
  get files(): RepositoryFiles {
    return this.#files;
  }

  get rootVersion(): number {
    return this.#current.root.signed.version;
  }

  /** The newest root's file. */
  get root(): Uint8Array {
    return this.#files.get(`${this.rootVersion}.root.json`) ?? new Uint8Array();
  }

  /** Where the newest root is on disk. */
  get newestRoot(): { readonly path: string } {
    return { path: placeOf(this.#directory, `${this.rootVersion}.root.json`) };
  }

  /** SHA-256 of the newest root's file, lower-case hexadecimal: what people compare. */
  get rootFingerprint(): string {
    return toHex(digest('sha256', this.root));
  }

  /** The documents in force, for ceremonies. Not to be changed. */
  get current(): CurrentMetadata {
    return this.#current;
  }

  /** A target's bytes as clients get them. */
  target(name: string): Uint8Array | undefined {
    const target = this.#current.targets.signed.targets[name];
    return target === undefined ? undefined : this.#files.get(targetPath(target));
  }

  get status(): readonly RoleStatus[] {
    return roleNames.map((role) => {
      const { version, expires: text } = this.#current[role].signed;
      const expires = new Date(text);
      return { role, version, expires, renewsAt: renewalTime(role, expires), renewable: this.#canSign(role) };
    });
  }

  /** Whether clients accept the repository now. */
  get isServing(): boolean {
    const now = this.#clock();
    return this.status.every(({ expires }) => expires > now);
  }

  /**
   * Signs again what has passed half of its life and can be signed here.
   *
   * @param force sign snapshot, timestamp and, with its keys at hand, targets in any case: at start, so that a repository that was
   *   restored from a backup goes on above every version that clients have seen
   * @returns the roles that were signed
   */
  renew(options: { readonly force?: boolean } = {}): Promise<readonly RoleName[]> {
    return this.#alone(async () => {
      const now = this.#clock();
      const due = new Set(
        this.status
          .filter(({ role, renewsAt, renewable }) => {
            return renewable && (renewsAt <= now || (options.force === true && role !== 'root'));
          })
          .map(({ role }) => role),
      );
      if (due.size === 0) return [];
      const root = due.has('root') ? await this.#renewedRoot(now) : undefined;
      const targets = due.has('targets') ? await this.#signedTargets(this.#targetSet(), now, root) : undefined;
      await this.#publish(
        { ...(root === undefined ? {} : { root }), ...(targets === undefined ? {} : { targets }) },
        this.#files,
      );
      return [...due];
    });
  }

  /** Whether enough keys of a role are in this process. */
  #canSign(role: RoleName, root = this.#current.root): boolean {
    const { keyIDs, threshold } = roleOf(root.signed, role);
    const signers = role === 'root' || role === 'targets' ? this.#signers.offline : [this.#signers.online];
    return signers.filter((signer) => keyIDs.includes(tufKey(signer).keyID)).length >= threshold;
  }

  /** Whether {@link publishTargets} needs no ceremony. */
  get canSignTargets(): boolean {
    return this.#canSign('targets');
  }

  /**
   * Replaces the targets, with the keys of this process.
   *
   * @throws ERR_TUF_SIGNATURES when they are elsewhere: then it takes a ceremony; ERR_TUF_REFUSED
   */
  publishTargets(targets: TargetSet): Promise<void> {
    return this.#alone(async () => {
      if (!this.#canSign('targets')) {
        throw new SignetError(
          'ERR_TUF_SIGNATURES',
          'the targets keys are not on this machine: signet tuf propose, sign and publish change the trust root',
        );
      }
      await this.#publish({ targets: await this.#signedTargets(targets, this.#clock()) }, this.#files);
    });
  }

  /**
   * Publishes what a ceremony signed.
   *
   * @throws ERR_TUF_SIGNATURES below a threshold, ERR_TUF_PROPOSAL when it was made over older metadata, ERR_TUF_REFUSED
   */
  apply(change: SignedChange): Promise<void> {
    return this.#alone(async () => {
      checkChange(change, this.#current);
      await this.#publish(change, this.#files);
    });
  }

  /** Does everything that {@link apply} does but write. @throws as {@link apply} */
  check(change: SignedChange): Promise<void> {
    return this.#alone(async () => {
      checkChange(change, this.#current);
      await this.#prepare(change, this.#files);
    });
  }

  /** One change at a time. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#working.then(work);
    this.#working = result.catch(() => undefined);
    return result;
  }

  async #renewedRoot(now: Date): Promise<RoleMetadata['root']> {
    const { signed } = this.#current.root;
    const keysOf = (role: RoleName): RoleKeys => {
      const { keyIDs, threshold } = roleOf(signed, role);
      return { keys: keyIDs.flatMap((id) => signed.keys[id] ?? []), threshold };
    };
    const root = buildRoot(
      signed.version + 1,
      {
        root: keysOf('root'),
        targets: keysOf('targets'),
        snapshot: keysOf('snapshot'),
        timestamp: keysOf('timestamp'),
      },
      now,
    );
    for (const signer of this.#signersOf('root')) await signMetadata(root, signer);
    return root;
  }

  async #signedTargets(targets: TargetSet, now: Date, root = this.#current.root) {
    const metadata = buildTargets(this.#current.targets.signed.version, targets, now);
    for (const signer of this.#signersOf('targets', root)) await signMetadata(metadata, signer);
    return { metadata, files: filesOf(targets, metadata) };
  }

  #signersOf(role: 'root' | 'targets', root = this.#current.root): readonly Signer[] {
    const { keyIDs } = roleOf(root.signed, role);
    return this.#signers.offline.filter((signer) => keyIDs.includes(tufKey(signer).keyID));
  }

  /** The present targets, to be described anew. */
  #targetSet(): TargetSet {
    return new Map(
      Object.values(this.#current.targets.signed.targets).map((target) => {
        const bytes = this.#files.get(targetPath(target));
        if (bytes === undefined) throw missing(this.#directory, targetPath(target));
        const custom = target.unrecognizedFields.custom as Readonly<Record<string, unknown>> | undefined;
        return [target.path, { bytes, ...(custom === undefined ? {} : { custom }) }];
      }),
    );
  }

  /** Signs snapshot and timestamp over a change, and lets a stock client read the outcome. @throws ERR_TUF_REFUSED */
  async #prepare(change: SignedChange, published: RepositoryFiles | undefined) {
    const now = this.#clock();
    const root = change.root ?? this.#current.root;
    const targets = change.targets?.metadata ?? this.#current.targets;
    const previous = published === undefined ? { snapshot: 0, timestamp: 0 } : versionsOf(this.#current);
    const snapshot = buildSnapshot(previous.snapshot, targets, now);
    await signMetadata(snapshot, this.#signers.online);
    const timestamp = buildTimestamp(previous.timestamp, snapshot, now);
    await signMetadata(timestamp, this.#signers.online);
    const written = new Map<string, Uint8Array>(change.targets?.files ?? []);
    if (change.targets !== undefined) written.set(`${targets.signed.version}.targets.json`, formatMetadata(targets));
    written.set(`${snapshot.signed.version}.snapshot.json`, formatMetadata(snapshot));
    if (change.root !== undefined) written.set(`${root.signed.version}.root.json`, formatMetadata(root));
    written.set('timestamp.json', formatMetadata(timestamp));

    const files = new Map([...this.#files, ...written]);
    const roots = [files.get('1.root.json'), files.get(`${root.signed.version}.root.json`)];
    const wanted = Object.values(targets.signed.targets).map(
      (target) => [target.path, files.get(targetPath(target)) ?? new Uint8Array()] as const,
    );
    await replay(
      files,
      roots.filter((bytes) => bytes !== undefined),
      published,
      new Map(wanted),
    );
    return { written, files, current: { root, targets, snapshot, timestamp } };
  }

  /**
   * Writes what {@link #prepare} has found good: targets before the metadata that names them, the timestamp last. A crash in between
   * leaves the old repository, or one whose roots are ahead, which the next start completes.
   */
  async #publish(change: SignedChange, published: RepositoryFiles | undefined): Promise<void> {
    const { written, files, current } = await this.#prepare(change, published);
    for (const [path, bytes] of written) await writeDurably(placeOf(this.#directory, path), bytes);
    for (const path of outdated(files)) {
      files.delete(path);
      await rm(placeOf(this.#directory, path), { force: true });
    }
    this.#files = files;
    this.#current = current;
  }
}

function versionsOf({ snapshot, timestamp }: CurrentMetadata) {
  return { snapshot: snapshot.signed.version, timestamp: timestamp.signed.version };
}

/** @throws ERR_TUF_SIGNATURES, ERR_TUF_PROPOSAL */
function checkChange({ root, targets }: SignedChange, current: CurrentMetadata): void {
  if (root !== undefined && root.signed.version !== current.root.signed.version + 1) {
    throw new SignetError(
      'ERR_TUF_PROPOSAL',
      'the proposal was made before the last change of the root; propose it anew',
      {
        expected: `root ${current.root.signed.version + 1}`,
        found: `root ${root.signed.version}`,
      },
    );
  }
  if (targets !== undefined && targets.metadata.signed.version <= current.targets.signed.version) {
    throw new SignetError(
      'ERR_TUF_PROPOSAL',
      'the proposal was made before the last change of the targets; propose it anew',
      {
        expected: `targets above ${current.targets.signed.version}`,
        found: `targets ${targets.metadata.signed.version}`,
      },
    );
  }
  const demand = (what: string, by: RoleMetadata['root'], role: RoleName, metadata: RoleMetadata[RoleName]) => {
    const { signed, threshold } = countSignatures(by.signed, role, metadata);
    if (signed >= threshold) return;
    throw new SignetError('ERR_TUF_SIGNATURES', `${what} lacks signatures`, {
      expected: `${threshold} signatures`,
      found: `${signed}`,
    });
  };
  if (root !== undefined) {
    // TUF specification §5.3.4: by the keys of the root before it and by its own.
    demand('the new root (by the keys of the present root)', current.root, 'root', root);
    demand('the new root (by its own keys)', root, 'root', root);
  }
  demand('the targets', root ?? current.root, 'targets', targets?.metadata ?? current.targets);
}

async function readFiles(directory: string): Promise<Map<string, Uint8Array>> {
  const files = await readDirectory(join(directory, 'metadata'));
  for (const [name, bytes] of await readDirectory(join(directory, 'targets'))) {
    files.set(`targets/${targetName(name)}`, bytes);
  }
  return files;
}

/** Target names may hold slashes; on disk all lie in one folder. */
function placeOf(directory: string, path: string): string {
  if (!path.startsWith('targets/')) return join(directory, 'metadata', path);
  return join(directory, 'targets', targetFileName(path.slice('targets/'.length)));
}

function readCurrent(files: RepositoryFiles, directory: string): CurrentMetadata {
  const read = <R extends RoleName>(role: R, path: string): RoleMetadata[R] => {
    const bytes = files.get(path);
    if (bytes === undefined) throw missing(directory, path);
    return parseMetadata(role, bytes, join(directory, 'metadata', path));
  };
  const timestamp = read('timestamp', 'timestamp.json');
  const snapshot = read('snapshot', `${timestamp.signed.snapshotMeta.version}.snapshot.json`);
  const version = snapshot.signed.meta['targets.json']?.version ?? 0;
  const targets = read('targets', `${version}.targets.json`);
  let newest = 1;
  while (files.has(`${newest + 1}.root.json`)) newest++;
  const root = read('root', `${newest}.root.json`);
  for (const target of Object.values(targets.signed.targets)) {
    if (!files.has(targetPath(target))) throw missing(directory, targetPath(target));
  }
  return { root, targets, snapshot, timestamp };
}

function missing(directory: string, path: string): SignetError {
  return new SignetError(
    'ERR_TUF_REPOSITORY',
    `${placeOf(directory, path)} is missing; restore the trust-root repository from a backup`,
  );
}

/** Target files by their path in the repository. */
function filesOf(targets: TargetSet, metadata: RoleMetadata['targets']): Map<string, Uint8Array> {
  return new Map(
    Object.values(metadata.signed.targets).flatMap((target) => {
      const content = targets.get(target.path);
      return content === undefined ? [] : [[targetPath(target), content.bytes] as const];
    }),
  );
}

/** Snapshots and targets metadata beyond the newest few; roots and target files always stay. */
function outdated(files: RepositoryFiles): string[] {
  return ['snapshot', 'targets'].flatMap((role) => {
    const pattern = new RegExp(`^(\\d+)\\.${role}\\.json$`);
    const versions = [...files.keys()].flatMap((path) => pattern.exec(path)?.[1] ?? []).map(Number);
    return versions
      .sort((a, b) => b - a)
      .slice(keptVersions)
      .map((version) => `${version}.${role}.json`);
  });
}

/** Reads a repository without any key: its files and the documents in force. @throws ERR_TUF_REPOSITORY */
export async function readRepository(
  directory: string,
): Promise<{ readonly files: RepositoryFiles; readonly current: CurrentMetadata }> {
  const files = await readFiles(directory);
  return { files, current: readCurrent(files, directory) };
}
