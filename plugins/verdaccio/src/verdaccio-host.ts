import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex, Readable } from 'node:stream';

/**
 * The part of Verdaccio 6 that this plugin touches, as it runs: the published types of 6.x describe the promise-style
 * storage of the 9.x line, while 6.x runs callbacks (notes on @verdaccio/core 8.3.0).
 */
export interface Request extends IncomingMessage {
  url: string;
  originalUrl: string;
  /** Parsed by Verdaccio before middlewares since 6.10.4. */
  body?: unknown;
  /** Set by Verdaccio before middlewares; anonymous users have no name. */
  remote_user?: RemoteUser;
  /** Tells body parsers of Express that the body was read. */
  _body?: boolean;
}

export interface Response extends ServerResponse {
  /** Express's, made by the first middleware. */
  locals?: Record<string, unknown>;
  status(code: number): this;
  json(body: unknown): this;
}

export type Next = (error?: unknown) => void;
export type Middleware = (request: Request, response: Response, next: Next) => void;

export interface App {
  /** Express's entrance, before its first middleware. */
  handle(request: Request, response: Response, next: Next): void;
  use(middleware: Middleware): unknown;
  /** Express's judgement of which proxies may say for whom they ask. */
  get(setting: 'trust proxy fn'): unknown;
  readonly locals: Record<string, unknown>;
}

export interface RemoteUser {
  readonly name?: string;
  readonly groups: readonly string[];
  readonly real_groups: readonly string[];
}

export type AuthCallback = (error: VerdaccioError | null | undefined, result?: unknown) => void;

export type Permission = (
  target: { packageName: string; packageVersion?: string },
  user: RemoteUser | undefined,
  callback: (error: Error | null | undefined, allowed?: boolean) => void,
) => void;

export interface Auth {
  /** Sets `remote_user`; pauses the request until it has. */
  apiJWTmiddleware(): Middleware;
  /** Calls back with the user, or with an error. */
  authenticate(name: unknown, password: unknown, callback: AuthCallback): void;
  add_user(name: unknown, password: unknown, callback: AuthCallback): void;
  changePassword(name: string, password: unknown, newPassword: unknown, callback: AuthCallback): void;
  allow_access: Permission;
  allow_publish: Permission;
  allow_unpublish: Permission;
  /** Whoever checks passwords, in their order; the last one is Verdaccio's own and knows nobody. */
  readonly plugins: readonly unknown[];
}

/** verdaccio-htpasswd. */
export interface PasswordFile {
  readonly path: string;
  /** Hashes by name: what was read from the file since the start. */
  readonly users: Record<string, string>;
  readonly maxUsers: number;
  readonly hashConfig: { readonly algorithm: string; readonly rounds?: number };
  /** From when on it warns that a password took long, milliseconds. */
  readonly slowVerifyMs: number;
  /** Each is given a callback at the end. */
  authenticate(...parameters: unknown[]): void;
  adduser(...parameters: unknown[]): void;
  changePassword(...parameters: unknown[]): void;
}

export interface Logger {
  info(fields: object, template: string): void;
  warn(fields: object, template: string): void;
  error(fields: object, template: string): void;
}

/** Errors of Verdaccio carry an HTTP status. */
export interface VerdaccioError extends Error {
  readonly status?: number;
  readonly code?: string | number;
}

export type Callback = (error?: VerdaccioError | null) => void;

/** `dist` of a version, as on disk. */
export type LocalDist = Record<string, unknown>;

/** A local package document, as on disk. Only what is read here. */
export interface LocalManifest {
  readonly versions: Record<string, { dist?: LocalDist; deprecated?: unknown } | undefined>;
  'dist-tags'?: Readonly<Record<string, string | undefined>>;
  users?: Readonly<Record<string, unknown>>;
  readonly time?: Record<string, unknown>;
  readonly _rev?: string;
  readonly _attachments: Record<string, { version?: string; readonly shasum?: string } | undefined>;
}

/** A package document as a client sends it to have it changed; its shape was checked. */
export interface IncomingManifest {
  readonly versions?: Readonly<Record<string, { readonly deprecated?: unknown } | undefined>>;
  readonly 'dist-tags'?: Readonly<Record<string, string>>;
  readonly users?: Readonly<Record<string, unknown>>;
}

export interface UploadStream extends Duplex {
  done(): void;
  abort(): void;
}

export interface ReadStream extends Readable {
  abort(): void;
}

/** What a storage plugin of the 6.x line has for one package. */
export interface PackageStorage {
  deletePackage(file: string, callback: Callback): void;
  /** Removes the folder when it is empty. */
  removePackage(callback: Callback): void;
  readPackage(name: string, callback: (error: VerdaccioError | null, document?: unknown) => void): void;
  savePackage(name: string, document: object, callback: Callback): void;
  /** Reads under a lock, lets `update` change the document, and gives it to `write`. */
  updatePackage(
    name: string,
    update: (manifest: LocalManifest, callback: Callback) => void,
    write: (name: string, manifest: LocalManifest, callback: Callback) => void,
    transform: (manifest: LocalManifest) => LocalManifest,
    callback: Callback,
  ): void;
  writeTarball(file: string): UploadStream;
}

export interface Storage {
  addPackage(name: string, manifest: object, callback: Callback): void;
  addTarball(name: string, file: string): UploadStream;
  getTarball(name: string, file: string): ReadStream;
  hasLocalTarball(name: string, file: string): Promise<boolean>;
  addVersion(name: string, version: string, manifest: object, tag: string | null, callback: Callback): void;
  mergeTags(name: string, tags: Readonly<Record<string, string | null>> | undefined, callback: Callback): void;
  changePackage(name: string, incoming: IncomingManifest, revision: string | undefined, callback: Callback): void;
  removePackage(name: string, callback: Callback): void;
  removeTarball(name: string, file: string, revision: string, callback: Callback): void;
  readonly localStorage: {
    /** Changes a package document under its lock and gives it a new revision. */
    _updatePackage(
      name: string,
      update: (manifest: LocalManifest, callback: Callback) => void,
      callback: Callback,
    ): void;
    getPackageMetadata(name: string, callback: (error: VerdaccioError | null, manifest?: LocalManifest) => void): void;
    getTarball(name: string, file: string): ReadStream;
    removeTarball(name: string, file: string, revision: string, callback: Callback): void;
    readonly storagePlugin: {
      getPackageStorage(name: string): PackageStorage;
      /** Names of the packages that were published here; proxied ones are not among them. */
      get(callback: (error: VerdaccioError | null, names?: readonly string[]) => void): void;
    };
  };
}
