import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import npm from '@npmcli/config/lib/definitions/index.js';
import { after, before, describe, it } from 'mocha';
import { type Finished, run, signetCommand } from '../scene/processes.ts';
import { AuthorScene } from './author-scene.ts';
import { NpmRegistryDouble } from './npm-registry-double.ts';
import { PublicGoodDouble } from './public-good-double.ts';

/** npm's registry, wherever npm says that is. */
const npmjs = String(npm.definitions.registry?.default);

describe('publishing to npm’s registry with Sigstore’s public good instance', function () {
  this.timeout(180_000);
  let scene: AuthorScene;
  let registry: NpmRegistryDouble;
  let double: PublicGoodDouble;
  /** The same registry at an address of its own. */
  let other: Server;
  let trustedRoot: string;
  let count = 0;

  before(async () => {
    scene = await AuthorScene.open();
    registry = new NpmRegistryDouble(await scene.readTrustedRoot());
    const folder = await mkdtemp(join(scene.directory, 'outside-'));
    double = await PublicGoodDouble.start(scene, { [new URL(npmjs).host]: registry.handle }, folder);
    trustedRoot = join(folder, 'trusted_root.json');
    await writeFile(trustedRoot, await PublicGoodDouble.trustedRoot(scene));
    other = createServer(registry.handle).listen(0, '127.0.0.1');
    await once(other, 'listening');
  });
  after(async () => {
    other?.closeAllConnections();
    other?.close();
    await double?.stop();
    await scene?.close();
  });

  const fresh = () => ({
    name: `@example/on-npm-${++count}`,
    version: '1.0.0',
    repository: { type: 'git', url: 'git+https://github.com/example/widgets.git' },
    publishConfig: { access: 'public' },
  });

  async function publish(
    manifest: Readonly<Record<string, unknown>>,
    given: {
      readonly claims?: Record<string, unknown>;
      readonly root?: string;
      readonly args?: readonly string[];
      readonly registry?: string;
    } = {},
  ): Promise<Finished & { readonly folder: string; readonly logged: number }> {
    const { claims = {}, root = trustedRoot, args = [], registry: url = npmjs } = given;
    const folder = await scene.package(manifest);
    const { host } = new URL(url);
    const configured = url === npmjs ? '' : `registry=${url}\n`;
    await writeFile(join(folder, '.npmrc'), `${configured}//${host}/:_authToken=npm-token-of-alice\n`);
    const token = await scene.jobToken({ repository: 'example/widgets', repository_visibility: 'public', ...claims });
    await writeFile(join(folder, 'token'), token.reveal());
    await writeFile(join(folder, '.npmignore'), 'token\n');
    const before = double.seen.length;
    const [program, words] = signetCommand([
      'publish',
      '--identity-token-file',
      'token',
      '--trusted-root',
      root,
      '--retry-for',
      '1s',
      ...args,
    ]);
    const finished = await run(program, words, { cwd: folder, env: { ...scene.env, ...double.env } });
    const logged = double.seen.slice(before).filter((line) => line === 'POST rekor.sigstore.dev/api/v1/log/entries');
    return { ...finished, folder, logged: logged.length };
  }

  it('sends version and provenance in one request that the registry accepts, by npm’s own library', async () => {
    const manifest = fresh();
    const { code, stdout, stderr, logged } = await publish(manifest);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `+ ${manifest.name}@1.0.0\n`);
    assert.deepEqual(registry.versionsOf(manifest.name), ['1.0.0']);
    assert.equal(logged, 1);
    const document = registry.documents.at(-1);
    assert.deepEqual(Object.keys(document?._attachments ?? {}), [
      `${manifest.name}-1.0.0.tgz`,
      `${manifest.name}-1.0.0.sigstore`,
    ]);
    assert.equal(document?.access, 'public');
    assert.equal(registry.commands.at(-1), 'publish');
    // npm's library asked for the trust root of its own, to verify what it sends.
    assert.ok(double.seen.includes('GET tuf-repo-cdn.sigstore.dev/timestamp.json'));
  });

  it('does the same for a registry at another address that behaves so', async () => {
    const manifest = fresh();
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
    // Whether the name of a package becomes public is not for this registry to decide.
    const unnamed = await publish(manifest, { registry: url });
    assert.equal(unnamed.code, 2, unnamed.stderr);
    assert.match(unnamed.stderr, /name the services with --signing-config/);
    assert.equal(unnamed.logged, 0);
    const service = (address: string) => ({
      url: address,
      majorApiVersion: 1,
      operator: 'sigstore.dev',
      validFor: { start: '2020-01-01T00:00:00Z' },
    });
    const config = {
      mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
      caUrls: [service('https://fulcio.sigstore.dev')],
      rekorTlogUrls: [service('https://rekor.sigstore.dev')],
      rekorTlogConfig: { selector: 'ANY' },
    };
    const file = join(scene.directory, 'public_good.json');
    await writeFile(file, JSON.stringify(config));
    const { code, stderr } = await publish(manifest, {
      registry: url,
      args: ['--tag', 'next', '--signing-config', file],
    });
    assert.equal(code, 0, stderr);
    assert.deepEqual(registry.documents.at(-1)?.['dist-tags'], { next: '1.0.0' });
  });

  it('refuses before anything is logged what the registry would refuse afterwards', async () => {
    const refused = async (expected: RegExp, manifest: object, given: Parameters<typeof publish>[1] = {}) => {
      const { code, stderr, logged, folder } = await publish({ ...fresh(), ...manifest }, given);
      assert.notEqual(code, 0);
      assert.match(stderr, expected);
      assert.equal(logged, 0);
      assert.ok(!(await readdir(folder)).includes('.signet'));
    };
    await refused(/change the job to: runs-on: ubuntu-latest/, {}, { claims: { runner_environment: 'self-hosted' } });
    await refused(/make .* public/, {}, { claims: { repository_visibility: 'private' } });
    await refused(/"url": "git\+https:\/\/github\.com\/example\/widgets\.git"/, { repository: 'example/other' });
    await refused(/"access": "public"/, { publishConfig: {} });
    const privateRoot = join(scene.directory, 'private_root.json');
    await writeFile(privateRoot, await scene.readTrustedRoot());
    const { caUrl, tsaUrls, logUrls } = scene.services;
    const [tsaUrl = '', logUrl = ''] = [...tsaUrls, ...logUrls];
    const args = ['--ca-url', caUrl, '--tsa-url', tsaUrl, '--log-url', logUrl];
    await refused(/public good instance alone/, {}, { root: privateRoot, args });
    await refused(/npm config set @example:registry URL/, {}, { root: privateRoot });
  });

  it('signs nothing for a version that is there', async () => {
    const manifest = fresh();
    assert.equal((await publish(manifest)).code, 0);
    const { code, stderr, logged } = await publish(manifest);
    assert.equal(code, 15, stderr);
    assert.match(stderr, /ERR_VERSION_EXISTS/);
    assert.equal(logged, 0);
  });

  it('keeps the job and finishes it where npm’s library could not verify for want of its trust root', async () => {
    const manifest = fresh();
    double.down.add('tuf-repo-cdn.sigstore.dev');
    const stopped = await publish(manifest);
    double.down.clear();
    assert.equal(stopped.code, 16, stopped.stderr);
    assert.match(stopped.stderr, /trust root of Sigstore's public good instance.*--resume/s);
    assert.deepEqual(registry.versionsOf(manifest.name), []);
    const before = double.seen.length;
    const [program, words] = signetCommand(['publish', '--resume', '--trusted-root', trustedRoot]);
    const finished = await run(program, words, { cwd: stopped.folder, env: { ...scene.env, ...double.env } });
    assert.equal(finished.code, 0, finished.stderr);
    assert.deepEqual(registry.versionsOf(manifest.name), ['1.0.0']);
    const asked = double.seen.slice(before);
    assert.deepEqual(
      asked.filter((line) => /^POST (?:fulcio|rekor)/.test(line)),
      [],
      'neither certificate nor entry is made again',
    );
  });
});
