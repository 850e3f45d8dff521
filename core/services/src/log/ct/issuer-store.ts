import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digest } from '@signet/primitives/crypto';
import { SignetError, toHex } from '@signet/primitives/formats';
import { replaceFile, storageError, syncDirectory } from '../engine/append-file.ts';

/**
 * The issuing certificates that entries name by fingerprint, a file each (c2sp.org/static-ct-api, Issuers). There are
 * few, so all are kept in memory. One is on stable storage before the first entry that names it.
 */
export class IssuerStore {
  readonly #directory: string;
  readonly #issuers = new Map<string, Uint8Array>();

  /** @throws ERR_LOG_STORAGE */
  constructor(logDirectory: string) {
    this.#directory = join(logDirectory, 'issuers');
    try {
      mkdirSync(this.#directory, { recursive: true });
      for (const name of readdirSync(this.#directory)) {
        if (/^[0-9a-f]{64}$/.test(name)) this.#issuers.set(name, readFileSync(join(this.#directory, name)));
      }
    } catch (cause) {
      throw storageError('read', this.#directory, cause);
    }
    for (const [name, certificate] of this.#issuers) {
      if (toHex(digest('sha256', certificate)) !== name) {
        throw new SignetError('ERR_LOG_CORRUPT', `${join(this.#directory, name)} is damaged; restore it from a backup`);
      }
    }
    syncDirectory(logDirectory);
  }

  /** Keeps a certificate. @returns its fingerprint */
  add(certificate: Uint8Array): Uint8Array {
    const fingerprint = digest('sha256', certificate);
    const name = toHex(fingerprint);
    if (!this.#issuers.has(name)) {
      replaceFile(join(this.#directory, name), certificate);
      this.#issuers.set(name, certificate);
    }
    return fingerprint;
  }

  /** The certificate with this fingerprint in lower-case hexadecimal. */
  get(fingerprint: string): Uint8Array | undefined {
    return this.#issuers.get(fingerprint);
  }
}
