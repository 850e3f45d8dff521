import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPublishDocument, sha512Integrity } from '@signet/client/npm';
import { packTarball } from './support/package.ts';
import { type PackageManager, packageManagers, Workplace } from './support/package-managers.ts';
import { bundlesOf, TestRegistry } from './support/registry.ts';

describe('package managers against a registry that demands evidence', () => {
  let registry: TestRegistry;
  let folder: string;
  let policy: string;

  before(async () => {
    registry = await TestRegistry.start();
    folder = await mkdtemp(join(tmpdir(), 'signet-managers-'));
    policy = await readFile(registry.running.instance.layout.policyFile, 'utf8');
  });

  after(async () => {
    await registry.remove();
    await rm(folder, { recursive: true });
  });

  for (const manager of packageManagers) {
    const title = `${manager.name} ${manager.version}`;
    describe(title, function () {
      this.timeout(180_000);
      const id = title.replace(/[^a-z0-9]/g, '-');
      let work: Workplace;
      let configuration: Readonly<Record<string, string>>;

      before(async function () {
        const opened = await Workplace.open(manager, join(folder, id));
        if (typeof opened === 'string') {
          process.stderr.write(`skipped: ${opened}\n`);
          this.skip();
        }
        work = opened;
        configuration = manager.configure(registry.url, await registry.npmToken('alice'));
      });

      /** A project that is ready to be published, and its tarball. */
      async function project(name: string): Promise<Uint8Array> {
        const manifest = { name, version: '1.0.0', main: 'index.js' };
        const main = 'module.exports = 42;\n';
        const tarball = packTarball(manifest, [{ path: 'package/index.js', text: main }]);
        const files = { 'package.json': JSON.stringify(manifest), 'index.js': main };
        await work.begin({ ...configuration, ...files, ...(manager.pack ? {} : { 'package.tgz': tarball }) });
        if (manager.pack === undefined) return tarball;
        for (const args of [manager.install, manager.pack]) {
          const { code, output } = await work.run(args);
          assert.equal(code, 0, output);
        }
        const packed = new Uint8Array(await readFile(work.path('package.tgz')));
        await rm(work.path('package.tgz'));
        return packed;
      }

      async function announce(name: string, tarball: Uint8Array) {
        const bundle = await registry.sign(name, '1.0.0', tarball);
        const answer = await registry.fetch('/-/signet/v1/bundles', {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${await registry.npmToken('alice')}` },
          body: JSON.stringify(bundle),
        });
        assert.equal(answer.status, 202, answer.text);
      }

      it('is told in full why a publish without evidence is refused', async () => {
        const name = `@example/${id}-bare`;
        await project(name);
        const { code, output } = await work.run(manager.publish);
        assert.notEqual(code, 0, output);
        assert.ok(
          reason(output).includes(`${name}@1.0.0 comes without signed evidence, which this registry demands`),
          output,
        );
        assert.equal((await registry.fetch(`/${name}`)).status, 404);
      });

      it('publishes once the evidence is there, and installs what it published', async () => {
        const name = `@example/${id}`;
        const tarball = await project(name);
        await announce(name, tarball);
        const published = await work.run(manager.publish);
        assert.equal(published.code, 0, published.output);
        assert.equal(await bundlesOf(registry, `${name}@1.0.0`), 1);

        await consumer(name);
        const installed = await work.run(manager.install);
        assert.equal(installed.code, 0, installed.output);
        assert.equal(await readFile(work.path('node_modules', name, 'index.js'), 'utf8'), 'module.exports = 42;\n');
        const lock = await readFile(work.path(manager.lockfile), 'utf8');
        // Yarn 4 hashes its own archive of the package in place of the tarball.
        if (manager.pack === undefined) assert.ok(lock.includes(sha512Integrity(tarball)), lock);

        await consumer(name, [manager.lockfile]);
        const frozen = await work.run(manager.frozen);
        assert.equal(frozen.code, 0, frozen.output);
        assert.equal(await readFile(work.path('node_modules', name, 'index.js'), 'utf8'), 'module.exports = 42;\n');
      });

      it('gets no tarball whose evidence the policy no longer accepts', async () => {
        const name = `@example/${id}-withdrawn`;
        const manifest = { name, version: '1.0.0' };
        const tarball = packTarball(manifest);
        const bundle = await registry.sign(name, '1.0.0', tarball);
        const document = createPublishDocument({ manifest, tarball, registry: registry.url, bundle });
        const put = await registry.put({ name, document: structuredClone(document) as Record<string, unknown> });
        assert.equal(put.status, 201, put.text);
        const { policyFile } = registry.running.instance.layout;
        await writeFile(policyFile, policy.replace('alice@example.com', 'carol@example.com'));
        try {
          await new Promise((resolve) => setTimeout(resolve, 1100));
          await consumer(name);
          const { code, output } = await work.run(manager.install);
          assert.notEqual(code, 0, output);
          assert.match(output, /403/);
          await assert.rejects(readFile(work.path('node_modules', name, 'package.json')), { code: 'ENOENT' });
        } finally {
          await writeFile(policyFile, policy);
          await new Promise((resolve) => setTimeout(resolve, 1100));
        }
      });

      async function consumer(name: string, keep: readonly string[] = []) {
        const manifest = { name: 'consumer', version: '1.0.0', dependencies: { [name]: '1.0.0' } };
        await work.begin({ ...configuration, 'package.json': JSON.stringify(manifest) }, keep);
      }
    });
  }

  /** Some wrap lines or prefix them. */
  function reason(output: string): string {
    return output.replace(/\s*\n\s*(?:│|npm (?:error|ERR!)|➤ \S+:|\|)?\s*/g, ' ');
  }

  it('are all of those in the matrix', () => {
    const expected = ['npm 10', 'npm 11', 'npm 12', 'pnpm 12', 'yarn 1', 'yarn 4', 'bun 1'];
    const tried = packageManagers.map(({ name, version }: PackageManager) => `${name} ${version.split('.')[0]}`);
    assert.deepEqual(tried, expected);
  });
});
