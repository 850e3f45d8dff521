import { concat, SignetError } from '@signet/primitives/basics';
import type { TransportAnswer } from './transport.ts';

/**
 * Reads a response to its end, but never more than `maxBytes`, whatever `Content-Length` claims.
 *
 * @throws ERR_RESPONSE_TOO_LARGE
 */
export async function readBody(response: TransportAnswer, maxBytes: number, service: string): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    length += chunk.length;
    if (length > maxBytes) {
      // Leaving the loop cancels the stream, so the rest is never received.
      throw new SignetError('ERR_RESPONSE_TOO_LARGE', `the answer of ${service} is larger than it may be`, {
        expected: `at most ${maxBytes} bytes`,
        found: `more than ${maxBytes} bytes`,
      });
    }
    chunks.push(chunk);
  }
  return concat(...chunks);
}
