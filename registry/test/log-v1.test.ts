import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TrustMaterial } from '@signet/client/trust';
import { freePort, initInstance, type RunningInstance, type StartOptions, startInstance } from '../src/index.ts';

describe('the Rekor v1 log of an instance', () => {
  let directory: string;
  let options: StartOptions & { port: number };
  let running: RunningInstance | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-log-v1-'));
    options = {
      directory,
      port: await freePort('127.0.0.1'),
      names: ['@example/*'],
      devIdentity: true,
      uplink: 'none',
      only: ['log'],
    };
  });
  afterEach(async () => {
    await running?.stop();
    running = undefined;
    await rm(directory, { recursive: true, force: true });
  });

  const get = (url: string): Promise<Response> => fetch(url, { signal: AbortSignal.timeout(10_000) });

  it('is served with a key that the trusted root names, which stays', async () => {
    running = await startInstance(options);
    const { logV1, instance } = running.urls;
    assert.equal(logV1, `${running.urls.publicUrl}/-/signet/log-v1`);
    const key = await (await get(`${logV1}/api/v1/log/publicKey`)).text();
    const state = (await (await get(`${logV1}/api/v1/log`)).json()) as { signedTreeHead: string; treeID: string };
    assert.ok(state.signedTreeHead.startsWith(`${new URL(running.urls.publicUrl).host} - ${state.treeID}\n0\n`));
    assert.equal(((await (await get(instance)).json()) as { logV1: string }).logV1, logV1);

    const trust = TrustMaterial.fromTrustedRoot(await readFile(running.instance.layout.trust.trustedRoot, 'utf8'));
    const named = trust.transparencyLogs.find(({ baseUrl }) => baseUrl === logV1);
    assert.ok(named !== undefined);
    assert.equal(named.key.keyObject.export({ format: 'pem', type: 'spki' }), key);
    await running.stop();
    running = await startInstance(options);
    assert.equal(await (await get(`${logV1}/api/v1/log/publicKey`)).text(), key);
  });

  it('is absent in an instance that was made before there was one, which goes on as it was', async () => {
    const { layout } = await initInstance(options);
    await rm(layout.keys.logV1);
    const root = JSON.parse(await readFile(layout.trust.trustedRoot, 'utf8'));
    root.tlogs = root.tlogs.slice(0, 1);
    await writeFile(layout.trust.trustedRoot, JSON.stringify(root));
    running = await startInstance(options);
    assert.equal(running.urls.logV1, null);
    assert.equal(((await (await get(running.urls.instance)).json()) as { logV1: null }).logV1, null);
    assert.equal((await get(`${running.urls.publicUrl}/-/signet/log-v1/ping`)).status, 404);
    assert.equal((await get(`${running.urls.log}/checkpoint`)).status, 200);
    await assert.rejects(readFile(layout.keys.logV1), { code: 'ENOENT' }, 'no key is made behind its back');
  });

  it('must not go missing where the trusted root promises it', async () => {
    const { layout } = await initInstance(options);
    await rm(layout.keys.logV1);
    await assert.rejects(startInstance(options), { code: 'ERR_INSTANCE', message: /log-v1\.key is missing/ });
  });
});
