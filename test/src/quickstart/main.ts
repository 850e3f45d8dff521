/**
 * `npm run quickstart`: Signet's main job from beginning to end with real parts, in a temporary folder on free ports, then
 * four attacks on it. Ends with 0 only when every part is as it should be.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fetchAttestations, publishWithBundle, signAs, swapTarball } from '../scene/attacks.ts';
import { author, Instance, succeed } from '../scene/instance.ts';
import { Workshop } from '../scene/workshop.ts';
import { Narrator } from './narrator.ts';
import { describeCheck, describeVerified, plain, reasonOf } from './words.ts';

const name = '@example/greeting';
const realDependency = 'ms';
const mallory = 'mallory@example.com';

const narrator = new Narrator(process.stdout);
let workshop: Workshop | undefined;
let instance: Instance | undefined;

async function cleanUp(): Promise<void> {
  const [running, folder] = [instance, workshop];
  instance = undefined;
  workshop = undefined;
  await running?.stop();
  await folder?.close();
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    cleanUp().finally(() => process.exit(130));
  });
}

try {
  workshop = await Workshop.open();
  await play(workshop);
  narrator.end('Everything is as it should be.');
} catch (error) {
  narrator.fail(error);
  process.exitCode = 1;
} finally {
  await cleanUp();
}

async function play(shop: Workshop): Promise<void> {
  narrator.title('A private registry that demands signatures');
  narrator.step('signet init && signet up --dev-identity');
  const registry = await Instance.create(shop);
  instance = registry;
  narrator.done(
    `registry, certificate authority, transparency log and timestamp authority at ${registry.urls.registry}`,
  );

  narrator.step('asking npmjs for a real package through the registry');
  const online = await isProxied(registry);
  narrator.done(
    online
      ? `${realDependency} came through`
      : 'npmjs cannot be reached from here: the example goes without dependencies',
  );
  const withoutDependencies = ({ dependencies, ...manifest }: Record<string, unknown>) => manifest;
  const change = (overrides: Record<string, unknown>) => (manifest: Record<string, unknown>) => ({
    ...(online ? manifest : withoutDependencies(manifest)),
    ...overrides,
  });
  const copyPackage = async (folder: string, overrides: Record<string, unknown>) => {
    const copy = await shop.copyExample('greeting', folder, change(overrides));
    if (!online) await writeFile(`${copy}/greeting.js`, "export const greet = (who) => 'Hello, ' + who + '!';\n");
    return copy;
  };

  narrator.title('The author publishes');
  await registry.logIn('alice');
  const greeting = await copyPackage('greeting', {});
  narrator.step('signet publish');
  const published = await succeed(publish(shop, registry, greeting, author, '--json'));
  narrator.done(...describePublish(JSON.parse(published.stdout)));

  narrator.title('The consumer installs');
  const app = await shop.copyExample('app');
  await writeFile(`${app}/trust-policy.yaml`, registry.policy());
  narrator.step('npm install --package-lock-only && signet ci');
  await succeed(shop.npm(['install', '--package-lock-only'], { cwd: app }));
  const installed = await succeed(shop.signet(['ci'], { cwd: app }));
  const verified = installed.stdout
    .split('\n')
    .concat(installed.stderr.split('\n'))
    .find((line) => line.includes(`${name}@1.0.0`));
  narrator.done(describeVerified(verified ?? ''));
  narrator.expect(verified?.includes(author) === true, 'signet ci names the signer of what it installed');
  narrator.step('node main.js');
  const { stdout: greetingText } = await succeed(shop.node(['main.js'], { cwd: app }));
  narrator.expect(greetingText.includes('Hello, world!'), 'the installed package works');
  narrator.done(greetingText.trim());

  narrator.title('Four attacks');
  await attackUnsigned(shop, copyPackage);
  await attackOtherIdentity(shop, registry, copyPackage);
  await attackOtherBundle(shop, registry, copyPackage);
  await attackSwappedTarball(shop, registry);
}

/** An author who has npm credentials but does not sign. */
async function attackUnsigned(shop: Workshop, copyPackage: CopyPackage): Promise<void> {
  narrator.step('npm publish, without a signature');
  const folder = await copyPackage('unsigned', { version: '1.1.0' });
  const result = await shop.npm(['publish'], { cwd: folder });
  narrator.refused(result.code !== 0 && /403/.test(result.stderr), reasonOf(result.stderr));
}

/** Somebody with npm credentials signs with an identity that the policy does not name. */
async function attackOtherIdentity(shop: Workshop, registry: Instance, copyPackage: CopyPackage): Promise<void> {
  narrator.step('signet publish, signed by mallory@example.com');
  const folder = await copyPackage('mallory', { version: '1.1.0' });
  const result = await publish(shop, registry, folder, mallory);
  const words = `${result.stdout}${result.stderr}`;
  narrator.refused(result.code !== 0 && words.includes(mallory), reasonOf(words));

  narrator.step('the same by a client of hers that does not ask first');
  const { manifest, tarball } = await pack(shop, folder);
  const bundle = await signAs(registry, mallory, manifest, tarball);
  const { status, error } = await publishWithBundle(registry, await npmTokenOf(shop), manifest, tarball, bundle);
  narrator.refused(status === 422 && error.includes(mallory), plain(`${status}: ${error}`));
}

/** The genuine bundle of one package is sent along with another. */
async function attackOtherBundle(shop: Workshop, registry: Instance, copyPackage: CopyPackage): Promise<void> {
  narrator.step(`publishing @example/other with the bundle of ${name}`);
  const { manifest, tarball } = await pack(shop, await copyPackage('other', { name: '@example/other' }));
  const { attestations } = await fetchAttestations(registry, name, '1.0.0');
  const bundle = attestations[0]?.bundle ?? {};
  const { status, error } = await publishWithBundle(registry, await npmTokenOf(shop), manifest, tarball, bundle);
  narrator.refused(status === 422, plain(`${status}: ${error}`));
}

async function pack(shop: Workshop, folder: string) {
  const packed = await succeed(shop.npm(['pack', '--json', '--pack-destination', shop.directory], { cwd: folder }));
  const tarball = await readFile(shop.path(packedFile(packed.stdout)));
  return { manifest: JSON.parse(await readFile(`${folder}/package.json`, 'utf8')), tarball };
}

async function npmTokenOf(shop: Workshop): Promise<string> {
  const npmrc = await readFile(shop.path('home', '.npmrc'), 'utf8');
  return /_authToken=(.*)/.exec(npmrc)?.[1] ?? '';
}

/** The registry's disk is changed, and a project resolves its lockfile only afterwards: npm alone has no way to tell. */
async function attackSwappedTarball(shop: Workshop, registry: Instance): Promise<void> {
  narrator.step('swapping the tarball and its integrity on the registry’s disk, then npm ci');
  await swapTarball(shop, registry, name, '1.0.0');
  const victim = await shop.copyExample('app', 'victim');
  await writeFile(`${victim}/trust-policy.yaml`, registry.policy());
  const fresh = { npm_config_cache: shop.path('fresh-cache') };
  await succeed(shop.npm(['install', '--package-lock-only'], { cwd: victim, env: fresh }));

  const unprotected = await shop.copyExample('app', 'unprotected');
  await writeFile(`${unprotected}/package-lock.json`, await readFile(`${victim}/package-lock.json`));
  const served = await shop.npm(['ci'], { cwd: unprotected, env: fresh });
  narrator.refused(served.code !== 0 && /403/.test(served.stderr), reasonOf(served.stderr));

  narrator.step('switching the registry’s own check off too (tarballs: off), then npm ci');
  await registry.reconfigure('tarballs: enforce', 'tarballs: off');
  await succeed(shop.npm(['ci'], { cwd: unprotected, env: fresh }));
  const { stdout } = await succeed(shop.node(['main.js'], { cwd: unprotected }));
  narrator.expect(stdout.includes('planted code ran'), 'npm alone installs the planted code');
  narrator.done(`npm alone installs it: "${stdout.trim()}"`);

  narrator.step('signet ci on the same lockfile');
  const result = await shop.signet(['ci'], { cwd: victim, env: fresh });
  const untouched = await readFile(`${victim}/node_modules/${name}/package.json`).then(
    () => false,
    () => true,
  );
  narrator.expect(untouched, 'signet ci unpacked nothing');
  const words = `${result.stdout}${result.stderr}`;
  narrator.refused(result.code !== 0 && words.includes(`${name}@1.0.0`), reasonOf(words));
}

type CopyPackage = (folder: string, overrides: Record<string, unknown>) => Promise<string>;

async function publish(shop: Workshop, registry: Instance, folder: string, email: string, ...flags: readonly string[]) {
  return shop.signet(
    ['publish', folder, '--registry', registry.urls.registry, '--trusted-root', registry.urls.trustedRoot, ...flags],
    {
      env: { SIGSTORE_ID_TOKEN: await registry.token(email) },
    },
  );
}

async function isProxied(registry: Instance): Promise<boolean> {
  try {
    const response = await fetch(`${registry.urls.registry}${realDependency}`, { signal: AbortSignal.timeout(10_000) });
    return response.ok;
  } catch {
    // Whatever stands in the way, the example then goes without.
    return false;
  }
}

interface PublishReport {
  readonly name: string;
  readonly version: string;
  readonly identity: { readonly subject: string };
  readonly timestamps: readonly { readonly time: string }[];
  readonly logEntries: readonly { readonly origin: string; readonly index: string }[];
  readonly checks: readonly string[];
}

function describePublish({
  name,
  version,
  identity,
  timestamps,
  logEntries,
  checks,
}: PublishReport): readonly string[] {
  const [timestamp] = timestamps;
  const [entry] = logEntries;
  const time = timestamp?.time.replace('T', ' ').replace(/(?:\.\d+)?Z$/, ' UTC');
  return [
    `${name}@${version} signed by ${identity.subject} at ${time}, entry ${entry?.index} of the log`,
    `checked: ${checks.map(describeCheck).join('; ')}`,
  ];
}

function packedFile(stdout: string): string {
  const packed = JSON.parse(stdout) as unknown;
  const [first] = Array.isArray(packed) ? packed : Object.values(packed as Record<string, unknown>);
  return (first as { filename: string }).filename;
}
