import { parentPort } from 'node:worker_threads';
import { SignetError } from '@signet/primitives/formats';
import { verifyCreateEntryRequest } from './create-entry.ts';
import type { VerificationAnswer, VerificationTask } from './entry-verifier.ts';

parentPort?.on('message', ({ id, bodies, options }: VerificationTask) => {
  const started = performance.now();
  const time = { parse: 0 };
  const results = bodies.map((body) => {
    try {
      return verifyCreateEntryRequest(body, options, time);
    } catch (error) {
      // Classes don't survive the way between threads; code and message do.
      const message = error instanceof Error ? error.message : String(error);
      return { code: error instanceof SignetError ? error.code : undefined, message };
    }
  });
  const verify = performance.now() - started - time.parse;
  const answer: VerificationAnswer = { id, results, times: { ...time, verify } };
  parentPort?.postMessage(answer);
});
