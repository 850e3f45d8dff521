import { workerData } from 'node:worker_threads';
import { SignetError, utf8 } from '@signet/primitives/formats';
import { answerTasks } from '../../../src/log/verification/verification-thread.ts';
import type { VerifiedRequest } from '../../../src/log/verification/verified-request.ts';

answerTasks((request): VerifiedRequest => {
  const text = Buffer.from(request).toString();
  if (text === 'die') process.exit(1);
  if (text === text.toUpperCase()) throw new SignetError('ERR_LOG_SIGNATURE', `${text} is loud`);
  return { body: utf8(text.toUpperCase()), ...(workerData as object) };
});
