import { parentPort, workerData } from 'node:worker_threads';
import { dataFolder } from '../conformance/cases.ts';
import { allTargets, fuzz } from './fuzz.ts';

const { current, ...options } = workerData as { current: Float64Array; runs: number; seed: number; first: number };
const targets = allTargets();
parentPort?.postMessage(
  targets.length === 0
    ? `there is nothing to change: ${dataFolder} is absent`
    : fuzz(targets, {
        ...options,
        onRun: (run) => {
          current[0] = run;
        },
      }),
);
