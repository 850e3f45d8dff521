import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initInstance, type RunningInstance, startInstance } from '@signet/registry';
import { examineInstance } from '@signet/registry/operator';

describe('an instance with time servers', () => {
  let directory: string;
  let running: RunningInstance | undefined;
  let server: Socket;
  let ahead = 0;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-clock-'));
    server = createSocket('udp4');
    server.on('message', (question, from) => {
      const answer = Buffer.alloc(48);
      answer.set([0x24, 2]);
      question.copy(answer, 24, 40, 48);
      for (const at of [32, 40]) answer.writeUInt32BE(Math.floor((Date.now() + ahead) / 1000) + 2_208_988_800, at);
      server.send(answer, from.port, from.address);
    });
    await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  });

  after(async () => {
    await running?.stop();
    server.close();
    await rm(directory, { recursive: true });
  });

  it('gives no timestamps while they say that its clock is off, and doctor says so', async () => {
    const options = { directory: join(directory, 'i'), names: ['@a/*'], devIdentity: true } as const;
    const { layout } = await initInstance({ ...options, uplink: 'none', port: 0 });
    const servers = `time: { servers: ["127.0.0.1:${server.address().port}"], maxDriftMilliseconds: 5000 }\n`;
    await writeFile(layout.instanceFile, (await readFile(layout.instanceFile, 'utf8')) + servers);
    for (const [off, status, level] of [
      [0, 200, 'ok'],
      [3_600_000, 503, 'problem'],
    ] as const) {
      ahead = off;
      running = await startInstance({ ...options, only: ['tsa'] });
      assert.equal((await fetch(`${running.urls.tsa}/healthz`)).status, status);
      assert.match(await (await fetch(`${running.urls.tsa}/metrics`)).text(), /^signet_tsa_clock_drift_seconds \d/m);
      const levels = [];
      for await (const finding of examineInstance(running.instance)) {
        if (finding.check === 'clock') levels.push(finding.level);
      }
      assert.deepEqual(levels, [level]);
      await running.stop();
    }
  }).timeout(30_000);
});
