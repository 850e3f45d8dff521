import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { SignetError } from '@signet/primitives/formats';
import { currentRequest } from './current-request.ts';
import { localPath, readSmallFile } from './local-files.ts';
import { applyChange, documentChange, fileRemoval, removal, tagChange } from './package-change.ts';
import { Refusal } from './refusal.ts';
import type {
  ApprovedPublish,
  EvidenceStorage,
  PackageChange,
  RegistryClaims,
  StoredPackage,
  StoredVersion,
  TarballVerdict,
} from './storage.ts';
import type {
  LocalDist,
  LocalManifest,
  PackageStorage,
  Storage,
  UploadStream,
  VerdaccioError,
} from './verdaccio-host.ts';

/** A folder of the storage that is no package name, with a document for each name that was locked. */
const lockFolder = '.signet-locks';

/** Verdaccio 6's callback storage, with any storage plugin of the 6.x line behind it. */
export class Verdaccio6Storage implements EvidenceStorage {
  readonly #storage: Storage;
  /** Verdaccio's own, which is not asked whether it may. */
  readonly #addPackage: Storage['addPackage'];
  #approved: (name: string) => ApprovedPublish | undefined = () => undefined;

  constructor(storage: Storage) {
    this.#storage = storage;
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
    const held = await this.#hold(place);
    if (typeof held === 'function') return held;
    // What is locked must be there, which it is from the second time on.
    await this.writeDocument(place, { format: 1 });
    const again = await this.#hold(place);
    if (typeof again === 'function') return again;
    throw storageError(`cannot lock ${name} against other processes`, again.absent);
  }

  /** @returns what lets go of the document, or why it is not there */
  #hold(place: string): Promise<(() => Promise<void>) | { readonly absent: VerdaccioError }> {
    const storage = this.#packageStorage(place);
    return new Promise((resolve, reject) => {
      let released: (() => void) | undefined;
      storage.updatePackage(
        place,
        (_document, done) => {
          // Ended by an error, so that nothing is written.
          resolve(() => {
            return new Promise((settle) => {
              released = settle;
              done(new Error('nothing to write'));
            });
          });
        },
        (_place, _document, done) => done(null),
        (document) => document,
        (error) => {
          if (released !== undefined) released();
          else if (error && isAbsence(error)) resolve({ absent: error });
          else reject(storageError(`cannot lock ${place} against other processes`, error));
        },
      );
    });
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
      // Verdaccio adds the version first and its tags in a second write; a crash between them would leave a version that no
      // tag finds and that cannot be published again. With the tag given here, one write makes both visible.
      addVersion(name, version, manifest, tag ?? publish.tags[0] ?? null, callback);
    };
  }

  guardChanges(decide: (change: PackageChange) => Promise<void>): void {
    const storage = this.#storage;
    const mergeTags = storage.mergeTags.bind(storage);
    const removePackage = storage.removePackage.bind(storage);
    const removeTarball = storage.removeTarball.bind(storage);
    storage.mergeTags = (name, tags, callback) => {
      const pass = () => mergeTags(name, tags, callback);
      const publish = this.#approved(name);
      // Tags that came with a publish were judged with it, and the first was set with the version.
      if (publish === undefined || !areTagsOf(publish, tags)) decide(tagChange(name, tags ?? {})).then(pass, callback);
      else if (publish.tags.length <= 1) callback(null);
      else pass();
    };
    storage.changePackage = (name, incoming, revision, callback) => {
      const sender = { user: currentRequest()?.request.remote_user?.name, revision };
      const change = async (manifest: LocalManifest) => {
        await decide(documentChange(name, manifest, incoming, sender));
        applyChange(manifest, incoming, sender);
      };
      storage.localStorage._updatePackage(
        name,
        (manifest, done) => {
          change(manifest).then(() => done(null), done);
        },
        callback,
      );
    };
    storage.removePackage = (name, callback) => {
      this.#readManifest(name)
        .then((manifest) => decide(removal(name, manifest)))
        .then(() => removePackage(name, callback), callback);
    };
    storage.removeTarball = (name, file, revision, callback) => {
      this.#readManifest(name)
        .then((manifest) => decide(fileRemoval(name, file, manifest)))
        .then(() => removeTarball(name, file, revision, callback), callback);
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

/** Storages of files and of objects say in different ways that something is not there. */
function isAbsence({ code, status }: VerdaccioError): boolean {
  return code === 'ENOENT' || code === 404 || status === 404;
}

function settled(start: (callback: (error?: VerdaccioError | null) => void) => void): Promise<VerdaccioError | null> {
  return new Promise((resolve) => start((error) => resolve(error ?? null)));
}

function describeDist(dist: LocalDist): StoredVersion {
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  const tarball = text(dist.tarball)?.split(/[?#]/, 1)[0] ?? '';
  return {
    integrity: text(dist.integrity),
    shasum: text(dist.shasum),
    tarballName: tarball.slice(tarball.lastIndexOf('/') + 1) || undefined,
    signatures: dist.signatures,
    attestations: dist.attestations,
  };
}

function integrityOf(manifest: object): unknown {
  const dist = 'dist' in manifest ? manifest.dist : undefined;
  return typeof dist === 'object' && dist !== null && 'integrity' in dist ? dist.integrity : undefined;
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

/** @returns why not */
function written(stream: UploadStream, bytes: Uint8Array): Promise<VerdaccioError | null> {
  return new Promise((resolve) => {
    stream.once('error', resolve);
    stream.once('success', () => resolve(null));
    stream.end(bytes);
    stream.done();
  });
}

/** For a file that was stored when it was verified: Verdaccio's copy of the bytes is dropped. */
function storedStream(): UploadStream {
  const stream = new PassThrough();
  stream.resume();
  return Object.assign(stream, { done: () => process.nextTick(() => stream.emit('success')), abort() {} });
}

/** Verdaccio's publish handlers learn of a failure by the stream's error event. */
function refusingStream(error: Error): UploadStream {
  const stream = new PassThrough();
  process.nextTick(() => stream.emit('error', error));
  return Object.assign(stream, { done() {}, abort() {} });
}

function storageError(problem: string, cause?: unknown): SignetError {
  return new SignetError('ERR_REGISTRY_STORAGE', `The registry's storage failed: ${problem}`, { cause });
}
