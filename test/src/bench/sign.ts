import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { IdentityToken } from '@signet/client/identity';
import { publishPackages } from '@signet/client/publish';
import { SigningSession } from '@signet/client/sign';
import { loadTrustMaterial } from '@signet/client/trust';
import { FulcioSigner, MessageSignatureBundleBuilder, RekorWitness, TSAWitness } from '@sigstore/sign';
import { root } from '../house/repository.ts';
import { Instance } from '../scene/instance.ts';
import { Workshop } from '../scene/workshop.ts';

const rounds = 30;
const processes = 15;
const releases = 3;

/** One way to sign, measured in turn with the others, so that a busy machine is busy for all of them. */
interface Way {
  readonly name: string;
  readonly work: () => Promise<void>;
  readonly cpu: number[];
  readonly wall: number[];
}

/**
 * Measures what signing costs the client, against one instance in a process of its own: keyless signing of one file beside the
 * reference client, a whole process that signs one file beside one of the reference client's package and a bare Node that makes
 * the same requests, and ten packages beside one.
 */
export async function bench(): Promise<void> {
  const workshop = await Workshop.open();
  const instance = await Instance.create(workshop);
  try {
    await signFiles(instance);
    await signInProcess(workshop, instance);
    await publishTen(workshop, instance);
  } finally {
    await instance.stop();
    await workshop.close();
  }
}

async function signFiles(instance: Instance): Promise<void> {
  const token = await instance.token();
  const trust = await loadTrustMaterial(instance.urls.trustedRoot);
  const { ca, tsa, log } = instance.urls;
  const services = { caUrl: ca, tsaUrls: [`${tsa}/api/v1/timestamp`], logUrls: [log] };
  const artifact = Buffer.alloc(4096, 'x');
  const ours = async () => {
    const session = await SigningSession.open({ identityToken: IdentityToken.parse(token), services, trust });
    await session.signMessage(artifact);
  };
  const stock = async () => {
    const signer = new FulcioSigner({ fulcioBaseURL: ca, identityProvider: { getToken: async () => token } });
    const witnesses = [
      new TSAWitness({ tsaBaseURL: `${tsa}/api/v1/timestamp` }),
      new RekorWitness({ rekorBaseURL: log, majorApiVersion: 2 }),
    ];
    await new MessageSignatureBundleBuilder({ signer, witnesses }).create({ data: artifact });
  };
  const way = (name: string, work: () => Promise<void>): Way => ({ name, work, cpu: [], wall: [] });
  const ways = [way('signet, bundle verified', ours), way('@sigstore/sign, not verified', stock)];
  for (let round = -5; round < rounds; round++) {
    for (const { work, cpu, wall } of ways) {
      const before = process.cpuUsage();
      const start = performance.now();
      await work();
      const { user, system } = process.cpuUsage(before);
      if (round < 0) continue;
      cpu.push((user + system) / 1000);
      wall.push(performance.now() - start);
    }
  }
  line('keyless, one file of 4 KiB', 'CPU min', 'CPU median', 'wall median');
  for (const { name, cpu, wall } of ways) line(name, ms(Math.min(...cpu)), ms(median(cpu)), ms(median(wall)));
  const [first, second] = ways;
  const ratio = (pick: (values: number[]) => number) => (pick(first?.cpu ?? []) / pick(second?.cpu ?? [])).toFixed(2);
  line(
    'ratio of CPU, ours to theirs',
    ratio((values) => Math.min(...values)),
    ratio(median),
    '',
  );
}

/** The requests of one signature, as they were made, so that a bare process can make them too. */
async function recordRequests(instance: Instance, token: string): Promise<readonly object[]> {
  const trust = await loadTrustMaterial(instance.urls.trustedRoot);
  const { ca, tsa, log } = instance.urls;
  const requests: object[] = [];
  const transport: typeof fetch = async (input, init = {}) => {
    const { body } = init;
    const bytes =
      typeof body === 'string' ? Buffer.from(body) : body instanceof Uint8Array ? Buffer.from(body) : undefined;
    requests.push({
      url: String(input),
      method: init.method ?? 'GET',
      headers: init.headers,
      body: bytes?.toString('base64'),
    });
    return await fetch(input, init);
  };
  const services = { caUrl: ca, tsaUrls: [`${tsa}/api/v1/timestamp`], logUrls: [log] };
  const session = await SigningSession.open({ identityToken: token, services, trust, http: { transport } });
  await session.signMessage(Buffer.from('a file'));
  return requests;
}

/** Makes the recorded requests one after the other, by one of Node's two ways. */
const requestPrograms = {
  'requests.mjs': `import { readFileSync } from 'node:fs';
for (const { url, method, headers, body } of JSON.parse(readFileSync('requests.json', 'utf8'))) {
  await (await fetch(url, { method, headers, ...(body === undefined ? {} : { body: Buffer.from(body, 'base64') }) })).arrayBuffer();
}
`,
  'requests.cjs': `const { readFileSync } = require('node:fs');
const { request } = require('node:http');
(async () => {
  for (const { url, method, headers, body } of JSON.parse(readFileSync('requests.json', 'utf8'))) {
    await new Promise((resolve, reject) => {
      request(url, { method, headers }, (answer) => answer.on('end', resolve).resume()).on('error', reject).end(body && Buffer.from(body, 'base64'));
    });
  }
})();
`,
};

/** Says at its end what a process has used of the processor, its threads included. */
const tellUsage = `process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  require('node:fs').writeSync(2, '\\nprocessor: ' + (user + system) + '\\n');
});
`;

/** A program that is started anew for each measurement. */
interface Program {
  readonly name: string;
  readonly args: readonly string[];
  readonly wall: number[];
  readonly cpu: number[];
}

async function signInProcess(workshop: Workshop, instance: Instance): Promise<void> {
  const main = path.join(root, 'cli/dist/main.js');
  if (!existsSync(main)) {
    process.stdout.write('the packages are not built, so that no process is measured: npm run build\n');
    return;
  }
  const token = await instance.token();
  const { ca, tsa, log, trustedRoot } = instance.urls;
  const tsaUrl = `${tsa}/api/v1/timestamp`;
  const files = {
    'requests.json': JSON.stringify(await recordRequests(instance, token)),
    'file.txt': 'a file',
    'bare.mjs': '',
    ...requestPrograms,
    'usage.cjs': tellUsage,
    // The function of the reference client's package, with the log that it speaks to by itself: Rekor's first version.
    'theirs.mjs': `import { readFileSync, writeFileSync } from 'node:fs';
import { sign } from ${JSON.stringify(import.meta.resolve('sigstore'))};
const urls = ${JSON.stringify({ fulcioURL: ca, rekorURL: `${log}-v1`, tsaServerURL: tsaUrl })};
const bundle = await sign(readFileSync('file.txt'), { ...urls, identityToken: process.env.SIGSTORE_ID_TOKEN });
writeFileSync('file.txt.theirs.json', JSON.stringify(bundle));
`,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(workshop.path(name), text);
  const urls = ['--ca-url', ca, '--tsa-url', tsaUrl, '--log-url', log, '--trusted-root', trustedRoot];
  const program = (name: string, ...args: readonly string[]): Program => ({ name, args, wall: [], cpu: [] });
  const bare = program('a bare node', 'bare.mjs');
  const byFetch = program('a bare node, the requests by fetch', 'requests.mjs');
  const byHttp = program('a bare node, the requests by node:http', 'requests.cjs');
  const theirs = program('sigstore, not verified', 'theirs.mjs');
  const ours = program('signet sign, bundle verified', main, 'sign', 'file.txt', '--force', ...urls);
  const programs = [bare, byFetch, byHttp, theirs, ours];
  const { NODE_OPTIONS: _options, ...env } = workshop.options().env;
  for (let round = -2; round < processes; round++) {
    for (const { name, args, wall, cpu } of programs) {
      const start = performance.now();
      const { status, stderr } = spawnSync(process.execPath, ['--require', './usage.cjs', ...args], {
        cwd: workshop.directory,
        env: { ...env, SIGSTORE_ID_TOKEN: token } as NodeJS.ProcessEnv,
        encoding: 'utf8',
      });
      const taken = performance.now() - start;
      const used = Number(/^processor: (\d+)$/m.exec(stderr)?.[1]);
      if (status !== 0 || Number.isNaN(used)) throw new Error(`${name}: ${stderr}`);
      if (round < 0) continue;
      wall.push(taken);
      cpu.push(used / 1000);
    }
  }
  line('a whole process, one small file', 'min', 'quartile', 'median', 'CPU min', 'CPU median');
  for (const { name, wall, cpu } of programs) {
    const quartile = wall.toSorted((a, b) => a - b)[Math.floor(wall.length / 4)] ?? 0;
    line(name, ...[Math.min(...wall), quartile, median(wall), Math.min(...cpu), median(cpu)].map(ms));
  }
  for (const other of [byFetch, byHttp, theirs]) {
    const ratio = (pick: (values: readonly number[]) => number, what: 'wall' | 'cpu') =>
      (pick(ours[what]) / pick(other[what])).toFixed(2);
    const least = (values: readonly number[]) => Math.min(...values);
    const columns = [ratio(least, 'wall'), '', ratio(median, 'wall'), ratio(least, 'cpu'), ratio(median, 'cpu')];
    line(`ours to ${other.name}`, ...columns);
  }
}

async function publishTen(workshop: Workshop, instance: Instance): Promise<void> {
  await instance.logIn('alice');
  const trust = await loadTrustMaterial(instance.urls.trustedRoot);
  const token = IdentityToken.parse(await instance.token());
  const env = workshop.options().env;
  let count = 0;
  const release = async (packages: number): Promise<number> => {
    const folder = workshop.path(`release-${++count}`);
    const sources: string[] = [];
    for (let index = 0; index < packages; index++) {
      const source = path.join(folder, String(index));
      await mkdir(source, { recursive: true });
      await writeFile(
        path.join(source, 'package.json'),
        JSON.stringify({ name: `@example/bench-${count}-${index}`, version: '1.0.0' }),
      );
      sources.push(source);
    }
    const start = performance.now();
    await publishPackages(sources, {
      cwd: folder,
      env,
      trust,
      findToken: async () => ({ token, source: 'bench', skipped: [] }),
    });
    const taken = performance.now() - start;
    await rm(folder, { recursive: true });
    return taken;
  };
  const [one, ten]: [number[], number[]] = [[], []];
  await release(1);
  for (let round = 0; round < releases; round++) {
    one.push(await release(1));
    ten.push(await release(10));
  }
  line('a release, published and read back', 'min', '', 'median');
  line('one package', ms(Math.min(...one)), '', ms(median(one)));
  line('ten workspaces', ms(Math.min(...ten)), '', ms(median(ten)));
  line('ratio', (Math.min(...ten) / Math.min(...one)).toFixed(2), '', (median(ten) / median(one)).toFixed(2));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function line(name: string, ...columns: readonly string[]): void {
  process.stdout.write(`${name.padEnd(46)}${columns.map((column) => column.padStart(13)).join('')}\n`);
}
