import { parentPort, workerData } from 'node:worker_threads';
import { SignetError } from '@signet/primitives/formats';
// By the room's index, so that what is built keeps the room in one file.
import { TrustMaterial, type VerifyOptions, verifyBundle } from './index.ts';
import {
  optionsOf,
  plainError,
  plainVerified,
  type WorkerAnswer,
  type WorkerStart,
  type WorkerTask,
} from './worker-messages.ts';

/** Answers one task; what is no refusal is a fault, which the pool passes on. */
export function answer({ id, bundle, options }: WorkerTask, common: VerifyOptions): WorkerAnswer {
  try {
    const own = options === undefined ? common : { ...optionsOf(options), trust: common.trust };
    return { id, verified: plainVerified(verifyBundle(bundle, own)) };
  } catch (error) {
    if (error instanceof SignetError) return { id, refused: plainError(error) };
    return { id, fault: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** Marks what this file's threads are started with; the file is an entry point of its package and can be imported anywhere. */
interface Started {
  readonly signetVerifier?: WorkerStart;
}

const start = (workerData as Started | null)?.signetVerifier;
if (start !== undefined && parentPort !== null) {
  const port = parentPort;
  const trust = TrustMaterial.fromTrustedRoot(start.trustedRoot, start.trustOptions);
  const common = { ...optionsOf(start.common), trust };
  port.on('message', (tasks: readonly WorkerTask[]) => port.postMessage(tasks.map((task) => answer(task, common))));
}
