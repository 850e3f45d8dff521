import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digest } from '@signet/primitives/crypto';
import { SignetError, toHex } from '@signet/primitives/formats';
import { storageError, syncDirectory } from '../engine/append-file.ts';

const namePattern = /^[0-9a-f]{64}$/;

/**
 * What entries of a v1 log are about and do not hold themselves: payloads of intoto entries, COSE messages. Each is a file of its
 * own, named by its SHA-256, which its entry has logged; so it is checked whenever it is read, and can be deleted without
 * touching the log.
 */
export class AttestationStore {
  readonly #directory: string;
  #next = 0;

  /** @param logDirectory of the tree whose entries they belong to */
  constructor(logDirectory: string) {
    this.#directory = attestationDirectory(logDirectory);
  }

  /** Resolves when the attestation is on stable storage. @throws ERR_LOG_STORAGE */
  async keep(attestation: Uint8Array): Promise<void> {
    const name = toHex(digest('sha256', attestation));
    const folder = join(this.#directory, name.slice(0, 2));
    const temporary = join(folder, `${name}.${process.pid}-${this.#next++}.tmp`);
    try {
      if ((await mkdir(folder, { recursive: true })) !== undefined) {
        syncDirectory(this.#directory);
        syncDirectory(join(this.#directory, '..'));
      }
      const file = await open(temporary, 'wx');
      try {
        await file.writeFile(attestation);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, join(folder, name));
      syncDirectory(folder);
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw cause instanceof SignetError ? cause : storageError('write', join(folder, name), cause);
    }
  }

  /** Undefined when it was never kept, has been deleted, or is damaged: nothing but what was logged is given out. */
  async find(hash: string): Promise<Uint8Array | undefined> {
    if (!namePattern.test(hash) || !existsSync(this.#directory)) return undefined;
    try {
      const bytes = await readFile(join(this.#directory, hash.slice(0, 2), hash));
      return toHex(digest('sha256', bytes)) === hash ? bytes : undefined;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw storageError('read', join(this.#directory, hash.slice(0, 2), hash), cause);
    }
  }
}

/** Where the attestations of a tree lie. */
export function attestationDirectory(logDirectory: string): string {
  return join(logDirectory, 'attestations');
}
