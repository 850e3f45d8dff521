import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '../http/index.ts';
import { IdentityToken } from './identity-token.ts';

/** Milliseconds that a remembered token must still have: a release takes a moment. */
const margin = 60_000;

/** Milliseconds for which a login is remembered at most, however long the provider's tokens live. */
const longest = 15 * 60_000;

/** Whose login it is. */
export interface LoginKey {
  readonly issuer: string;
  readonly clientId: string;
}

/**
 * Remembers a person's login for a few minutes, in a file that this user alone can read, so that a release by several commands asks
 * once. Whoever reads the file can sign in the person's name until it expires; it is therefore kept only when asked for.
 */
export class LoginCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The token that is remembered and still good for a while. A file that others could have written is not believed. */
  async find(key: LoginKey): Promise<IdentityToken | undefined> {
    const path = this.#fileOf(key);
    try {
      const { mode, uid } = await stat(path);
      const isOurs = process.platform === 'win32' || ((mode & 0o077) === 0 && uid === process.getuid?.());
      const value: unknown = isOurs ? JSON.parse(await readFile(path, 'utf8')) : undefined;
      if (!isObject(value) || value.format !== 1 || typeof value.token !== 'string') return undefined;
      const token = IdentityToken.parse(value.token);
      const until = Math.min(token.expires.getTime(), Number(value.until)) - margin;
      if (token.issuer === key.issuer && token.audiences.includes(key.clientId) && until > Date.now()) return token;
    } catch {
      // Nothing is remembered that can be used; a login follows.
    }
    await rm(path, { force: true });
    return undefined;
  }

  /** Remembers a login. Replaces the file whole, so that there is never half a token. */
  async keep(key: LoginKey, token: IdentityToken): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const path = this.#fileOf(key);
    const temporary = `${path}.new`;
    await rm(temporary, { force: true });
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(JSON.stringify({ format: 1, until: Date.now() + longest, token: token.reveal() }));
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  }

  #fileOf({ issuer, clientId }: LoginKey): string {
    const name = createHash('sha256')
      .update(JSON.stringify([issuer, clientId]))
      .digest('hex')
      .slice(0, 32);
    return join(this.#folder, `login-${name}.json`);
  }
}
