import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { TestRegistry } from './support/registry.ts';

describe('tarballs whose evidence does not hold', () => {
  let registry: TestRegistry;
  let policy: string;

  before(async () => {
    registry = await TestRegistry.start();
    policy = await readFile(registry.running.instance.layout.policyFile, 'utf8');
  });

  after(() => registry.remove());

  const storage = (...parts: string[]) => join(registry.running.instance.layout.registry.storage, ...parts);

  async function publish(name: string, version = '1.0.0') {
    const parcel = await registry.parcel(name, version);
    assert.equal((await registry.put(parcel)).status, 201);
    return parcel;
  }

  /** The path as written: `fetch` would resolve dots and encodings first. */
  function raw(path: string, method = 'GET'): Promise<{ status: number; text: string }> {
    const { hostname, port } = new URL(registry.url);
    return new Promise((resolve, reject) => {
      const asked = request({ hostname, port, path, method }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk) => chunks.push(chunk));
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('latin1') }),
        );
      });
      asked.once('error', reject).end();
    });
  }

  /** Verdicts hold for a while; another process's changes are seen when they are over, or after a restart. */
  async function judgeAnew() {
    await registry.restart();
  }

  const variants = (scope: string, name: string, file: string) => [
    `/${scope}/${name}/-/${file}`,
    `/${scope}%2f${name}/-/${file}`,
    `/${scope}%2F${name}/-/${file}`,
    `/%40${scope.slice(1)}/${name}/-/${file}`,
    `/%40${scope.slice(1)}%2f${name}/-/${file}`,
    `/${scope}/${name}/-/${file}/`,
    `/${scope}/${name}/-/${file}?x=1`,
    `/${scope}/${name}/-/${file.replaceAll('.', '%2e')}`,
    `/${scope}/${name}/-/${file.replaceAll('-', '%2d')}`,
    `/${scope}/${name}/%2d/${file}`,
    `//${scope}/${name}/-/${file}`,
    `/./${scope}/${name}/-/${file}`,
    `/x/../${scope}/${name}/-/${file}`,
    `/${scope}/${name}/-/./${file}`,
    `/${scope}/${name}/-//${file}`,
    `/${scope}%252f${name}/-/${file}`,
    `/${scope}/${name}/-/${file.replaceAll('.', '%252e')}`,
    `/${scope}/${name}/-/${file.toUpperCase()}`,
    `/${scope.toUpperCase()}/${name}/-/${file}`,
    `/${scope}/${name.toUpperCase()}/-/${file}`,
    `/${scope}/${name}/-/${scope}/${file}`,
    `/${scope}/${name}/-/${scope}%2f${file}`,
    `/${scope}/${name}/-/..%2f${name}%2f${file}`,
  ];

  it('are served while it holds, at every address that Verdaccio has for them', async () => {
    const { tarball } = await publish('@example/held');
    const [plain = ''] = variants('@example', 'held', 'held-1.0.0.tgz');
    for (const _ of ['first', 'again']) {
      const answer = await raw(plain);
      assert.equal(answer.status, 200);
      assert.deepEqual(new Uint8Array(Buffer.from(answer.text, 'latin1')), tarball);
    }
    const head = await raw(plain, 'HEAD');
    assert.equal(head.status, 200);
  });

  it('are refused when their signer is no longer one of the policy’s, at whatever address', async () => {
    await publish('@example/former');
    const addresses = variants('@example', 'former', 'former-1.0.0.tgz');
    const served = [];
    for (const path of addresses) if ((await raw(path)).status === 200) served.push(path);
    assert.ok(served.length >= 6, served.join('\n'));
    const { policyFile } = registry.running.instance.layout;
    await writeFile(policyFile, policy.replace('alice@example.com', 'carol@example.com'));
    await new Promise((resolve) => setTimeout(resolve, 1100));
    for (const path of addresses) {
      for (const method of ['GET', 'HEAD']) {
        const { status } = await raw(path, method);
        assert.ok(served.includes(path) ? status === 403 : status >= 400, `${method} ${path}: ${status}`);
      }
    }
    const { text } = await raw(addresses[0] ?? '');
    assert.match(
      JSON.parse(text).error,
      /^The evidence for @example\/former@1\.0\.0 is not sufficient: wrong publisher/,
    );
    await writeFile(policyFile, policy);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    assert.equal((await raw(addresses[0] ?? '')).status, 200, 'it counts again as soon as the policy says so');
  });

  it('are refused when it is gone from the storage', async () => {
    await publish('@example/bare');
    const folder = storage('@example', 'bare');
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    for (const file of await readdir(folder)) {
      if (!file.endsWith('.sigstore.json')) continue;
      await rm(join(folder, file));
      delete manifest._attachments[file];
    }
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
    await judgeAnew();
    const { status, text } = await raw('/@example/bare/-/bare-1.0.0.tgz');
    assert.equal(status, 403);
    assert.match(JSON.parse(text).error, /^@example\/bare@1\.0\.0 comes without signed evidence/);
  });

  it('are refused when they are not the bytes that were published', async () => {
    await publish('@example/replaced');
    await writeFile(storage('@example', 'replaced', 'replaced-1.0.0.tgz'), 'other bytes');
    await judgeAnew();
    const { status, text } = await raw('/@example/replaced/-/replaced-1.0.0.tgz');
    assert.equal(status, 403);
    assert.match(text, /the stored tarball is not the one that was published/);
  });

  it('are refused when the version was exchanged together with its bytes', async () => {
    await publish('@example/swapped', '1.0.0');
    const { tarball } = await publish('@example/swapped', '2.0.0');
    const folder = storage('@example', 'swapped');
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    manifest.versions['1.0.0'].dist.integrity = manifest.versions['2.0.0'].dist.integrity;
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
    await writeFile(join(folder, 'swapped-1.0.0.tgz'), tarball);
    await judgeAnew();
    const { status, text } = await raw('/@example/swapped/-/swapped-1.0.0.tgz');
    assert.equal(status, 403);
    assert.match(text, /about other bytes/);
    assert.equal((await raw('/@example/swapped/-/swapped-2.0.0.tgz')).status, 200);
  });

  it('are not to be had by a file that belongs to no version', async () => {
    await publish('@example/stray');
    await writeFile(storage('@example', 'stray', 'stray-9.9.9.tgz'), 'x');
    await writeFile(storage('@example', 'stray', 'anything'), 'x');
    for (const file of ['stray-9.9.9.tgz', 'anything', 'package.json']) {
      assert.ok((await raw(`/@example/stray/-/${file}`)).status >= 400, file);
    }
  });

  it('are served again as soon as they are published anew', async () => {
    const path = '/@example/anew/-/anew-1.0.0.tgz';
    assert.equal((await raw(path)).status, 404);
    await publish('@example/anew');
    assert.equal((await raw(path)).status, 200);
  });
});
