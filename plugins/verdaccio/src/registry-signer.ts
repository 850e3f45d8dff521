import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { describeValue, SignetError, toBase64, utf8 } from '@signet/primitives/formats';
import { type Signer, signerFromPrivateKey } from '@signet/primitives/keys';
import { type ServedKey, signingKeyOf } from './served-keys.ts';

/** `signet.signatures` of the configuration; paths are absolute. */
export interface SignatureConfiguration {
  /** PEM with the private key, or a signer that was given by {@link provideSigner}. */
  readonly key: { readonly file: string } | { readonly provided: string };
  /** The public list of every key that ever signed here. */
  readonly keys: string;
}

/** One member of `dist.signatures`. */
export interface RegistrySignature {
  readonly keyid: string;
  readonly sig: string;
}

const provided = new Map<string, Signer>();

/**
 * Gives the plugin a signer that no PEM file holds, under the name that `signet.signatures.key: { provided: NAME }` asks for.
 * For whoever embeds Verdaccio; the configuration itself stays plain data.
 */
export function provideSigner(name: string, signer: Signer): void {
  provided.set(name, signer);
}

/**
 * The registry's own signature over `name@version:integrity`, as npm's default registry makes it and `npm audit signatures`
 * checks it (npm/documentation "ECDSA registry signatures"). A signature is made once and kept in the package document: ECDSA is
 * randomised, and a new one for every answer would change every ETag.
 */
export class RegistrySigner {
  readonly #signer: Signer;
  readonly #file: string;
  readonly #keyId: string;
  #keys: readonly ServedKey[] = [];
  #stamp = '';

  private constructor(signer: Signer, file: string) {
    this.#signer = signer;
    this.#file = file;
    this.#keyId = signingKeyOf(signer.publicKey.spki).keyid;
  }

  /**
   * Opens the key, or makes one when there is neither a key nor a list of keys. A key that the list does not know yet succeeds
   * the one before it, which from then on has an end: that is a rotation.
   *
   * @throws ERR_PLUGIN_CONFIG
   */
  static open(configuration: SignatureConfiguration): RegistrySigner {
    const { key, keys: file } = configuration;
    const listed = readKeys(file);
    const signer = 'provided' in key ? providedSigner(key.provided) : openPem(key.file, listed !== undefined);
    if (signer.keyDetails !== 'PKIX_ECDSA_P256_SHA_256') {
      throw bad(
        'the key of signet.signatures must be an ECDSA key on P-256: npm knows no other for registry signatures',
      );
    }
    const own = signingKeyOf(signer.publicKey.spki);
    const before = listed ?? [];
    const known = before.find(({ keyid }) => keyid === own.keyid);
    if (known === undefined) {
      const now = new Date().toISOString();
      writeKeys(file, [...before.map((old) => ({ ...old, expires: old.expires ?? now })), own]);
    } else if (known.expires !== null) {
      throw bad(
        `the key of signet.signatures was rotated out at ${known.expires} (${file}); what it signs now no client accepts`,
      );
    }
    const opened = new RegistrySigner(signer, file);
    opened.keys();
    return opened;
  }

  get keyId(): string {
    return this.#keyId;
  }

  /** Every key that ever signed here, as `/-/npm/v1/keys` serves them; read anew when another process rotated. */
  keys(): readonly ServedKey[] {
    const { mtimeMs, size, ino } = statSync(this.#file);
    const stamp = `${mtimeMs} ${size} ${ino}`;
    if (stamp !== this.#stamp) {
      this.#keys = readKeys(this.#file) ?? [];
      this.#stamp = stamp;
    }
    return this.#keys;
  }

  /**
   * @param integrity `sha512-…`
   * @throws ERR_REGISTRY_KEY when the key was rotated out by another process since this one started
   */
  async sign(name: string, version: string, integrity: string): Promise<RegistrySignature> {
    this.assertCurrent();
    const signature = await this.#signer.sign(utf8(`${name}@${version}:${integrity}`));
    return { keyid: this.#keyId, sig: toBase64(signature) };
  }

  /** The signer itself, for statements of the registry. @throws ERR_REGISTRY_KEY as {@link sign} */
  signer(): Signer {
    this.assertCurrent();
    return this.#signer;
  }

  assertCurrent(): void {
    const own = this.keys().find(({ keyid }) => keyid === this.#keyId);
    if (own?.expires === null) return;
    throw new SignetError(
      'ERR_REGISTRY_KEY',
      'The registry’s signing key was rotated out while it ran; its operator must restart it with the new one',
    );
  }
}

function providedSigner(name: string): Signer {
  const signer = provided.get(name);
  if (signer === undefined) throw bad(`nobody provided the signer ${JSON.stringify(name)} of signet.signatures.key`);
  return signer;
}

/** @param expected whether there must be one, because it signed before */
function openPem(path: string, expected: boolean): Signer {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw bad(`${path} cannot be read`, cause);
    if (expected) throw bad(`${path} is missing; restore the registry’s key, or put a new one there to rotate`, cause);
    pem = createPem(path);
  }
  // Windows has no such modes; there the folder's access list guards the file.
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) {
    throw bad(`other users may read ${path}; run: chmod 600 ${path}`);
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw bad(`${path} holds no private key in PEM (PKCS #8, not encrypted)`, cause);
  }
  return signerFromPrivateKey(key);
}

function createPem(path: string): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const temporary = `${path}.${process.pid}.new`;
  try {
    writeAndSync(temporary, pem, 0o600);
    // Unlike a rename, a link leaves the key that another process has made in the meantime.
    linkSync(temporary, path);
    return pem;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return readFileSync(path, 'utf8');
    throw bad(`${path} cannot be made`, cause);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function readKeys(file: string): readonly ServedKey[] | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw bad(`${file} cannot be read`, cause);
  }
  let list: { readonly format?: unknown; readonly keys?: unknown } | null;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    throw bad(`${file} is not JSON`, cause);
  }
  if (list?.format !== 1 || !Array.isArray(list.keys)) throw bad(`${file} is no list of registry keys of format 1`);
  return list.keys.map((value: unknown) => {
    const key = (typeof value === 'object' && value !== null ? value : {}) as Partial<ServedKey>;
    if (typeof key.key !== 'string' || !isExpiry(key.expires)) {
      throw bad(`${file} has a member without key or expires`);
    }
    const served = signingKeyOf(Buffer.from(key.key, 'base64'));
    // A list in which an id stands for another key would make clients check with the wrong one.
    if (served.keyid !== key.keyid) throw bad(`${file}: ${describeValue(key.keyid)} is not the id of its key`);
    return { ...served, expires: key.expires ?? null };
  });
}

/** `null` for a key in use. The list is parsed JSON, whatever its type says. */
function isExpiry(value: unknown): boolean {
  return value === null || (typeof value === 'string' && !Number.isNaN(Date.parse(value)));
}

function writeKeys(file: string, keys: readonly ServedKey[]): void {
  const temporary = `${file}.${process.pid}.new`;
  try {
    writeAndSync(temporary, `${JSON.stringify({ format: 1, keys }, undefined, 2)}\n`, 0o644);
    renameSync(temporary, file);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw bad(`${file} cannot be written`, cause);
  }
}

function writeAndSync(path: string, text: string, mode: number): void {
  const file = openSync(path, 'wx', mode);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function bad(problem: string, cause?: unknown): SignetError {
  return new SignetError('ERR_PLUGIN_CONFIG', `Verdaccio's configuration, middlewares: ${problem}`, { cause });
}
