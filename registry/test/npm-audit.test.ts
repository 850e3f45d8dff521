import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fetchClient } from './support/clients.ts';
import { bundlesOf, TestRegistry } from './support/registry.ts';
import { SigstoreMirror } from './support/sigstore-mirror.ts';

const execute = promisify(execFile);

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

// npm 11 does not know envelopes in the form in which Rekor v2 logs them (@sigstore/verify before 4), so it gets to see
// registry signatures alone.
for (const [version, advertiseEvidence] of [
  ['12.2.0', true],
  ['11.21.2', false],
] as const) {
  describe(`npm audit signatures of npm ${version}`, () => {
    let registry: TestRegistry;
    let mirror: SigstoreMirror;
    let home: string;
    let cli: string;

    before(async function () {
      const client = await fetchClient('npm', version);
      if ('missing' in client) {
        process.stderr.write(`skipped: ${client.missing}\n`);
        this.skip();
      }
      cli = join(client.folder, 'bin', 'npm-cli.js');
      registry = await TestRegistry.start();
      const { instanceFile } = registry.running.instance.layout;
      const text = await readFile(instanceFile, 'utf8');
      // With the registry's own attestation beside the author's, npm judges both.
      const settings = text.replace(/(advertiseEvidence|attestPublish): false/g, `$1: ${advertiseEvidence}`);
      await writeFile(instanceFile, settings);
      await registry.restart();
      home = await mkdtemp(join(tmpdir(), 'signet-audit-'));
      mirror = await SigstoreMirror.start(registry.running.urls.tuf, home);
    });

    after(async () => {
      await mirror?.stop();
      await registry?.remove();
      if (home !== undefined) await rm(home, { recursive: true });
    });

    async function npm(...args: string[]): Promise<Finished> {
      const kept = Object.entries(process.env).filter(([name]) => !/^npm_|proxy$/i.test(name));
      const env = {
        ...Object.fromEntries(kept),
        ...mirror.env,
        HOME: home,
        npm_config_userconfig: join(home, '.npmrc'),
        npm_config_cache: join(home, 'cache'),
        npm_config_registry: registry.url,
        npm_config_update_notifier: 'false',
        npm_config_fund: 'false',
      };
      try {
        return { code: 0, ...(await execute(process.execPath, [cli, ...args], { cwd: join(home, 'work'), env })) };
      } catch (error) {
        const { code, stdout, stderr } = error as Finished;
        assert.equal(typeof code, 'number', String(error));
        return { code, stdout, stderr };
      }
    }

    /** A project into which the packages were just installed, with nothing cached but the trust root. */
    async function project(...dependencies: string[]) {
      for (const folder of ['work', 'cache']) await rm(join(home, folder), { recursive: true, force: true });
      await mkdir(join(home, 'work'));
      await SigstoreMirror.seed(join(home, 'cache'), registry.running.urls.tuf);
      const entries = dependencies.map((name) => [name, '1.0.0']);
      const manifest = { name: 'consumer', version: '1.0.0', dependencies: Object.fromEntries(entries) };
      await writeFile(join(home, 'work', 'package.json'), JSON.stringify(manifest));
      const installed = await npm('install', '--no-audit');
      assert.equal(installed.code, 0, installed.stderr);
    }

    async function publish(name: string) {
      const answer = await registry.put(await registry.parcel(name));
      assert.equal(answer.status, 201, answer.text);
      const expected = advertiseEvidence ? 2 : 1;
      for (let attempt = 0; attempt < 200 && (await bundlesOf(registry, `${name}@1.0.0`)) < expected; attempt += 1) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.equal(await bundlesOf(registry, `${name}@1.0.0`), expected);
    }

    async function editStored(name: string, change: (dist: Record<string, unknown>) => void) {
      const file = join(registry.running.instance.layout.registry.storage, ...name.split('/'), 'package.json');
      const manifest = JSON.parse(await readFile(file, 'utf8'));
      change(manifest.versions['1.0.0'].dist);
      await writeFile(file, JSON.stringify(manifest));
    }

    it(`says that signatures${advertiseEvidence ? ' and attestations' : ''} are verified`, async () => {
      await publish('@example/audited');
      await publish('@example/beside');
      await project('@example/audited', '@example/beside');
      const { code, stdout, stderr } = await npm('audit', 'signatures');
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /2 packages have verified registry signatures/);
      assert.equal(/2 packages have verified attestations/.test(stdout), advertiseEvidence);
    });

    it('fails when a byte of the signature or of what it covers is another', async () => {
      await publish('@example/bent');
      await project('@example/bent');
      const damages: readonly ((dist: Record<string, unknown>) => void)[] = [
        (dist) => {
          const [entry] = dist.signatures as { sig: string }[];
          assert.ok(entry);
          const bytes = Buffer.from(entry.sig, 'base64');
          bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
          entry.sig = bytes.toString('base64');
        },
        (dist) => {
          const bytes = Buffer.from(String(dist.integrity).slice('sha512-'.length), 'base64');
          bytes[0] = (bytes[0] ?? 0) ^ 1;
          dist.integrity = `sha512-${bytes.toString('base64')}`;
        },
      ];
      for (const damage of damages) {
        let before: Record<string, unknown> = {};
        await editStored('@example/bent', (dist) => {
          before = structuredClone(dist);
          damage(dist);
        });
        await rm(join(home, 'cache', '_cacache'), { recursive: true });
        const { code, stdout, stderr } = await npm('audit', 'signatures');
        assert.notEqual(code, 0, stdout + stderr);
        assert.match(stdout + stderr, /invalid|tampered/i);
        await editStored('@example/bent', (dist) => Object.assign(dist, before));
      }
    });

    it('fails when a version has no signature', async () => {
      await publish('@example/bare');
      await project('@example/bare');
      await editStored('@example/bare', (dist) => delete dist.signatures);
      await rm(join(home, 'cache', '_cacache'), { recursive: true });
      const { code, stdout, stderr } = await npm('audit', 'signatures');
      assert.notEqual(code, 0);
      assert.match(stdout + stderr, /missing registry signature/);
    });
  });
}
