import { PassThrough } from 'node:stream';
import { parseJson, SignetError } from '@signet/primitives/formats';
import { Refusal } from './refusal.ts';
import type { ProxiedVersion, UplinkStorage } from './uplink-storage.ts';
import type { LocalManifest, ReadStream, Storage, UploadStream, VerdaccioError } from './verdaccio-host.ts';

/** What an uplink answers, as it comes. */
interface UplinkRequest extends NodeJS.EventEmitter {
  abort(): void;
}

interface Uplink {
  readonly config: { readonly url: string; readonly cache?: boolean };
  /** Without a callback it answers by events: `response`, then `data` (decompressed) and `end`, or `error`. */
  request(options: { readonly uri: string; readonly headers?: Readonly<Record<string, string>> }): UplinkRequest;
}

/** A local document with what Verdaccio notes of uplinks. */
interface ProxiedManifest extends LocalManifest {
  readonly _distfiles?: Readonly<Record<string, object | undefined>>;
  readonly time?: Readonly<Record<string, unknown>>;
}

type MetadataCallback = (error: VerdaccioError | null, manifest?: unknown) => void;

/** The part of Verdaccio 6's storage that deals with uplinks. */
export interface ProxyingStorage extends Omit<Storage, 'localStorage'> {
  readonly uplinks: Readonly<Record<string, Uplink>>;
  readonly config: {
    readonly packages: Readonly<Record<string, { readonly proxy?: readonly string[] } | undefined>>;
    getMatchedPackagesSpec(name: string): { readonly proxy?: readonly string[] } | undefined;
  };
  getPackage(options: { name: string; uplinksLook: boolean; callback: MetadataCallback }): void;
  _syncUplinksMetadata(name: string, local: unknown, options: object, callback: MetadataCallback): void;
  readonly localStorage: Storage['localStorage'] & {
    addTarball(name: string, file: string, source?: object): UploadStream;
    /** Keeps the versions of `remote` that are not known yet. */
    updateVersions(name: string, remote: LocalManifest, callback: MetadataCallback): void;
  };
}

/** Verdaccio 6's uplinks. */
export class Verdaccio6Uplinks implements UplinkStorage {
  readonly #storage: ProxyingStorage;
  /** As Verdaccio has it, before anybody stands guard over it. */
  readonly #getTarball: (name: string, file: string) => ReadStream;
  readonly #hasLocalTarball: (name: string, file: string) => Promise<boolean>;
  readonly #pulling = new Map<string, Promise<unknown>>();

  constructor(storage: ProxyingStorage) {
    this.#storage = storage;
    this.#getTarball = storage.getTarball.bind(storage);
    this.#hasLocalTarball = storage.hasLocalTarball.bind(storage);
  }

  uplinksOf(name: string): readonly string[] {
    const { config, uplinks } = this.#storage;
    return (config.getMatchedPackagesSpec(name)?.proxy ?? []).filter((uplink) => Object.hasOwn(uplinks, uplink));
  }

  get withoutCache(): readonly string[] {
    const { uplinks } = this.#storage;
    return Object.keys(uplinks).filter((name) => uplinks[name]?.config.cache === false);
  }

  get proxiedPatterns(): readonly string[] {
    const { packages } = this.#storage.config;
    return Object.keys(packages).filter((pattern) => (packages[pattern]?.proxy ?? []).length > 0);
  }

  closeFor(isOwned: (name: string) => boolean): void {
    const storage = this.#storage;
    const sync = storage._syncUplinksMetadata.bind(storage);
    storage._syncUplinksMetadata = (name, local, options, callback) =>
      sync(name, local, isOwned(name) ? { ...options, uplinksLook: false } : options, callback);
  }

  pointTo(publicUrl: string): void {
    const { localStorage } = this.#storage;
    const update = localStorage.updateVersions.bind(localStorage);
    localStorage.updateVersions = (name, remote, callback) => {
      for (const [version, manifest] of Object.entries(remote.versions)) {
        const attestations = manifest?.dist?.attestations;
        if (typeof attestations !== 'object' || attestations === null || !('url' in attestations)) continue;
        attestations.url = `${publicUrl}${attestationsPath(name, version)}`;
      }
      update(name, remote, callback);
    };
  }

  async known(name: string, version: string): Promise<ProxiedVersion | undefined> {
    return describe(await this.#manifest(name), name, version);
  }

  async versionsOfFile(name: string, file: string): Promise<readonly ProxiedVersion[]> {
    const find = (manifest: ProxiedManifest | undefined) =>
      Object.keys(manifest?.versions ?? {})
        .filter((version) => fileOf(manifest, version) === file || conventionalFile(name, version) === file)
        .map((version) => describe(manifest, name, version))
        .filter((found) => found !== undefined);
    const known = find(await this.#manifest(name));
    return known.length > 0 ? known : find(await this.#synchronised(name));
  }

  fetchOnlyByPull(vanished: (name: string, file: string) => void): void {
    const storage = this.#storage;
    const { localStorage } = storage;
    const addTarball = localStorage.addTarball.bind(localStorage);
    const serving = new Map<string, Set<ReadStream>>();
    localStorage.addTarball = (name, file, source) => {
      const key = `${name}/${file}`;
      // Publishes have no source.
      if (source === undefined) return addTarball(name, file);
      if (this.#pulling.has(key)) {
        const stream = addTarball(name, file, source);
        const abort = stream.abort.bind(stream);
        const saved = new Promise<void>((resolve) => {
          for (const event of ['success', 'error']) stream.once(event, () => resolve());
          stream.abort = () => {
            abort();
            resolve();
          };
        });
        this.#pulling.set(key, saved);
        return stream;
      }
      vanished(name, file);
      const problem = `${file} has to be fetched and checked again; ask once more`;
      for (const stream of serving.get(key) ?? []) {
        stream.emit('error', new Refusal(503, 'ERR_REGISTRY_STORAGE', problem));
      }
      // Verdaccio fetches only once this opens, which it never does.
      return Object.assign(new PassThrough(), { done() {}, abort() {} });
    };
    storage.getTarball = (name, file) => {
      const key = `${name}/${file}`;
      const stream = this.#getTarball(name, file);
      const streams = serving.get(key) ?? new Set();
      serving.set(key, streams.add(stream));
      const forget = () => {
        streams.delete(stream);
        if (streams.size === 0 && serving.get(key) === streams) serving.delete(key);
      };
      // Its length is told once it is open, and what is open does not vanish.
      for (const event of ['content-length', 'end', 'error', 'close']) stream.once(event, forget);
      return stream;
    };
  }

  async pull(name: string, file: string): Promise<boolean> {
    if (await this.#hasLocalTarball(name, file)) return false;
    const key = `${name}/${file}`;
    this.#pulling.set(key, Promise.resolve());
    try {
      await new Promise((resolve, reject) => {
        const stream = this.#getTarball(name, file);
        stream.once('error', reject).once('end', resolve).resume();
      });
      // The copy is complete some moments after the original has been read.
      await this.#pulling.get(key);
    } finally {
      this.#pulling.delete(key);
    }
    if (await this.#hasLocalTarball(name, file)) return true;
    throw new SignetError('ERR_REGISTRY_STORAGE', `The registry's storage failed: it did not keep ${file} of ${name}`);
  }

  async fetchAttestations(name: string, version: string, limit: number): Promise<unknown> {
    let failure: unknown;
    for (const id of this.uplinksOf(name)) {
      const uplink = this.#storage.uplinks[id];
      if (uplink === undefined) continue;
      try {
        const found = await ask(uplink, `/${attestationsPath(name, version)}`, limit);
        if (found !== undefined) return found;
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  #manifest(name: string): Promise<ProxiedManifest | undefined> {
    return new Promise((resolve, reject) => {
      this.#storage.localStorage.getPackageMetadata(name, (error, manifest) => {
        if (!error) resolve(manifest);
        else if (error.status === 404) resolve(undefined);
        else reject(error);
      });
    });
  }

  /** The local document after the uplinks were asked. */
  async #synchronised(name: string): Promise<ProxiedManifest | undefined> {
    const asked = await new Promise<boolean>((resolve, reject) => {
      this.#storage.getPackage({
        name,
        uplinksLook: true,
        callback: (error) => {
          if (!error) resolve(true);
          else if (error.status === 404) resolve(false);
          else reject(error);
        },
      });
    });
    return asked ? this.#manifest(name) : undefined;
  }
}

function attestationsPath(name: string, version: string): string {
  return `-/npm/v1/attestations/${name.replace('/', '%2f')}@${version}`;
}

function ask(uplink: Uplink, uri: string, limit: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    let status = 0;
    const failed = (problem: string, cause?: unknown) =>
      reject(new SignetError('ERR_NETWORK', `The uplink does not answer ${uri}: ${problem}`, { cause }));
    const asked = uplink.request({ uri, headers: { Accept: 'application/json' } });
    asked.on('error', (cause: Error) => failed(cause.message, cause));
    asked.on('response', ({ statusCode }: { readonly statusCode: number }) => {
      status = statusCode;
    });
    asked.on('data', (chunk: Uint8Array) => {
      length += chunk.length;
      if (length <= limit) {
        chunks.push(chunk);
        return;
      }
      asked.abort();
      reject(new SignetError('ERR_INPUT_TOO_LARGE', `The uplink's ${uri} has more than ${limit} bytes`));
    });
    asked.on('end', () => {
      if (status === 404) resolve(undefined);
      else if (status !== 200) failed(`status ${status}`);
      else {
        try {
          resolve(parseJson(Buffer.concat(chunks), `the uplink's ${uri}`, { maxLength: limit }));
        } catch (cause) {
          reject(cause);
        }
      }
    });
  });
}

function describe(manifest: ProxiedManifest | undefined, name: string, version: string): ProxiedVersion | undefined {
  if (manifest === undefined || !Object.hasOwn(manifest.versions, version)) return undefined;
  const dist = manifest.versions[version]?.dist ?? {};
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  const time = text(manifest.time?.[version]);
  const published = time === undefined ? undefined : new Date(time);
  const file = fileOf(manifest, version) ?? conventionalFile(name, version);
  return {
    name,
    version,
    integrity: text(dist.integrity),
    shasum: text(dist.shasum),
    signatures: dist.signatures,
    advertised: dist.attestations !== undefined && dist.attestations !== null,
    published: published === undefined || Number.isNaN(published.getTime()) ? undefined : published,
    remote: Object.hasOwn(manifest._distfiles ?? {}, file),
  };
}

/** The file name at the end of `dist.tarball`. */
function fileOf(manifest: ProxiedManifest | undefined, version: string): string | undefined {
  const tarball = manifest?.versions[version]?.dist?.tarball;
  if (typeof tarball !== 'string') return undefined;
  const [path = ''] = tarball.split(/[?#]/, 1);
  return path.slice(path.lastIndexOf('/') + 1) || undefined;
}

function conventionalFile(name: string, version: string): string {
  return `${name.slice(name.indexOf('/') + 1)}-${version}.tgz`;
}
