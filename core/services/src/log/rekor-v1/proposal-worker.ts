import { workerData } from 'node:worker_threads';
import { EntryTypes } from '../types/index.ts';
import { answerTasks } from '../verification/verification-thread.ts';
import { type ThreadOptions, verifyProposal } from './proposal-verifier.ts';

const options = workerData as ThreadOptions;
const types = EntryTypes.load(options.modules);

answerTasks(async (proposal, time) => verifyProposal(await types, proposal, options, time));
