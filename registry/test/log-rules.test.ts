import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { type RunningInstance, startInstance } from '@signet/registry';

describe('the section log of instance.yaml', () => {
  let directory: string;
  let running: RunningInstance | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-log-rules-'));
  });

  afterEach(async () => {
    await running?.stop();
    running = undefined;
    await rm(directory, { recursive: true, force: true });
  });

  const start = async (): Promise<RunningInstance> => {
    running = await startInstance({ directory, port: 0, names: ['@example/*'], uplink: 'none', devIdentity: true });
    return running;
  };

  it('makes the log private and limits who writes to it', async () => {
    await start();
    await running?.stop();
    await appendFile(
      join(directory, 'instance.yaml'),
      'log:\n  readTokens: ["a-token-of-a-reader"]\n  limits: { address: { perSecond: 0.001, burst: 1 } }\n',
    );
    const { log } = (await start()).urls;
    assert.equal((await fetch(`${log}/checkpoint`)).status, 401);
    const headers = { authorization: 'Bearer a-token-of-a-reader' };
    assert.equal((await fetch(`${log}/checkpoint`, { headers })).status, 200);
    assert.equal((await fetch(`${log}-v1/api/v1/log`)).status, 401);
    const post = async (): Promise<number> =>
      (await fetch(`${log}/api/v2/log/entries`, { method: 'POST', body: '{}' })).status;
    assert.deepEqual([await post(), await post()], [400, 429]);
  });

  it('is refused when it is misspelt', async () => {
    await start();
    await running?.stop();
    running = undefined;
    await appendFile(join(directory, 'instance.yaml'), 'log:\n  readToken: ["a-token-of-a-reader"]\n');
    await assert.rejects(
      start(),
      (error) => error instanceof SignetError && error.code === 'ERR_LOG_CONFIG' && error.message.includes('readToken'),
    );
  });
});
