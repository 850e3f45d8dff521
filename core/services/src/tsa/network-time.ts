import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { SignetError } from '@signet/primitives/formats';

/** A server's word on the time. */
export interface TimeAnswer {
  /** How far this machine's clock is behind the server's, milliseconds; negative when it is ahead. */
  readonly offset: number;
  /** How long the question and its answer were under way, milliseconds; the offset is exact to half of it. */
  readonly delay: number;
}

const port = 123;
const packetLength = 48;
/** No leap indicator, version 4, mode client. */
const clientHeader = 0x23;
const serverMode = 4;
/** Seconds from 1900, where NTP's first era begins, to 1970. */
const epoch = 2_208_988_800;
const defaultTimeoutMilliseconds = 3000;

/**
 * Asks a time server once (SNTP, RFC 4330). The question carries a random number in place of this machine's time, so that an answer that
 * was not asked for is known, and nothing is told.
 *
 * @param server host, or `host:port`
 * @throws ERR_CLOCK when it does not answer, or has no time itself
 */
export async function askTime(
  server: string,
  { timeoutMilliseconds = defaultTimeoutMilliseconds, clock = () => Date.now() } = {},
): Promise<TimeAnswer> {
  const [host, asked] = splitServer(server);
  const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4');
  const { promise, resolve, reject } = Promise.withResolvers<TimeAnswer>();
  const refuse = (problem: string, cause?: unknown) =>
    reject(new SignetError('ERR_CLOCK', `The time server ${server} ${problem}`, { cause }));
  const timer = setTimeout(() => refuse(`did not answer within ${timeoutMilliseconds} ms`), timeoutMilliseconds);
  try {
    const question = Buffer.alloc(packetLength);
    question[0] = clientHeader;
    const nonce = randomBytes(8);
    nonce.copy(question, 40);
    let sent = 0;
    socket.on('error', (cause) => refuse('cannot be asked', cause));
    socket.on('message', (answer) => {
      const received = clock();
      if (answer.length < packetLength || !nonce.equals(answer.subarray(24, 32))) return;
      const [header = 0, stratum = 0] = answer;
      // RFC 4330 §5: a kiss of death, or a server that is not synchronized, has no time.
      if ((header & 7) !== serverMode || header >> 6 === 3 || stratum < 1 || stratum > 15) {
        refuse('has no time itself');
        return;
      }
      const [arrived, left] = [readTime(answer, 32), readTime(answer, 40)];
      resolve({
        offset: (arrived - sent + (left - received)) / 2,
        delay: Math.max(0, received - sent - (left - arrived)),
      });
    });
    socket.connect(asked, host, () => {
      sent = clock();
      socket.send(question);
    });
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

/** Milliseconds since 1970 (RFC 4330 §3: without the highest bit it is the era that begins in 2036). */
function readTime(packet: Buffer, at: number): number {
  const seconds = packet.readUInt32BE(at);
  const era = seconds < 0x8000_0000 ? 0x1_0000_0000 : 0;
  return (seconds + era - epoch) * 1000 + (packet.readUInt32BE(at + 4) * 1000) / 0x1_0000_0000;
}

/**
 * Host and port of a time server.
 *
 * @throws ERR_CLOCK
 */
export function splitServer(server: string): readonly [host: string, port: number] {
  const [, bracketed, plain, text] = /^(?:\[([0-9a-f:]+)\]|([a-z0-9.-]+))(?::(\d{1,5}))?$/i.exec(server) ?? [];
  const host = bracketed ?? plain;
  const number = text === undefined ? port : Number(text);
  if (host !== undefined && number > 0 && number < 65_536) return [host, number];
  throw new SignetError('ERR_CLOCK', `${JSON.stringify(server)} is no time server; write host, or host:port`);
}
