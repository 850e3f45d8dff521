import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { importPublicKey, verifySignature } from '@signet/primitives/crypto';
import {
  fromBase64,
  fromUtf8,
  parseCheckpoint,
  parseJson,
  parseSignedNote,
  SignetError,
  utf8,
} from '@signet/primitives/formats';
import { checkBeside } from './check-beside.ts';
import { staticCtFormat } from './ct/static-ct-format.ts';
import { storageError } from './engine/append-file.ts';
import { checkFiles, type FileCheck } from './engine/check-files.ts';
import { tiledFormat } from './tiled-format.ts';

/** What {@link checkLog} found. */
export interface LogCheck extends FileCheck {
  readonly origin: string;
  /** Nothing is wrong. */
  readonly sound: boolean;
}

/**
 * Checks every byte of a log that is not being served, against the checkpoint that it signed last. Nothing is changed.
 *
 * @param directory the log's data directory
 * @throws ERR_LOG_LOCKED while it is served; ERR_LOG_CORRUPT when `log.json` or an authoritative file is missing;
 *   ERR_LOG_STORAGE
 */
export function checkLog(directory: string): LogCheck {
  const { kind, origin, publicKey } = readIdentity(directory);
  const files = checkFiles(directory, kind === staticCtFormat.kind ? staticCtFormat : tiledFormat);
  const beside = checkBeside(directory, files.treeSize);
  const damage = [...files.damage, ...beside.damage];
  if (files.released !== undefined) {
    const problem = checkpointProblem(files.released.checkpoint, { kind, origin, publicKey }, files.released.treeSize);
    if (problem !== undefined) damage.push(`the last released checkpoint ${problem}`);
  }
  const tornBytes = files.tornBytes + beside.tornBytes;
  return { ...files, damage, tornBytes, origin, sound: damage.length === 0 && files.derivedDamage.length === 0 };
}

interface Identity {
  readonly kind: string;
  readonly origin: string;
  readonly publicKey: Uint8Array;
}

function checkpointProblem(checkpoint: string, identity: Identity, treeSize: number): string | undefined {
  const { text, signatures } = parseSignedNote(checkpoint);
  const head = parseCheckpoint(text);
  if (head.origin !== identity.origin) return 'is of another log';
  if (head.treeSize !== BigInt(treeSize)) return 'is over another size than it is filed under';
  // A tree head of RFC 6962 signs other bytes and not the origin; its root has been compared already.
  if (identity.kind !== tiledFormat.kind) return undefined;
  const [first] = signatures;
  const key = importPublicKey(identity.publicKey);
  const verified = first !== undefined && verifySignature({ key, message: utf8(text), signature: first.signature });
  return verified ? undefined : "has no signature of the log's key";
}

function readIdentity(directory: string): Identity {
  const path = join(directory, 'log.json');
  let text: string;
  try {
    text = fromUtf8(readFileSync(path), path);
  } catch (cause) {
    throw storageError('read', path, cause);
  }
  const value = parseJson(text, path);
  const { kind, origin, publicKey } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  if (typeof kind !== 'string' || typeof origin !== 'string' || typeof publicKey !== 'string') {
    throw new SignetError('ERR_LOG_CORRUPT', `${path} is not a log's; restore it from a backup`);
  }
  return { kind, origin, publicKey: fromBase64(publicKey, 'publicKey') };
}
