import { fromBase64, toBase64 } from './bytes.ts';
import { SignetError } from './errors.ts';

/** One PEM block (RFC 7468). */
export interface PemBlock {
  /** What stands after BEGIN, for example `CERTIFICATE`. */
  readonly label: string;
  readonly bytes: Uint8Array;
}

const maximumText = 4 * 1024 * 1024;

/**
 * All PEM blocks of a text; explanatory text between them is skipped (RFC 7468 §2).
 *
 * @throws ERR_ENCODING when a block is not closed or not base64; ERR_INPUT_TOO_LARGE above 4 MiB
 */
export function parsePem(text: string, what = 'PEM'): readonly PemBlock[] {
  if (text.length > maximumText) throw new SignetError('ERR_INPUT_TOO_LARGE', `${what} is longer than 4 MiB`);
  const blocks: PemBlock[] = [];
  let label: string | undefined;
  let body = '';
  for (const line of text.split('\n')) {
    const trimmed = line.trim();
    const boundary = /^-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----$/.exec(trimmed);
    if (boundary === null) {
      if (label !== undefined) body += trimmed;
      continue;
    }
    const found = boundary[2] ?? '';
    if (boundary[1] === 'BEGIN') {
      if (label !== undefined) throw new SignetError('ERR_ENCODING', `${what}: block ${label} is not closed`);
      label = found;
      body = '';
      continue;
    }
    if (label !== found) throw new SignetError('ERR_ENCODING', `${what}: END ${found} without its BEGIN`);
    blocks.push({ label, bytes: fromBase64(body, `${what}: block ${label}`) });
    label = undefined;
  }
  if (label !== undefined) throw new SignetError('ERR_ENCODING', `${what}: block ${label} is not closed`);
  return blocks;
}

/** PEM text of one block, lines of 64 characters, with a final newline. */
export function toPem(label: string, bytes: Uint8Array): string {
  const base64 = toBase64(bytes);
  let text = `-----BEGIN ${label}-----\n`;
  for (let at = 0; at < base64.length; at += 64) text += `${base64.slice(at, at + 64)}\n`;
  return `${text}-----END ${label}-----\n`;
}
