import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IdentityToken } from '@signet/client/identity';
import { type PublishReport, publishPackage } from '@signet/client/publish';
import { type PackageManager, packageManagers, Workplace } from './support/package-managers.ts';
import { author, bundlesOf, TestRegistry } from './support/registry.ts';
import { SigstoreMirror } from './support/sigstore-mirror.ts';

/** What stock clients see of a package that `signet publish` published. */
describe('a package published by signet', function () {
  this.timeout(180_000);
  let registry: TestRegistry;
  let folder: string;
  let mirror: SigstoreMirror;
  let report: PublishReport;
  let npmrc: Readonly<Record<string, string>>;
  const name = '@example/by-signet';

  before(async () => {
    registry = await TestRegistry.start();
    const { layout } = registry.running.instance;
    const text = await readFile(layout.instanceFile, 'utf8');
    await writeFile(layout.instanceFile, text.replace(/(advertiseEvidence|attestPublish): false/g, '$1: true'));
    await registry.restart();
    folder = await mkdtemp(join(tmpdir(), 'signet-witnesses-'));
    await mkdir(join(folder, 'mirror'));
    mirror = await SigstoreMirror.start(registry.running.urls.tuf, join(folder, 'mirror'));
    const [npm] = packageManagers;
    npmrc = npm?.configure(registry.url, await registry.npmToken('alice')) ?? {};

    const source = join(folder, 'package');
    await mkdir(source);
    await writeFile(join(source, '.npmrc'), npmrc['.npmrc'] ?? '');
    await writeFile(join(source, 'package.json'), JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    await writeFile(join(source, 'index.js'), 'module.exports = 42;\n');
    const token = IdentityToken.parse(await registry.identityToken(author));
    report = await publishPackage({
      source,
      cwd: source,
      env: { PATH: process.env.PATH, HOME: folder },
      trust: await registry.trust(),
      findToken: async () => ({ token, source: 'test', skipped: [] }),
    });
    // The registry's own statement follows.
    for (let attempt = 0; attempt < 400 && (await bundlesOf(registry, `${name}@1.0.0`)) < 2; attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  after(async () => {
    await mirror?.stop();
    await registry?.remove();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  /** A project that depends on the package, in which `manager` works. */
  async function project(test: Mocha.Context, manager: PackageManager | undefined, id: string): Promise<Workplace> {
    assert.ok(manager !== undefined);
    const opened = await Workplace.open(manager, join(folder, id));
    if (typeof opened === 'string') {
      process.stderr.write(`skipped: ${opened}\n`);
      test.skip();
    }
    const manifest = { name: 'consumer', version: '1.0.0', private: true, dependencies: { [name]: '1.0.0' } };
    const configuration = manager.configure(registry.url, await registry.npmToken('alice'));
    await opened.begin({ ...configuration, 'package.json': JSON.stringify(manifest) });
    return opened;
  }

  const managerOf = (wanted: string, version: string) =>
    packageManagers.find((one) => one.name === wanted && one.version === version);

  it('is shown by npm view with its bytes, its registry signature and where its proof is', async function () {
    const work = await project(this, managerOf('npm', '12.2.0'), 'view');
    const { code, output } = await work.run([
      'view',
      `${name}@1.0.0`,
      '--json',
      'name',
      'version',
      'dist',
      'dist-tags',
    ]);
    assert.equal(code, 0, output);
    // npm 12 gives a list, of one version here.
    const [shown] = [JSON.parse(output)].flat();
    assert.equal(shown.version, '1.0.0');
    assert.equal(shown.dist.integrity, report.integrity);
    assert.equal(shown.dist.signatures.length, 1);
    assert.equal(shown.dist.attestations.provenance.predicateType, 'https://slsa.dev/provenance/v1');
    assert.deepEqual(shown['dist-tags'], { latest: '1.0.0' });
  });

  for (const [manager, version] of [
    ['npm', '11.21.2'],
    ['npm', '12.2.0'],
    ['pnpm', '12.21.0'],
  ] as const) {
    it(`is installed by ${manager} ${version} with the bytes that were signed`, async function () {
      const known = managerOf(manager, version);
      const work = await project(this, known, `install-${manager}-${version}`);
      const { code, output } = await work.run(known?.install ?? []);
      assert.equal(code, 0, output);
      assert.equal(await readFile(work.path('node_modules', name, 'index.js'), 'utf8'), 'module.exports = 42;\n');
      const lockfile = await readFile(work.path(known?.lockfile ?? ''), 'utf8');
      assert.ok(lockfile.includes(report.integrity), lockfile);
    });
  }

  it('passes npm audit signatures, attestation and all, with trust led to the instance', async function () {
    const manager = managerOf('npm', '12.2.0');
    const work = await project(this, manager, 'audit');
    assert.equal((await work.run(manager?.install ?? [])).code, 0);
    await SigstoreMirror.seed(join(folder, 'audit', 'npm-cache'), registry.running.urls.tuf);
    const { code, output } = await work.run(['audit', 'signatures'], mirror.env);
    assert.equal(code, 0, output);
    assert.match(output, /1 package has a verified registry signature/);
    assert.match(output, /1 package has a verified attestation/);
  });

  it('passes pnpm audit signatures', async function () {
    const manager = managerOf('pnpm', '12.21.0');
    const work = await project(this, manager, 'pnpm-audit');
    assert.equal((await work.run(manager?.install ?? [])).code, 0);
    const { code, output } = await work.run(['audit', 'signatures']);
    assert.equal(code, 0, output);
    assert.match(output, /1 package has a verified registry signature/);
  });
});
