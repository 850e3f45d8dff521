import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { currentRequest } from './current-request.ts';
import { type Lease, takeLease } from './lease-lock.ts';
import { localPath, locksItself, readSmallFile } from './local-files.ts';
import { applyChange, documentChange, fileRemoval, removal, tagChange } from './package-change.ts';
import { Refusal } from './refusal.ts';
import type {
  ApprovedPublish,
  EvidenceStorage,
  PackageChange,
  RegistryClaims,
  StoredPackage,
  TarballVerdict,
} from './storage.ts';
import { describeDist, integrityOf } from './stored-dist.ts';
import type { Callback, LocalManifest, PackageStorage, Storage, VerdaccioError } from './verdaccio-host.ts';
import {
  holdDocument,
  isAbsence,
  refusingStream,
  settled,
  storageError,
  storedStream,
  written,
} from './verdaccio6-callbacks.ts';

/** A folder of the storage that is no package name, with a document for each name that was locked. */
const lockFolder = '.signet-locks';

/** Verdaccio 6's callback storage, with any storage plugin of the 6.x line behind it. */
export class Verdaccio6Storage implements EvidenceStorage {
  readonly #storage: Storage;
  /** Verdaccio's own, which is not asked whether it may. */
  readonly #addPackage: Storage['addPackage'];
  readonly #settle: number;
  /** Of names that are written to, where the storage cannot lock. */
  readonly #leases = new Map<string, Lease>();
  #approved: (name: string) => ApprovedPublish | undefined = () => undefined;

  /** @param settle see {@link takeLease}; milliseconds */
  constructor(storage: Storage, settle: number) {
    this.#storage = storage;
    this.#settle = settle;
    this.#addPackage = storage.addPackage.bind(storage);
  }

  async readPackage(name: string): Promise<StoredPackage | undefined> {
    const manifest = await this.#readManifest(name);
    if (manifest === undefined) return undefined;
    const versions = new Map(
      Object.entries(manifest.versions).map(([version, value]) => [version, describeDist(value?.dist ?? {})]),
    );
    const latest = manifest['dist-tags']?.latest;
    return { latest, versions, files: Object.keys(manifest._attachments) };
  }

  listPackages(): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      this.#storage.localStorage.storagePlugin.get((error, names) => {
        if (error) reject(storageError('cannot list the packages', error));
        else resolve(names ?? []);
      });
    });
  }

  async updateClaims(name: string, claims: ReadonlyMap<string, RegistryClaims>): Promise<void> {
    const error = await this.#update(name, (manifest) => {
      for (const [version, claim] of claims) {
        const value = manifest.versions[version];
        if (value === undefined) continue;
        value.dist = { ...value.dist, ...claim };
        if (claim.attestations === null) delete value.dist.attestations;
      }
    });
    if (error) throw storageError(`cannot sign the versions of ${name}`, error);
  }

  async ensurePackage(name: string): Promise<void> {
    if ((await this.#readManifest(name)) !== undefined) return;
    const manifest = { name, versions: {}, 'dist-tags': {}, _attachments: {} };
    const error = await settled((callback) => this.#addPackage(name, manifest, callback));
    // Another process may have been faster.
    if (error && error.status !== 409) throw storageError(`cannot create the package ${name}`, error);
  }

  async announceFiles(name: string, files: ReadonlyMap<string, string | undefined>): Promise<void> {
    const error = await this.#update(name, (manifest) => {
      for (const [file, shasum] of files) manifest._attachments[file] ??= shasum === undefined ? {} : { shasum };
    });
    if (error) throw storageError(`cannot announce ${[...files.keys()].join(', ')} of ${name}`, error);
  }

  async writeFile(
    name: string,
    file: string,
    bytes: Uint8Array,
    { replace = false }: { readonly replace?: boolean } = {},
  ): Promise<void> {
    const storage = this.#packageStorage(name);
    const error = await written(storage.writeTarball(file), bytes);
    const isThere = error?.code === 'EEXISTS' || error?.status === 409;
    // Without `replace` the name says what is in it, so the file that is there is this one.
    if (error === null || (isThere && !replace)) return;
    const failure = isThere ? await settled((callback) => storage.deletePackage(file, callback)) : error;
    const last = failure ?? (await written(storage.writeTarball(file), bytes));
    if (last !== null) throw storageError(`cannot store ${file} of ${name}`, last);
  }

  async readFile(name: string, file: string, limit: number): Promise<Uint8Array | undefined> {
    const path = localPath(this.#packageStorage(name), file);
    if (path === undefined) return this.#readStream(name, file, limit);
    try {
      const bytes = await readSmallFile(path, limit);
      if (bytes !== 'too large') return bytes;
    } catch (cause) {
      throw storageError(`cannot read ${file} of ${name}`, cause);
    }
    throw storageError(`${file} of ${name} is larger than ${limit} bytes`);
  }

  #readStream(name: string, file: string, limit: number): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      const chunks: Uint8Array[] = [];
      let length = 0;
      const stream = this.#storage.localStorage.getTarball(name, file);
      stream.once('error', (error: VerdaccioError) => {
        if (error.status === 404) resolve(undefined);
        else reject(storageError(`cannot read ${file} of ${name}`, error));
      });
      stream.on('data', (chunk: Uint8Array) => {
        length += chunk.length;
        if (length <= limit) {
          chunks.push(chunk);
          return;
        }
        stream.abort();
        reject(storageError(`${file} of ${name} is larger than ${limit} bytes`));
      });
      stream.once('end', () => resolve(Buffer.concat(chunks)));
    });
  }

  scanFile(name: string, file: string, onChunk: (chunk: Uint8Array) => void): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const stream = this.#storage.localStorage.getTarball(name, file);
      stream.once('error', (error: VerdaccioError) => {
        if (error.status === 404) resolve(false);
        else reject(storageError(`cannot read ${file} of ${name}`, error));
      });
      stream.on('data', onChunk);
      stream.once('end', () => resolve(true));
    });
  }

  async removeFile(name: string, file: string): Promise<void> {
    const { localStorage } = this.#storage;
    const storage = this.#packageStorage(name);
    const registered = (await this.#readManifest(name))?._attachments[file] !== undefined;
    const error = registered
      ? await settled((callback) => localStorage.removeTarball(name, file, '', callback))
      : await settled((callback) => storage.deletePackage(file, callback));
    if (error && !isAbsence(error)) {
      throw storageError(`cannot remove ${file} of ${name}`, error);
    }
  }

  readDocument(place: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#packageStorage(place).readPackage(place, (error, document) => {
        if (!error) resolve(document);
        else if (isAbsence(error)) resolve(undefined);
        else reject(storageError(`cannot read ${place}`, error));
      });
    });
  }

  async writeDocument(place: string, document: object): Promise<void> {
    const error = await settled((callback) => this.#packageStorage(place).savePackage(place, document, callback));
    if (error) throw storageError(`cannot write ${place}`, error);
  }

  async removeDocument(place: string): Promise<void> {
    const storage = this.#packageStorage(place);
    const error = await settled((callback) => storage.deletePackage('package.json', callback));
    if (error && !isAbsence(error)) throw storageError(`cannot remove ${place}`, error);
    // The folder may be gone, or in use again; a storage of objects has none.
    if (!error) await settled((callback) => storage.removePackage(callback));
  }

  async lock(name: string): Promise<() => Promise<void>> {
    const place = `${lockFolder}/${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;
    if (!locksItself(this.#packageStorage(place))) return this.#lease(name, place);
    const held = await holdDocument(this.#packageStorage(place), place);
    if (held !== undefined) return held;
    // What is locked must be there, which it is from the second time on.
    await this.writeDocument(place, { format: 1 });
    const again = await holdDocument(this.#packageStorage(place), place);
    if (again !== undefined) return again;
    throw storageError(`cannot lock ${name} against other processes: ${place} is missing`);
  }

  async #lease(name: string, place: string): Promise<() => Promise<void>> {
    const document = {
      read: () => this.readDocument(place),
      write: (value: object) => this.writeDocument(place, value),
    };
    const lease = await takeLease(document, this.#settle);
    this.#leases.set(name, lease);
    return async () => {
      if (this.#leases.get(name) === lease) this.#leases.delete(name);
      await lease.release();
    };
  }

  /** Whatever would be written now another process might write at the same time. */
  #lost(name: string): Refusal | undefined {
    if (this.#leases.get(name)?.isOver !== true) return undefined;
    return new Refusal(503, 'ERR_REGISTRY_STORAGE', `Writing ${name} took too long; try again`);
  }

  guardTarballs(check: (name: string, file: string) => TarballVerdict | Promise<TarballVerdict>): void {
    const storage = this.#storage;
    const getTarball = storage.getTarball.bind(storage);
    const hasLocalTarball = storage.hasLocalTarball.bind(storage);
    storage.getTarball = (name, file) => {
      const verdict = check(name, file);
      if (verdict === undefined) return getTarball(name, file);
      const stream = Object.assign(new PassThrough(), { abort() {} });
      const refuse = (error: unknown) => stream.emit('error', error);
      const serve = (refusal: TarballVerdict) => {
        if (refusal !== undefined) {
          refuse(refusal);
          return;
        }
        const source = getTarball(name, file);
        stream.abort = () => source.abort();
        source.on('content-length', (length) => stream.emit('content-length', length));
        source.on('open', () => stream.emit('open'));
        source.on('error', refuse);
        source.pipe(stream);
      };
      Promise.resolve(verdict).then(serve, refuse);
      return stream;
    };
    // Asked before a client is sent to fetch the file from elsewhere (experiments.tarball_url_redirect).
    storage.hasLocalTarball = async (name, file) => {
      const refusal = await check(name, file);
      if (refusal !== undefined) throw refusal;
      return hasLocalTarball(name, file);
    };
  }

  guard(approved: (name: string) => ApprovedPublish | undefined): void {
    const storage = this.#storage;
    this.#approved = approved;
    storage.addPackage = (name, _manifest, callback) => {
      // Without a publish this would leave an empty package, which takes the name. Before one it was made.
      if (approved(name) === undefined) callback(unapproved(name));
      else callback(Object.assign(new Error('this package is already present'), { status: 409 }));
    };
    const addVersion = storage.addVersion.bind(storage);
    storage.addTarball = (name, file) => {
      if (file === approved(name)?.tarballName) return storedStream();
      return refusingStream(unapproved(name));
    };
    storage.addVersion = (name, version, manifest, tag, callback) => {
      const publish = approved(name);
      if (publish?.version !== version || integrityOf(manifest) !== publish.integrity) {
        callback(unapproved(name));
        return;
      }
      const lost = this.#lost(name);
      if (lost !== undefined) {
        callback(lost);
        return;
      }
      // Verdaccio adds the version first and its tags in a second write; a crash between them would leave a version that no
      // tag finds and that cannot be published again. With the tag given here, one write makes both visible.
      addVersion(name, version, manifest, tag ?? publish.tags[0] ?? null, callback);
    };
  }

  guardChanges(
    decide: (change: PackageChange) => Promise<void>,
    exclusively: (name: string) => Promise<() => void>,
  ): void {
    const storage = this.#storage;
    const mergeTags = storage.mergeTags.bind(storage);
    const removePackage = storage.removePackage.bind(storage);
    const removeTarball = storage.removeTarball.bind(storage);
    const alone = (name: string, callback: Callback, work: (done: Callback) => void) => {
      // The storage locks the document itself.
      if (locksItself(this.#packageStorage(name))) {
        work(callback);
        return;
      }
      exclusively(name).then((release) => {
        work((error) => {
          release();
          callback(error);
        });
      }, callback);
    };
    storage.mergeTags = (name, tags, callback) => {
      const publish = this.#approved(name);
      // Tags that came with a publish were judged with it, and the first was set with the version.
      if (publish !== undefined && areTagsOf(publish, tags)) {
        if (publish.tags.length <= 1) callback(null);
        else mergeTags(name, tags, callback);
        return;
      }
      alone(name, callback, (done) => {
        decide(tagChange(name, tags ?? {})).then(() => mergeTags(name, tags, done), done);
      });
    };
    storage.changePackage = (name, incoming, revision, callback) => {
      const request = currentRequest()?.request;
      const sender = { user: request?.remote_user?.name, revision, body: request?.body };
      const change = async (manifest: LocalManifest) => {
        await decide(documentChange(name, manifest, incoming, sender));
        applyChange(manifest, incoming, sender);
      };
      alone(name, callback, (done) => {
        storage.localStorage._updatePackage(
          name,
          (manifest, settle) => {
            change(manifest).then(() => settle(null), settle);
          },
          done,
        );
      });
    };
    storage.removePackage = (name, callback) => {
      alone(name, callback, (done) => {
        this.#readManifest(name)
          .then((manifest) => decide(removal(name, manifest)))
          .then(() => removePackage(name, done), done);
      });
    };
    storage.removeTarball = (name, file, revision, callback) => {
      alone(name, callback, (done) => {
        this.#readManifest(name)
          .then((manifest) => decide(fileRemoval(name, file, manifest)))
          .then(() => removeTarball(name, file, revision, done), done);
      });
    };
  }

  onTarballRemoved(removed: (name: string, file: string) => Promise<void>): void {
    const storage = this.#storage;
    const removeTarball = storage.removeTarball.bind(storage);
    storage.removeTarball = (name, file, revision, callback) => {
      removeTarball(name, file, revision, (error) => {
        if (error) callback(error);
        else removed(name, file).then(() => callback(null), callback);
      });
    };
  }

  #packageStorage(name: string): PackageStorage {
    return this.#storage.localStorage.storagePlugin.getPackageStorage(name);
  }

  /** Changes the package document under the storage's own lock. */
  #update(name: string, change: (manifest: LocalManifest) => void): Promise<VerdaccioError | null> {
    const storage = this.#packageStorage(name);
    const lost = this.#lost(name);
    if (lost !== undefined) return Promise.resolve(lost);
    return settled((callback) =>
      storage.updatePackage(
        name,
        (manifest, done) => {
          change(manifest);
          done(null);
        },
        (_name, manifest, done) => storage.savePackage(name, manifest, done),
        (manifest) => manifest,
        callback,
      ),
    );
  }

  #readManifest(name: string): Promise<LocalManifest | undefined> {
    return new Promise((resolve, reject) => {
      this.#storage.localStorage.getPackageMetadata(name, (error, manifest) => {
        if (!error) resolve(manifest);
        else if (error.status === 404) resolve(undefined);
        else reject(storageError(`cannot read the package ${name}`, error));
      });
    });
  }
}

function unapproved(name: string): Refusal {
  return new Refusal(
    403,
    'ERR_PUBLISH_FORBIDDEN',
    `${name} cannot be written this way; publish it with npm publish, so that its evidence is checked`,
  );
}

/** Whether a publish brings these tags, and no others. */
function areTagsOf({ tags: own, version }: ApprovedPublish, tags: Parameters<Storage['mergeTags']>[1]): boolean {
  const asked = Object.entries(tags ?? {});
  return asked.length === own.length && asked.every(([tag, target]) => own.includes(tag) && target === version);
}
