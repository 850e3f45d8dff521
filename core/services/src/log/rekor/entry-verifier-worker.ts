import { workerData } from 'node:worker_threads';
import { answerTasks } from '../verification/verification-thread.ts';
import { type CreateEntryOptions, verifyCreateEntryRequest } from './create-entry.ts';

const options = workerData as CreateEntryOptions;

answerTasks((request, time) => verifyCreateEntryRequest(request, options, time));
