import { parentPort } from 'node:worker_threads';
import {
  describeRefusal,
  join,
  type Outcome,
  type ReadingTime,
  type VerificationAnswer,
  type VerificationTask,
  type VerifiedRequest,
  type Verify,
} from './verified-request.ts';

/** Makes this thread one of a {@link VerificationPool}. */
export function answerTasks(verify: Verify<VerifiedRequest>): void {
  parentPort?.on('message', async ({ id, bytes, lengths }: VerificationTask) => {
    const started = performance.now();
    const time: ReadingTime = { parse: 0 };
    const bodies: Uint8Array[] = [];
    const outcomes: Outcome[] = [];
    let offset = 0;
    for (const length of lengths) {
      try {
        const { body, ...rest } = await verify(bytes.subarray(offset, offset + length), time);
        bodies.push(body);
        outcomes.push({ length: body.length, rest });
      } catch (error) {
        outcomes.push(describeRefusal(error));
      }
      offset += length;
    }
    const verified = performance.now() - started - time.parse;
    const joined = join(bodies);
    const answer: VerificationAnswer = { id, bytes: joined, outcomes, times: { ...time, verify: verified } };
    parentPort?.postMessage(answer, [joined.buffer]);
  });
}
