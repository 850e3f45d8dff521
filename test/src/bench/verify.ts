import { existsSync, readFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type ArtifactInput, decidedByPolicy, TrustMaterial, verifyBundle } from '@signet/client/verify';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { conformanceFolder, dataFolder, publicGoodRootFile } from '../conformance/cases.ts';

interface Subject {
  readonly name: string;
  readonly bundle: string;
  readonly trustedRoot: string;
  /** Only for message signatures. */
  readonly artifact?: Uint8Array;
}

const roundMilliseconds = 200;
const rounds = 20;
const heapVerifications = 100_000;

/**
 * Compares verification with that of sigstore-js, in one process and in alternating rounds: text of a bundle to a
 * verified signer, trusted root kept. The floor is the same signature checks alone, each once.
 */
export async function bench(): Promise<void> {
  if (!existsSync(conformanceFolder)) {
    process.stdout.write(`the bundles to measure with are absent (${conformanceFolder})\n`);
    return;
  }
  process.stdout.write(`verifications per second, one thread, upper quartile of ${rounds} rounds\n`);
  process.stdout.write(row('', 'signet', '@sigstore/verify', 'ratio', 'floor', 'of floor'));
  for (const subject of subjects()) {
    const ours = prepareOurs(subject);
    const theirs = prepareTheirs(subject);
    const floor = recordSignatureChecks(ours);
    const rates = measure([ours, theirs, floor.run]);
    const [ourRate = 0, theirRate = 0, floorRate = 0] = rates;
    process.stdout.write(
      row(
        subject.name,
        ourRate.toFixed(0),
        theirRate.toFixed(0),
        `${(ourRate / theirRate).toFixed(1)} x`,
        floorRate.toFixed(0),
        `${((100 * ourRate) / floorRate).toFixed(0)} %`,
      ),
    );
  }
  measureHeap();
}

function row(name: string, ...columns: string[]): string {
  return `${name.padEnd(44)}${columns.map((column) => column.padStart(18)).join('')}\n`;
}

function subjects(): Subject[] {
  const caseFile = (name: string, file: string) => join(conformanceFolder, 'bundle-verify', name, file);
  const artifact = readFileSync(join(conformanceFolder, 'bundle-verify', 'a.txt'));
  const publicGood = readFileSync(publicGoodRootFile, 'utf8');
  const v2 = 'rekor2-checkpoint-origin-not-first';
  return [
    {
      name: 'npm provenance, DSSE, Rekor v1',
      bundle: readFileSync(
        join(dataFolder, 'npm-attestations', 'gh-cli__sigstore@2.1.0.provenance.bundle-v0.3.json'),
        'utf8',
      ),
      trustedRoot: publicGood,
    },
    {
      name: 'message signature, Rekor v1',
      bundle: readFileSync(caseFile('happy-path-v0.3-new-mediaType', 'bundle.sigstore.json'), 'utf8'),
      trustedRoot: publicGood,
      artifact,
    },
    {
      name: 'message signature, Rekor v2 and timestamp',
      bundle: readFileSync(caseFile(v2, 'bundle.sigstore.json'), 'utf8'),
      trustedRoot: readFileSync(caseFile(v2, 'trusted_root.json'), 'utf8'),
      artifact,
    },
  ];
}

function prepareOurs({ bundle, trustedRoot, artifact }: Subject): () => void {
  const trust = TrustMaterial.fromTrustedRoot(trustedRoot);
  const input: { artifact?: ArtifactInput } = artifact === undefined ? {} : { artifact };
  return () => verifyBundle(bundle, { trust, identities: decidedByPolicy, ...input });
}

function prepareTheirs({ bundle, trustedRoot, artifact }: Subject): () => void {
  const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(trustedRoot))));
  const data = artifact === undefined ? undefined : Buffer.from(artifact);
  return () => verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(bundle)), data));
}

type Verify = typeof import('node:crypto').verify;

/** Replays exactly the signature checks that one verification makes, once the authorities' chains are known. */
function recordSignatureChecks(verifyOnce: () => void): { run: () => void; count: number } {
  verifyOnce();
  const crypto = createRequire(import.meta.url)('node:crypto') as { verify: Verify };
  const original = crypto.verify;
  const calls: Parameters<Verify>[] = [];
  crypto.verify = ((...call: Parameters<Verify>) => {
    const [hash, message, key, signature] = call;
    // A copy, because verification uses some of its memory again.
    calls.push([hash, Uint8Array.from(message as Uint8Array), key, signature] as unknown as Parameters<Verify>);
    return original(...call);
  }) as Verify;
  syncBuiltinESMExports();
  try {
    verifyOnce();
  } finally {
    crypto.verify = original;
    syncBuiltinESMExports();
  }
  return {
    count: calls.length,
    run: () => {
      for (const call of calls) original(...call);
    },
  };
}

/**
 * Rate of each, in short alternating rounds, so that a busy machine is busy for all of them. The upper quartile leaves out
 * rounds in which other processes took the core or its caches; it still holds the garbage collector's share.
 */
function measure(runs: readonly (() => void)[]): number[] {
  const rates: number[][] = runs.map(() => []);
  for (let round = -5; round < rounds; round++) {
    for (const [index, run] of runs.entries()) {
      const rate = measureRound(run);
      if (round >= 0) rates[index]?.push(rate);
    }
  }
  return rates.map((list) => list.sort((a, b) => b - a)[Math.floor(list.length / 4)] ?? 0);
}

function measureRound(run: () => void): number {
  const cpuStart = process.cpuUsage();
  const start = performance.now();
  let count = 0;
  do {
    for (let batch = 0; batch < 5; batch++) run();
    count += 5;
  } while (performance.now() - start < roundMilliseconds);
  const elapsed = performance.now() - start;
  const { user, system } = process.cpuUsage(cpuStart);
  // While the process waits for a core, its own time stands still and the clock does not.
  return (1000 * count) / Math.min(elapsed, (user + system) / 1000);
}

const collect = exposeGarbageCollector();

function exposeGarbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

/** A verifier that runs for months must not grow. */
function measureHeap(): void {
  const [subject] = subjects();
  if (subject === undefined) return;
  const run = prepareOurs(subject);
  for (let count = 0; count < 1000; count++) run();
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let count = 0; count < heapVerifications; count++) run();
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  process.stdout.write(`heap after ${heapVerifications} verifications: ${(grown / 1024).toFixed(0)} KiB more\n`);
}
