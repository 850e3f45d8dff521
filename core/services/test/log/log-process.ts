// A process of its own that serves a log: for tests of locks, limits of the operating system and sudden death.
// Arguments: directory, command. Commands: `hold` opens and waits; `fill` appends until the disk refuses; `read-only` opens as
// somebody to whom permissions apply, and not as the superuser.
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { signerFromPrivateKey } from '@signet/primitives/keys';
import { openTransparencyLog } from '@signet/services/log';

const [directory = '', command = ''] = process.argv.slice(2);
const signer = signerFromPrivateKey(createPrivateKey(readFileSync(join(directory, '..', 'key.pem'))));
let fatal = 0;
const say = (line: object): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

if (command === 'read-only' && process.getuid?.() === 0) {
  process.setgid?.(65_534);
  process.setuid?.(65_534);
}

try {
  const log = await openTransparencyLog({
    directory,
    origin: 'log.example/-/signet/log',
    signer,
    ...(command === 'fill' ? { onFatal: () => fatal++ } : {}),
  });
  say({ open: Number(log.size) });
  if (command === 'hold') setInterval(() => {}, 60_000);
  if (command === 'fill') {
    const before = log.size;
    try {
      for (let i = 0; i < 1000; i++) await log.append(new Uint8Array(10_000).fill(i % 251, 1).fill(i / 251, 0, 1));
    } catch (error) {
      say({ error: error instanceof SignetError ? error.code : String(error) });
    }
    const size = Number(log.size);
    const again = await log.append(Uint8Array.of(1)).catch((error: unknown) => (error as SignetError).code);
    const readable = await log.entry(BigInt(size - 1));
    say({ fatal, again, grew: log.size > before, size, readable: readable?.length, healthy: log.healthy });
  }
} catch (error) {
  const { message } = error as Error;
  say({ error: error instanceof SignetError ? error.code : message, ...(command === 'read-only' ? { message } : {}) });
  process.exitCode = 1;
}
