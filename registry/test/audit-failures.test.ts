import assert from 'node:assert/strict';
import { TestRegistry } from './support/registry.ts';
import { ServerProcess } from './support/server-process.ts';

describe('npm audit at a registry whose uplink cannot be asked', () => {
  let registry: TestRegistry;
  let server: ServerProcess;

  before(async () => {
    registry = await TestRegistry.start({ uplink: 'npmjs' });
    await registry.running.stop();
    // Nobody listens at port 1, so that the question is never answered.
    const proxy = 'http://127.0.0.1:1';
    server = await ServerProcess.start(registry, { env: { https_proxy: proxy, HTTPS_PROXY: proxy } });
  });

  after(async () => {
    await server?.kill('SIGTERM');
    await registry?.remove();
  });

  it('is told so with 502 and a word', async () => {
    for (const place of ['advisories/bulk', 'audits/quick', 'audits']) {
      const answer = await registry.fetch(`/-/npm/v1/security/${place}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"ms":["2.1.3"]}',
      });
      assert.equal(answer.status, 502, answer.text);
      assert.match(String(answer.json().error), /did not answer/);
    }
    assert.ok(server.isRunning);
  });
});
