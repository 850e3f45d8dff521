import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { Report } from './fuzz.ts';

/** A run takes microseconds to milliseconds; one that takes this long does not end, or may as well not. */
const hangMilliseconds = 20_000;

/** `npm run fuzz -- --runs N [--seed S] [--first RUN]`: exit status 0 when every run ended as it may. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { runs: { type: 'string' }, seed: { type: 'string' }, first: { type: 'string' } },
  });
  const [runs, seed, first] = [
    values.runs ?? '20000',
    values.seed ?? String(Date.now() % 1_000_000),
    values.first ?? '0',
  ];
  if (![runs, seed, first].every((text) => /^\d{1,15}$/.test(text))) {
    process.stderr.write('usage: npm run fuzz -- [--runs N] [--seed N] [--first RUN]\n');
    return 2;
  }
  process.stdout.write(`seed ${seed}, runs ${first} to ${Number(first) + Number(runs) - 1}\n`);
  const report = await watch({ runs: Number(runs), seed: Number(seed), first: Number(first) });
  if (report === undefined) return 1;
  for (const [name, { accepted, refused }] of Object.entries(report.counts)) {
    process.stdout.write(
      `${name.padEnd(40)}${String(accepted).padStart(10)} the same${String(refused).padStart(10)} refused\n`,
    );
  }
  for (const { target, run, problem } of report.failures) {
    process.stdout.write(`\nFAILED ${target}: npm run fuzz -- --seed ${seed} --first ${run} --runs 1\n${problem}\n`);
  }
  process.stdout.write(`${report.runs} runs, ${report.failures.length} failures\n`);
  return report.failures.length === 0 ? 0 : 1;
}

/** Runs the suite in a thread, which can be ended where it hangs. */
function watch(options: { runs: number; seed: number; first: number }): Promise<Report | undefined> {
  // The number of the run that the thread is in.
  const current = new Float64Array(new SharedArrayBuffer(8));
  current[0] = -1;
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('worker.ts', import.meta.url), {
      workerData: { ...options, current },
      execArgv: ['--conditions=@signet/source'],
    });
    let last = -1;
    let since = Date.now();
    const timer = setInterval(() => {
      const now = current[0] ?? -1;
      if (now !== last) [last, since] = [now, Date.now()];
      if (Date.now() - since < hangMilliseconds || now < 0) return;
      process.stdout.write(`HANGS: npm run fuzz -- --seed ${options.seed} --first ${now} --runs 1\n`);
      clearInterval(timer);
      void worker.terminate();
      resolve(undefined);
    }, 500);
    worker.on('message', (report: Report | string) => {
      clearInterval(timer);
      if (typeof report === 'string') process.stdout.write(`${report}\n`);
      resolve(typeof report === 'string' ? undefined : report);
    });
    worker.on('error', (error) => {
      clearInterval(timer);
      reject(error);
    });
  });
}

process.exitCode = await main();
