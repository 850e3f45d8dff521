import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { packTarball } from './support/package.ts';
import { TestRegistry } from './support/registry.ts';
import { ServerProcess } from './support/server-process.ts';

describe('a registry that much is asked of', () => {
  let registry: TestRegistry;
  let server: ServerProcess;

  before(async () => {
    registry = await TestRegistry.start();
    assert.equal((await registry.put(await registry.parcel('@example/known'))).status, 201);
    await registry.npmToken('alice');
    await registry.running.stop();
    server = await ServerProcess.start(registry);
  });

  after(async () => {
    await server?.kill('SIGTERM');
    await registry?.remove();
  });

  it('answers as many batches as it has places for, and the others 503 with a word', async () => {
    const many = Array.from({ length: 999 }, (_, n) => ({ name: `@example/unknown-${n}`, version: '1.0.0' }));
    const body = JSON.stringify({ packages: [...many, { name: '@example/known', version: '1.0.0' }] });
    const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const answer = await fetch(`${registry.url}-/signet/v1/attestations:batch`, request);
        return { status: answer.status, wait: answer.headers.get('retry-after'), text: await answer.text() };
      }),
    );
    const taken = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 503);
    assert.equal(taken.length + refused.length, 100);
    assert.ok(taken.length >= 20 && refused.length > 0, `${taken.length} taken, ${refused.length} refused`);
    for (const { text } of taken) {
      const lines = text.trimEnd().split('\n');
      assert.equal(lines.length, 1000);
      assert.equal(lines.filter((line) => line.includes('"dsseEnvelope"')).length, 1);
    }
    for (const { wait, text } of refused) {
      assert.equal(wait, '1');
      assert.match(text, /too many ask/);
    }
    assert.equal((await registry.fetch('/-/signet/v1/attestations:batch', request)).status, 200);
  });

  it('does not unpack a tarball that becomes far more than it is', async () => {
    const manifest = (name: string) => ({ name, version: '1.0.0', description: 'a test' });
    const zeros = { path: 'package/zeros.bin', text: '\0'.repeat(32 * 1024 * 1024) };
    const bomb = packTarball(manifest('@example/bomb'), [zeros]);
    const refused = await registry.put(
      await registry.parcel('@example/bomb', '1.0.0', { bundle: undefined, tarball: bomb }),
    );
    assert.equal(refused.status, 413, refused.text);
    assert.match(refused.text, /unpacks to more than 16777216 bytes/);
    const noise = { path: 'package/noise.txt', text: randomBytes(512 * 1024).toString('hex') };
    const honest = packTarball(manifest('@example/honest'), [noise, zeros]);
    const judged = await registry.put(
      await registry.parcel('@example/honest', '1.0.0', { bundle: undefined, tarball: honest }),
    );
    assert.equal(judged.status, 403, 'only its evidence is missing');
  });
});
