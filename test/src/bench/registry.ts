import { cp, mkdir, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { createPublishDocument } from '@signet/client/npm';
import { Instance } from '../scene/instance.ts';
import { Workshop } from '../scene/workshop.ts';
import { cpuTime, type Reads, readFor, readInTurn } from './http-reads.ts';
import { Builder, type Built, store } from './registry-packages.ts';
import { startVerdaccio, type VerdaccioProcess } from './verdaccio-process.ts';

const rounds = Number(process.env.SIGNET_BENCH_ROUNDS ?? 9);
const seconds = Number(process.env.SIGNET_BENCH_SECONDS ?? 1);
const only = process.env.SIGNET_BENCH_ONLY;
const connections = 16;
const abbreviated = 'application/vnd.npm.install-v1+json';

/** Versions that a batch asks for, over as many packages of five. */
const batchSize = 1000;
const publishes = 100;
/** Publishes at the beginning that do not count. */
const warmUp = 20;

/**
 * The same Verdaccio with the plugin and without it, over copies of one storage. Rounds alternate, so that a busy machine is busy
 * for both; medians are compared. Requests per second depend on what else runs; processor time for a request hardly does.
 */
export async function bench(): Promise<void> {
  const workshop = await Workshop.open();
  const instance = await Instance.create(workshop);
  const running: VerdaccioProcess[] = [];
  try {
    const builder = new Builder(instance);
    await prepare(workshop, instance, builder);
    const published = await buildPublishes(builder);
    const [plain, plugin] = [await start(workshop, 'plain'), await start(workshop, 'plugin')];
    running.push(plain, plugin);
    process.stdout.write(`medians of ${rounds} rounds of ${seconds} s, ${connections} connections\n`);
    process.stdout.write(
      `${'reads'.padEnd(44)}${'plain/s'.padStart(9)}${'plugin/s'.padStart(9)}   ratio   µs of CPU each\n`,
    );
    const scenarios: readonly [string, string, string?][] = [
      ['packument, small', '@example%2fsmall', abbreviated],
      ['packument, small, in full', '@example%2fsmall'],
      ['packument, 4.5 MB, abbreviated', '@example%2flarge', abbreviated],
      ['packument, 4.5 MB, in full', '@example%2flarge'],
      ['tarball, 50 KB', '@example/small/-/small-1.0.0.tgz'],
      ['tarball, 50 KB, of the 4.5 MB packument', '@example/large/-/large-1.0.0.tgz'],
    ];
    for (const [title, path, accept] of scenarios) {
      if (only === undefined || title.includes(only)) await compare(title, plain, plugin, path, accept);
    }
    if (only === undefined || only === 'attestations') await attestations(plugin);
    if (only === undefined || only === 'batch') await batch(plugin);
    if (only === undefined || only === 'publish') await publishing(plain, plugin, published);
    process.stdout.write(
      `load average at the end: ${loadavg()
        .map((load) => load.toFixed(1))
        .join(' ')}\n`,
    );
  } finally {
    for (const one of running) await one.stop();
    await instance.stop();
    await workshop.close();
  }
}

async function prepare(workshop: Workshop, instance: Instance, builder: Builder): Promise<void> {
  const storage = workshop.path('storage');
  const small = await builder.build('@example/small', '1.0.0', 50_000);
  await store(storage, [small]);
  await store(storage, [await builder.build('@example/large', '1.0.0', 50_000)], { versions: 1800, bytes: 2000 });
  for (let index = 0; index < batchSize / 5; index += 1) {
    const name = `@example/batch-${index}`;
    // What is served is not judged: the evidence of another package has the same size.
    await store(
      storage,
      Array.from({ length: 5 }, (_, patch) => ({ ...small, name, version: `1.0.${patch}` })),
    );
  }
  for (const kind of ['plain', 'plugin']) {
    await mkdir(workshop.path(kind));
    await cp(storage, workshop.path(kind, 'storage'), { recursive: true });
  }
  const policy = instance.policy().replace('version: 1\n', 'version: 1\nnoMatch: deny\n');
  await writeFile(workshop.path('plugin', 'trust-policy.yaml'), policy);
}

function start(workshop: Workshop, kind: 'plain' | 'plugin'): Promise<VerdaccioProcess> {
  const signet = {
    names: ['@example/*'],
    trustedRoot: '../instance/trust/trusted_root.json',
    policy: './trust-policy.yaml',
    auditLog: './audit.jsonl',
    // With signatures, everything in the storage would be signed anew at the start, and the documents would differ.
    publicUrl: 'http://localhost/',
    advertise: false,
  };
  return startVerdaccio(workshop.path(kind), {
    storage: './storage',
    auth: { htpasswd: { file: './htpasswd' } },
    packages: { '@example/*': { access: '$all', publish: '$all', unpublish: '$all' } },
    middlewares: kind === 'plugin' ? { signet } : {},
    max_body_size: '100mb',
    log: { type: 'file', path: './verdaccio.log', level: 'fatal' },
  });
}

async function compare(
  title: string,
  plain: VerdaccioProcess,
  plugin: VerdaccioProcess,
  path: string,
  accept?: string,
) {
  const all: [Reads[], Reads[]] = [[], []];
  for (let round = -1; round < rounds; round += 1) {
    // Whoever comes first in a round comes second in the next.
    const order = round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
    for (const which of order) {
      const { url, pid } = which === 0 ? plain : plugin;
      const options = { connections, pid, ...(accept === undefined ? {} : { accept }) };
      const reads = await readFor(round < 0 ? seconds * 2 : seconds, new URL(path, url), options);
      if (round >= 0) all[which].push(reads);
    }
  }
  const [a, b] = all.map((reads) => median(reads.map(({ perSecond }) => perSecond))) as [number, number];
  const [c, d] = all.map((reads) => median(reads.map(cpuEach))) as [number, number];
  const turns = path.includes('large') && !path.includes('/-/') ? 60 : 2000;
  const urls = [plain, plugin].map(({ url }) => new URL(path, url));
  const [one = [], other = []] = await readInTurn(turns, urls, accept);
  const inTurn = (part: number) => {
    const [first = 0, second = 0] = [one, other].map((times) => times[Math.floor(times.length * part)] ?? 0);
    return `${first.toFixed(2)} and ${second.toFixed(2)} ms: ${((100 * first) / second).toFixed(1)} %`;
  };
  const ratio = `${((100 * b) / a).toFixed(1)} %`;
  process.stdout.write(
    `${title.padEnd(44)}${a.toFixed(0).padStart(9)}${b.toFixed(0).padStart(9)}${ratio.padStart(9)}   ${c.toFixed(0)} and ${d.toFixed(0)}: ${((100 * c) / d).toFixed(1)} %; in turn, the fastest tenth ${inTurn(0.1)}, the middle ${inTurn(0.5)}\n`,
  );
}

async function attestations({ url, pid }: VerdaccioProcess): Promise<void> {
  const target = new URL('-/npm/v1/attestations/@example%2fsmall@1.0.0', url);
  const reads: Reads[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const one = await readFor(seconds, target, { connections, pid });
    if (round >= 0) reads.push(one);
  }
  const cpu = median(reads.map(cpuEach));
  const perSecond = median(reads.map((one) => one.perSecond));
  process.stdout.write(
    `attestations of a version: ${perSecond.toFixed(0)}/s, ${cpu.toFixed(0)} µs of CPU each, ${(1e6 / cpu).toFixed(0)}/s on a processor of its own\n`,
  );
}

async function batch({ url }: VerdaccioProcess): Promise<void> {
  const packages = Array.from({ length: batchSize }, (_, index) => ({
    name: `@example/batch-${Math.floor(index / 5)}`,
    version: `1.0.${index % 5}`,
  }));
  const times: number[] = [];
  for (let round = 0; round < rounds + 1; round += 1) {
    const begin = performance.now();
    const answer = await fetch(new URL('-/signet/v1/attestations:batch', url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ packages }),
    });
    const lines = (await answer.text()).trim().split('\n');
    times.push(performance.now() - begin);
    if (lines.length !== batchSize || lines.some((line) => !line.includes('dsseEnvelope')))
      throw new Error('a bad batch');
  }
  const [first = 0, ...others] = times;
  process.stdout.write(
    `a batch of ${batchSize}: ${first.toFixed(0)} ms the first time, ${median(others).toFixed(0)} ms in the middle, ${Math.min(...others).toFixed(0)} ms at best\n`,
  );
}

async function buildPublishes(builder: Builder): Promise<readonly Built[]> {
  if (only !== undefined && only !== 'publish') return [];
  const built: Built[] = [];
  for (let index = 0; index < publishes; index += 1) {
    built.push(await builder.build(`@example/new-${index % 6}`, `1.0.${Math.floor(index / 6)}`, 50_000));
  }
  return built;
}

async function publishing(plain: VerdaccioProcess, plugin: VerdaccioProcess, built: readonly Built[]): Promise<void> {
  const times: [number[], number[]] = [[], []];
  const cpu = [0, 0] as [number, number];
  for (const [index, { name, manifest, tarball, bundle }] of built.entries()) {
    for (const which of index % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const { url, pid } = which === 0 ? plain : plugin;
      const document = createPublishDocument({ manifest, tarball, registry: url, ...(which === 0 ? {} : { bundle }) });
      const body = JSON.stringify(document);
      const before = cpuTime(pid);
      const begin = performance.now();
      const answer = await fetch(new URL(name.replace('/', '%2f'), url), {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body,
      });
      await answer.text();
      times[which].push(performance.now() - begin);
      if (index >= warmUp) cpu[which] += cpuTime(pid) - before;
      if (answer.status !== 201) throw new Error(`status ${answer.status}`);
    }
  }
  // The first of each package makes it, and the first of all load what later ones need.
  const late = times.map((list) => list.slice(warmUp));
  const [a, b] = late.map(median) as [number, number];
  const [c, d] = late.map((list) => Math.min(...list)) as [number, number];
  const used = cpu.map((sum) => ((sum * 1000) / (built.length - warmUp)).toFixed(1));
  process.stdout.write(
    `publish: ${a.toFixed(1)} ms plain, ${b.toFixed(1)} ms with the plugin and its evidence: ${(b - a).toFixed(1)} ms more; at best ${c.toFixed(1)} and ${d.toFixed(1)} ms; ${used[0]} and ${used[1]} ms of CPU each\n`,
  );
}

/** Microseconds of processor time for a request. */
function cpuEach({ cpu, requests }: Reads): number {
  return cpu / requests;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}
