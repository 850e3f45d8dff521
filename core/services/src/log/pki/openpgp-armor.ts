import { concat, equalBytes, fromBase64, toBase64, utf8 } from '@signet/primitives/formats';
import { checked, signatureError } from './pki-format.ts';

/** A block of ASCII armor (RFC 9580 §6). */
export interface ArmorBlock {
  /** What stands after BEGIN, for example `PGP SIGNATURE`. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

const begin = '-----BEGIN ';

/** Whether a text is armored at all; what is not is taken as packets. */
export function isArmored(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .subarray(0, 4096)
    .toString('latin1')
    .includes(begin);
}

/** Reads all blocks of a text. @throws ERR_LOG_SIGNATURE */
export function readArmor(text: string): ArmorBlock[] {
  const blocks: ArmorBlock[] = [];
  const lines = text.split('\n').map((line) => line.trim());
  for (let at = 0; at < lines.length; at++) {
    const type = /^-----BEGIN (PGP [A-Z ]+)-----$/.exec(lines[at] ?? '')?.[1];
    if (type === undefined) continue;
    const end = lines.indexOf(`-----END ${type}-----`, at);
    if (end < 0) throw signatureError(`the armor of ${type} has no end`);
    blocks.push({ type, bytes: readBody(lines.slice(at + 1, end), type) });
    at = end;
  }
  return blocks;
}

function readBody(lines: readonly string[], type: string): Uint8Array {
  // Headers such as `Comment:` stand before an empty line, and are nobody's business.
  const empty = lines.indexOf('');
  const body = lines.slice(empty + 1).filter((line) => line !== '');
  const last = body.at(-1);
  const checksum = last?.startsWith('=') === true && last.length === 5 ? body.pop() : undefined;
  const bytes = checked(type, () => fromBase64(body.join(''), 'its armor'));
  if (checksum !== undefined) {
    const expected = checked(type, () => fromBase64(checksum.slice(1), 'the checksum'));
    if (!equalBytes(expected, crc24(bytes))) throw signatureError(`the checksum of ${type} is wrong`);
  }
  return bytes;
}

/** Armor as Go writes it: no headers, 64 characters a line, a checksum, and no newline at the end. */
export function writeArmor(type: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = concat(...parts);
  const lines = toBase64(bytes).match(/.{1,64}/g) ?? [];
  const checksum = toBase64(crc24(bytes));
  return utf8(`-----BEGIN ${type}-----\n\n${lines.join('\n')}\n=${checksum}\n-----END ${type}-----`);
}

/** RFC 9580 §6.1.1. */
function crc24(bytes: Uint8Array): Uint8Array {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit++) {
      crc <<= 1;
      if ((crc & 0x1000000) !== 0) crc ^= 0x1864cfb;
    }
  }
  return Uint8Array.of((crc >> 16) & 0xff, (crc >> 8) & 0xff, crc & 0xff);
}
