import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import {
  decidedByPolicy,
  TrustMaterial,
  type VerificationRequest,
  verifyAll,
  verifyBundle,
} from '@signet/client/verify';
import { dataFolder, publicGoodRootFile } from '../conformance/cases.ts';

const bundles = 6000;
const rounds = 4;

/** How verification scales with threads: the same bundles by one thread after the other, by one worker, and by one for each core. */
export async function bench(): Promise<void> {
  if (!existsSync(publicGoodRootFile)) {
    process.stdout.write(`the bundles to measure with are absent (${dataFolder})\n`);
    return;
  }
  const file = join(dataFolder, 'npm-attestations', 'gh-cli__sigstore@2.1.0.provenance.bundle-v0.3.json');
  const bundle = readFileSync(file, 'utf8');
  const trust = TrustMaterial.fromTrustedRoot(readFileSync(publicGoodRootFile));
  const options = { trust, identities: decidedByPolicy } as const;
  const cores = availableParallelism();

  function* requests(): Generator<VerificationRequest> {
    for (let count = 0; count < bundles; count++) yield { bundle };
  }
  const inThreads = (threads: number) => async (): Promise<void> => {
    for await (const { ok } of verifyAll(requests(), { ...options, threads })) if (!ok) throw new Error('refused');
  };
  const runs: readonly [name: string, run: () => Promise<void>][] = [
    [
      'verifyBundle, one after the other',
      async () => {
        for (const request of requests()) verifyBundle(request.bundle, options);
      },
    ],
    ['verifyAll, 1 thread', inThreads(1)],
    [`verifyAll, ${cores} threads`, inThreads(cores)],
  ];
  const best = runs.map(() => ({ rate: 0, cpu: Number.POSITIVE_INFINITY }));
  // In turn, so that a busy machine is busy for all of them; the best round is the one that was disturbed least.
  for (let round = 0; round < rounds; round++) {
    for (const [index, [, run]] of runs.entries()) {
      const [start, before] = [performance.now(), process.cpuUsage()];
      await run();
      const rate = (1000 * bundles) / (performance.now() - start);
      const { user, system } = process.cpuUsage(before);
      const known = best[index];
      if (known === undefined) continue;
      known.rate = Math.max(known.rate, rate);
      known.cpu = Math.min(known.cpu, (user + system) / bundles);
    }
  }
  const load = loadavg().map((value) => value.toFixed(1));
  process.stdout.write(`best of ${rounds} rounds of ${bundles} bundles; load ${load.join(' ')}\n`);
  process.stdout.write(`${''.padEnd(40)}  per second      ratio  CPU us each\n`);
  const single = best[1]?.rate ?? 1;
  for (const [index, [name]] of runs.entries()) {
    const { rate, cpu } = best[index] ?? { rate: 0, cpu: 0 };
    const columns = [rate.toFixed(0), `${(rate / single).toFixed(2)} x`, cpu.toFixed(0)];
    process.stdout.write(`${name.padEnd(40)}${columns.map((column) => column.padStart(12)).join('')}\n`);
  }
}
