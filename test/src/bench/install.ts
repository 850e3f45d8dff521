import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { toPurl } from '@signet/client/npm';
import { signStatement } from '@signet/client/sign';
import { TrustMaterial } from '@signet/client/verify';
import { statementV1 } from '@signet/primitives/formats';
import { create } from 'tar';
import { author, Instance, succeed } from '../scene/instance.ts';
import { Workshop } from '../scene/workshop.ts';

const packageCount = 1200;
const attestedCount = 300;
const filesPerPackage = 12;
const rounds = Number(process.env.SIGNET_BENCH_ROUNDS ?? 5);

/** The built command; another build can be measured by naming its main.js. */
const command =
  process.env.SIGNET_BENCH_COMMAND ?? fileURLToPath(new URL('../../../cli/dist/main.js', import.meta.url));

interface Built {
  readonly name: string;
  readonly tarball: Uint8Array;
  readonly integrity: string;
  bundle?: unknown;
}

/**
 * `signet ci` beside plain `npm ci` on a project of 1,200 packages of which 300 are attested, all from one registry on this machine: with an
 * empty verdict cache, with a full one, and the check alone. Rounds alternate, so that a busy machine is busy for all;
 * the medians are compared.
 */
export async function bench(): Promise<void> {
  if (!existsSync(command)) {
    process.stdout.write('what is measured is what is published; run npm run build first\n');
    return;
  }
  const workshop = await Workshop.open();
  const instance = await Instance.create(workshop);
  try {
    const built = await buildPackages(workshop);
    await attest(instance, built);
    const registry = await serve(built);
    try {
      await measure(workshop, instance, registry.url, built);
    } finally {
      await registry.close();
    }
  } finally {
    await instance.stop();
    await workshop.close();
  }
}

/** Small packages, as most are: little to unpack beside which a check could hide. */
async function buildPackages(workshop: Workshop): Promise<Built[]> {
  const folder = workshop.path('build');
  await mkdir(`${folder}/package`, { recursive: true });
  const built: Built[] = [];
  for (let index = 0; index < packageCount; index++) {
    const name = index < attestedCount ? `@example/p${index}` : `p${index}`;
    await writeFile(`${folder}/package/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'f0.js' }));
    for (let file = 0; file < filesPerPackage; file++) {
      await writeFile(`${folder}/package/f${file}.js`, `export const n${file} = ${index};\n`.repeat(40));
    }
    const file = `${folder}/${index}.tgz`;
    await create({ file, cwd: folder, gzip: true, portable: true }, ['package']);
    const tarball = await readFile(file);
    built.push({ name, tarball, integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}` });
  }
  return built;
}

async function attest(instance: Instance, built: readonly Built[]): Promise<void> {
  const { ca, tsa, log } = instance.urls;
  const trust = TrustMaterial.fromTrustedRoot(await instance.readTrustedRoot());
  const token = await instance.token();
  for (const one of built.slice(0, attestedCount)) {
    const sha512 = Buffer.from(one.integrity.slice('sha512-'.length), 'base64').toString('hex');
    const statement = statementV1({
      subject: [{ name: toPurl(one.name, '1.0.0'), digest: { sha512 } }],
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: { buildDefinition: { buildType: 'urn:signet:bench' }, runDetails: { builder: { id: 'urn:bench' } } },
    });
    const services = { caUrl: ca, tsaUrl: tsa, logUrl: log };
    one.bundle = (await signStatement({ statement, identityToken: token, services, trust })).bundle;
  }
}

/** A registry that costs next to nothing, so that what is measured is npm and Signet. */
async function serve(built: readonly Built[]): Promise<{ url: string; close: () => Promise<void> }> {
  const answers = new Map<string, Uint8Array | string>();
  const documents = new Map<string, readonly unknown[]>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    if (path === '/-/signet/v1/attestations:batch') {
      void bodyOf(request).then(({ packages }) => {
        response.writeHead(200, { 'content-type': 'application/x-ndjson' });
        for (const { name, version } of packages) {
          const attestations = documents.get(name) ?? [];
          response.write(`${JSON.stringify({ purl: toPurl(name, version), integrity: null, attestations })}\n`);
        }
        response.end();
      });
      return;
    }
    const answer = answers.get(path);
    if (answer === undefined) response.writeHead(404).end('{}');
    else response.writeHead(200).end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  for (const { name, tarball, integrity, bundle } of built) {
    const file = `${name}/-/${name.split('/').pop()}-1.0.0.tgz`;
    const shasum = createHash('sha1').update(tarball).digest('hex');
    const manifest = { name, version: '1.0.0', dist: { tarball: `${url}${file}`, integrity, shasum } };
    answers.set(`/${file}`, tarball);
    answers.set(
      `/${name}`,
      JSON.stringify({ name, 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': manifest }, time: {} }),
    );
    if (bundle === undefined) continue;
    const attestations = [{ predicateType: 'https://slsa.dev/provenance/v1', bundle }];
    documents.set(name, attestations);
    answers.set(`/-/npm/v1/attestations/${name}@1.0.0`, JSON.stringify({ attestations }));
  }
  return {
    url,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<{ packages: { name: string; version: string }[] }> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return JSON.parse(Buffer.concat(parts).toString('utf8'));
}

async function measure(workshop: Workshop, instance: Instance, url: string, packages: readonly Built[]): Promise<void> {
  const project = workshop.path('project');
  await mkdir(project);
  const dependencies = Object.fromEntries(packages.map(({ name }) => [name, '1.0.0']));
  await writeFile(
    `${project}/package.json`,
    JSON.stringify({ name: 'bench', version: '1.0.0', private: true, dependencies }),
  );
  await writeFile(
    `${project}/trust-policy.yaml`,
    instance.policy(author).replace('version: 1\n', 'version: 1\nnoMatch: allow\n'),
  );
  await writeFile(workshop.path('home', '.npmrc'), `registry=${url}\n`);
  const options = { cwd: project };
  // As it is published: a user's Node strips no types.
  const built = (args: readonly string[]) => workshop.node([command, ...args], options);
  await succeed(workshop.npm(['install', '--package-lock-only'], options));
  await succeed(workshop.npm(['ci'], options));

  const cache = workshop.path('home', '.cache', 'signet');
  const contenders: Record<string, () => Promise<unknown>> = {
    'npm ci': () => succeed(workshop.npm(['ci'], options)),
    'signet ci, first time': async () => {
      await rm(cache, { recursive: true, force: true });
      return timed(() => succeed(built(['ci'])));
    },
    'signet ci': () => succeed(built(['ci'])),
    'signet verify, first time': async () => {
      await rm(cache, { recursive: true, force: true });
      return timed(() => succeed(built(['verify', 'package-lock.json'])));
    },
    'signet verify': () => succeed(built(['verify', 'package-lock.json'])),
    'node, nothing': () => succeed(workshop.node(['--eval', '0'], options)),
  };
  const times = new Map<string, number[]>(Object.keys(contenders).map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, run] of Object.entries(contenders)) {
      const elapsed = await timed(run);
      if (round >= 0) times.get(name)?.push(elapsed);
    }
  }
  const median = (name: string) => (times.get(name) ?? []).sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0;
  const plain = median('npm ci');
  process.stdout.write(
    `${packageCount} packages, ${attestedCount} attested; median and least of ${rounds} rounds, milliseconds\n`,
  );
  for (const name of Object.keys(contenders)) {
    const share = (milliseconds: number) => `${((100 * milliseconds) / plain).toFixed(1)} %`;
    const more = name.startsWith('signet ci')
      ? `  ${share(median(name) - plain)} more than npm ci`
      : name.startsWith('signet verify')
        ? `  ${share(median(name))} of npm ci`
        : '';
    const least = Math.min(...(times.get(name) ?? []));
    process.stdout.write(
      `${name.padEnd(28)}${median(name).toFixed(0).padStart(8)}${least.toFixed(0).padStart(8)}${more}\n`,
    );
  }
  for (const what of ['first time', 'everything remembered']) {
    if (what === 'first time') await rm(cache, { recursive: true, force: true });
    const { stderr } = await succeed(
      workshop.node(['--import', tellMemory, command, 'verify', 'package-lock.json'], options),
    );
    process.stdout.write(`signet verify, ${what}: ${/most memory: (\d+)/.exec(stderr)?.[1]} MB at most\n`);
  }
  const start = performance.now();
  const audit = await workshop.npm(['audit', 'signatures'], options);
  const took = (performance.now() - start).toFixed(0);
  const said = (audit.stderr || audit.stdout).trim().split('\n')[0];
  process.stdout.write(`npm audit signatures ends with ${audit.code} after ${took} ms: ${said}\n`);
}

/** Says at its end how much memory a process has had resident, its threads included. */
const tellMemory = `data:text/javascript,process.on('exit',()=>process.stderr.write('most memory: '+Math.round(process.resourceUsage().maxRSS/1024)))`;

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  const own = await run();
  return typeof own === 'number' ? own : performance.now() - start;
}
