import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { fromHex } from '@signet/primitives/formats';
import { AppendFile } from '../engine/append-file.ts';
import type { SearchTerm } from './search-keys.ts';

// Names that come again, with an entry that is there already, are not written again as long as they are remembered.
const remembered = 16_384;

/** How much of the end of the file can be of names that a crash cut off: far more than ever waits for one sync. */
export const unsyncedBytes = 1 << 20;

/** A package URL that somebody has named for an entry; or a digest, as `sha512:<hex>`, of what a statement in it is about. */
export interface PackageName {
  readonly entry: number;
  readonly packageUrl: string;
}

/** What an entry is found by under such a name. */
export function nameTerm(name: string): SearchTerm {
  const [, algorithm, digits] = /^(sha1|sha256|sha384|sha512):((?:[0-9a-f]{2})+)$/.exec(name) ?? [];
  if (algorithm === undefined || digits === undefined) return { kind: 'purl', text: name };
  return { kind: 'digest', algorithm, value: fromHex(digits) };
}

/**
 * The package URLs by which submitters want their entries to be found: a line each, `<entry> <CRC-32> <package URL>`. They stand
 * in no entry, so this file is not derived, and a name is on stable storage before its entry is answered. What a crash left of
 * names that were never answered is crossed out with `#` at the next start, so that any other line that is damaged was damaged later.
 */
export class PackageNames {
  readonly #file: AppendFile;
  readonly #recent = new Set<string>();
  #durableEnd: number;
  #syncing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  private constructor(file: AppendFile) {
    this.#file = file;
    this.#cutTornLine();
    this.#crossOutTornLines();
    this.#durableEnd = file.size;
  }

  /** @throws ERR_LOG_STORAGE */
  static async open(directory: string): Promise<PackageNames> {
    const file = AppendFile.open(packageNamesFile(directory));
    try {
      const names = new PackageNames(file);
      // What is read of it from now on must not be lost any more: the index would be ahead of it.
      await file.sync();
      return names;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Length of what is on stable storage. */
  get end(): number {
    return this.#durableEnd;
  }

  /** Resolves when the names are on stable storage. @throws ERR_LOG_STORAGE */
  async add(entry: number, packageUrls: readonly string[]): Promise<void> {
    const lines = packageUrls.map((packageUrl) => formatLine({ entry, packageUrl }));
    const unknown = lines.filter((line) => !this.#recent.has(line));
    if (unknown.length > 0) {
      this.#file.append(Buffer.from(unknown.join('')));
      for (const line of unknown) this.#remember(line);
    }
    await this.#sync();
  }

  close(): void {
    this.#file.close();
  }

  /** Group commit: whoever comes while the disk is busy shares the next sync. */
  #sync(): Promise<void> {
    this.#next ??= this.#syncing.then(() => {
      this.#next = undefined;
      const { size } = this.#file;
      this.#syncing = this.#file.sync().then(() => {
        this.#durableEnd = size;
      });
      return this.#syncing;
    });
    return this.#next;
  }

  #remember(line: string): void {
    this.#recent.add(line);
    if (this.#recent.size <= remembered) return;
    const [oldest] = this.#recent;
    if (oldest !== undefined) this.#recent.delete(oldest);
  }

  #cutTornLine(): void {
    const length = Math.min(this.#file.size, 65_536);
    const tail = this.#file.read(this.#file.size - length, length);
    const end = Buffer.from(tail).lastIndexOf(10) + 1;
    if (end < length) this.#file.truncate(this.#file.size - length + end);
  }

  #crossOutTornLines(): void {
    const length = Math.min(this.#file.size, unsyncedBytes);
    const start = this.#file.size - length;
    const tail = Buffer.from(this.#file.read(start, length));
    for (const { offset, line } of linesOf(tail, start > 0)) {
      if (!isDamaged(line)) continue;
      this.#file.write(Buffer.alloc(line.length, '#'), start + offset);
    }
  }
}

/** Bytes of lines that are neither names nor crossed out, with where they stand. */
export function damagedLines(
  bytes: Buffer,
  beginsWithin = false,
): { readonly offset: number; readonly length: number }[] {
  return linesOf(bytes, beginsWithin)
    .filter(({ line }) => isDamaged(line))
    .map(({ offset, line }) => ({ offset, length: line.length + 1 }));
}

function isDamaged(line: string): boolean {
  return !/^#*$/.test(line) && readPackageNames(Buffer.from(line, 'latin1')).length === 0;
}

/** Whole lines; where the bytes begin within one, without that one. */
function linesOf(bytes: Buffer, beginsWithin: boolean): { readonly offset: number; readonly line: string }[] {
  const lines: { offset: number; line: string }[] = [];
  let offset = beginsWithin ? bytes.indexOf(10) + 1 : 0;
  for (let end = bytes.indexOf(10, offset); end >= 0; end = bytes.indexOf(10, offset)) {
    lines.push({ offset, line: bytes.toString('latin1', offset, end) });
    offset = end + 1;
  }
  return lines;
}

export function packageNamesFile(directory: string): string {
  return join(directory, 'packages.txt');
}

/** The names of whole lines; damaged ones are left out. */
export function readPackageNames(lines: Buffer): PackageName[] {
  return lines
    .toString('latin1')
    .split('\n')
    .flatMap((line) => {
      const [, entry, , packageUrl] = /^(\d{1,15}) ([0-9a-f]{8}) ([\x21-\x7e]+)$/.exec(line) ?? [];
      if (entry === undefined || packageUrl === undefined) return [];
      const name = { entry: Number(entry), packageUrl };
      return formatLine(name) === `${line}\n` ? [name] : [];
    });
}

function formatLine({ entry, packageUrl }: PackageName): string {
  const checksum = crc32(`${entry} ${packageUrl}`).toString(16).padStart(8, '0');
  return `${entry} ${checksum} ${packageUrl}\n`;
}
