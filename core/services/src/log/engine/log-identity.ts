import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromUtf8, SignetError, toBase64, utf8 } from '@signet/primitives/formats';
import { replaceFile, storageError } from './append-file.ts';

/** Who a log is: name and key must never change under its readers. */
export interface LogIdentity {
  readonly origin: string;
  /** DER of SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
}

const format = 1;

/**
 * Writes `log.json` into a new directory, and compares it in an old one.
 *
 * @throws ERR_LOG_FORMAT when a newer version wrote the directory; ERR_LOG_MISMATCH when it belongs to another log or key;
 *   ERR_LOG_CORRUPT
 */
export function checkIdentity(directory: string, kind: string, identity: LogIdentity): void {
  const path = join(directory, 'log.json');
  const expected = { format, kind, origin: identity.origin, publicKey: toBase64(identity.publicKey) };
  if (!existsSync(path)) {
    if (existsSync(join(directory, 'entries.dat'))) {
      throw new SignetError('ERR_LOG_CORRUPT', `${directory} has entries but no log.json; restore it from a backup`);
    }
    replaceFile(path, utf8(`${JSON.stringify(expected, undefined, 2)}\n`));
    return;
  }
  const found = readIdentity(path);
  const version = found.format;
  if (typeof version === 'number' && version > format) {
    throw new SignetError('ERR_LOG_FORMAT', `${path} was written by a newer version; update to open this log`, {
      expected: `format ${format}`,
      found: `format ${version}`,
    });
  }
  for (const [name, value] of Object.entries(expected)) {
    if (found[name] === value) continue;
    throw new SignetError('ERR_LOG_MISMATCH', `${directory} is another log: its ${name} is not the one given`, {
      expected: String(value),
      found: String(found[name]),
    });
  }
}

function readIdentity(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = fromUtf8(readFileSync(path), path);
  } catch (cause) {
    throw storageError('read', path, cause);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw new SignetError('ERR_LOG_CORRUPT', `${path} is not JSON; restore it from a backup`, { cause });
  }
  throw new SignetError('ERR_LOG_CORRUPT', `${path} is not a JSON object; restore it from a backup`);
}
