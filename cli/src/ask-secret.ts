import type { Writable } from 'node:stream';
import { SignetError } from '@signet/primitives/basics';

/** A terminal's keyboard, as Node gives it (tty.ReadStream). */
interface Keyboard extends NodeJS.ReadableStream {
  setRawMode(raw: boolean): unknown;
}

const maximumLength = 1024;
const [interrupt, endOfInput, backspace, deletion, eraseLine] = ['\u0003', '\u0004', '\b', '\u007f', '\u0015'];

/**
 * Asks at a terminal for what nobody may see: nothing that is typed is shown. Where standard input is no terminal nothing is
 * asked, since what came through a pipe would be taken for an answer.
 *
 * @returns the line without its end
 * @throws ERR_CANCELLED for Ctrl-C, and Ctrl-D on an empty line; ERR_USAGE where there is no terminal, or for an endless line
 */
export async function askSecret(stdin: object, stderr: Writable, question: string): Promise<string> {
  if (!isKeyboard(stdin)) throw new SignetError('ERR_USAGE', 'there is no terminal to ask for a passphrase');
  // First: what is typed before the question must not be shown either.
  stdin.setRawMode(true);
  stderr.write(question);
  stdin.setEncoding('utf8');
  try {
    return await new Promise((resolve, reject) => {
      let line = '';
      const end = (settle: () => void) => {
        stdin.off('data', listen);
        stdin.off('end', hangUp);
        settle();
      };
      const cancelled = () => reject(new SignetError('ERR_CANCELLED', 'cancelled; no passphrase was given'));
      const hangUp = () => end(cancelled);
      const listen = (keys: string | Buffer) => {
        // A paste comes as one piece.
        for (const key of String(keys)) {
          if (key === '\r' || key === '\n') return end(() => resolve(line));
          if (key === interrupt || (key === endOfInput && line === '')) return end(cancelled);
          if (key === backspace || key === deletion) line = [...line].slice(0, -1).join('');
          else if (key === eraseLine) line = '';
          else if (key >= ' ') line += key;
          if (line.length > maximumLength) {
            return end(() =>
              reject(new SignetError('ERR_USAGE', `a passphrase has at most ${maximumLength} characters`)),
            );
          }
        }
      };
      stdin.on('data', listen);
      stdin.once('end', hangUp);
      stdin.resume();
    });
  } finally {
    stdin.pause();
    stdin.setRawMode(false);
    stderr.write('\n');
  }
}

function isKeyboard(stream: object): stream is Keyboard {
  return 'isTTY' in stream && stream.isTTY === true && 'setRawMode' in stream;
}
