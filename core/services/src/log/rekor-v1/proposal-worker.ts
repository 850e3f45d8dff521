import { parentPort, workerData } from 'node:worker_threads';
import { SignetError } from '@signet/primitives/formats';
import type { ReadingTime } from '../rekor/create-entry.ts';
import { EntryTypes } from '../types/index.ts';
import { type ProposalAnswer, type ProposalTask, type ThreadOptions, verifyProposal } from './proposal-verifier.ts';

const options = workerData as ThreadOptions;
const types = EntryTypes.load(options.modules);

parentPort?.on('message', async ({ id, proposals }: ProposalTask) => {
  const started = performance.now();
  const time = { parse: 0 };
  const results = await Promise.all(proposals.map((proposal) => verify(proposal, time)));
  const times = { ...time, verify: performance.now() - started - time.parse };
  const answer: ProposalAnswer = { id, results, times };
  parentPort?.postMessage(answer);
});

async function verify(proposal: Uint8Array, time: ReadingTime): Promise<ProposalAnswer['results'][number]> {
  try {
    return await verifyProposal(await types, proposal, options, time);
  } catch (error) {
    // Classes don't survive the way between threads; code and message do.
    const message = error instanceof Error ? error.message : String(error);
    return { code: error instanceof SignetError ? error.code : undefined, message };
  }
}
