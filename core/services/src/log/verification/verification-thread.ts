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
    const started = threadTime();
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
    const verified = Math.max(0, threadTime() - started - time.parse);
    const joined = join(bodies);
    const answer: VerificationAnswer = { id, bytes: joined, outcomes, times: { ...time, verify: verified } };
    parentPort?.postMessage(answer, [joined.buffer]);
  });
}

/** Milliseconds that this thread has worked, or that have passed where Node does not tell (before 23.9): under load it waits, too. */
function threadTime(): number {
  if (typeof process.threadCpuUsage !== 'function') return performance.now();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
