import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PublishOptions, type PublishReport, publishPackage, resumePublish } from '@signet/client/publish';
import { SignetError } from '@signet/primitives/formats';
import { after, before, describe, it } from 'mocha';
import { Random } from '../fuzz/random.ts';
import { AuthorScene } from './author-scene.ts';
import { type Answer, type Tamper, TamperingProxy } from './tampering-proxy.ts';

const status = (code: number, text = '{"message":"trouble"}'): Answer => ({
  status: code,
  headers: {},
  body: Buffer.from(text),
});

/** What may happen to any request of a publish, before or after the service did what it was asked. */
const blows: readonly Tamper[] = [
  async (_passing, response) => void response.destroy(),
  async (passing, response) => {
    await passing.forward();
    response.destroy();
    return undefined;
  },
  // Silence: the client must end it.
  async () => undefined,
  async (passing) => {
    await passing.forward();
    return undefined;
  },
  async () => status(409),
  async () => status(429),
  async () => status(500),
  async () => status(502, '<html>bad gateway</html>'),
  async (passing) => {
    await passing.forward();
    return status(502, '<html>bad gateway</html>');
  },
  async (passing) => {
    const answer = await passing.forward();
    return { ...answer, body: answer.body.subarray(0, answer.body.length >> 1) };
  },
  async (passing, response) => {
    // The length is announced and the connection ends before.
    const { status: code, headers, body } = await passing.forward();
    response.writeHead(code, { ...headers, 'content-length': String(body.length + 1) }).write(body.subarray(0, 10));
    setTimeout(() => response.destroy(), 20);
    return undefined;
  },
];

describe('a publish through a storm', () => {
  let scene: AuthorScene;
  let proxy: TamperingProxy;

  before(async () => {
    scene = await AuthorScene.open();
    proxy = await TamperingProxy.open(scene.registry);
  });
  after(async () => {
    await proxy.close();
    await scene.close();
  });

  async function packageBehindProxy(name: string): Promise<PublishOptions> {
    const folder = await scene.package({ name, version: '1.0.0' });
    const npmrc = (await scene.npmrc()).replaceAll(new URL(scene.registry).host, new URL(proxy.origin).host);
    await writeFile(join(folder, '.npmrc'), npmrc);
    const { caUrl, tsaUrls, logUrls } = scene.services;
    return {
      source: folder,
      cwd: folder,
      env: { ...scene.env, npm_config_fetch_timeout: '2000' },
      trust: scene.trust,
      http: { timeout: 2000 },
      retryFor: 3000,
      services: {
        caUrl: proxy.through(caUrl),
        tsaUrls: tsaUrls.map((url) => proxy.through(url)),
        logUrls: logUrls.map((url) => proxy.through(url)),
      },
      findToken: async () => ({ token: await scene.token(), source: 'test', skipped: [] }),
    };
  }

  for (const seed of [1, 2, 3]) {
    it(`in which any request may fail in any way ends in one version and one log entry (storm ${seed})`, async function () {
      // A storm takes as long as it takes: each silence is waited out.
      this.timeout(180_000);
      const random = new Random(seed);
      const name = `@example/storm-${seed}`;
      const options = await packageBehindProxy(name);
      const size = await scene.logSize();
      let struck = 0;
      let rounds = 0;
      proxy.tamper = async (passing, response) => {
        // The storm wears off, or it would be an outage without end.
        const blow = rounds < 12 && random.below(100) < 40 ? blows[random.below(blows.length)] : undefined;
        if (blow === undefined) return await passing.forward();
        struck += 1;
        return await blow(passing, response);
      };
      let report: PublishReport | undefined;
      for (; report === undefined; rounds++) {
        const resuming = existsSync(join(options.cwd, '.signet'));
        try {
          report = resuming ? await resumePublish(options) : await publishPackage(options);
        } catch (error) {
          assert.ok(error instanceof SignetError, String(error));
          assert.ok(rounds < 40, `no end after ${rounds} rounds: ${error.message}`);
        }
      }
      proxy.tamper = (passing) => passing.forward();
      assert.ok(struck > 0, 'there was a storm');
      const response = await fetch(`${scene.registry}${name.replace('/', '%2f')}`);
      const { versions } = (await response.json()) as { versions: Record<string, { dist: { integrity: string } }> };
      assert.deepEqual(Object.keys(versions), ['1.0.0']);
      assert.equal(versions['1.0.0']?.dist.integrity, report.integrity);
      assert.equal(await scene.logSize(), size + 1, 'one entry of one attestation');
      assert.ok(!existsSync(join(options.cwd, '.signet')), 'nothing is left behind');
    });
  }

  it('takes the entry that a log has already for success', async () => {
    const options = await packageBehindProxy('@example/duplicate');
    let repeated: Answer | undefined;
    proxy.tamper = async (passing) => {
      const answer = await passing.forward();
      if (!passing.path.endsWith('/api/v2/log/entries')) return answer;
      repeated = { ...(await passing.forward()), status: 409 };
      return repeated;
    };
    const size = await scene.logSize();
    const { logEntries } = await publishPackage(options);
    proxy.tamper = (passing) => passing.forward();
    assert.equal(repeated?.status, 409);
    assert.equal(await scene.logSize(), size + 1);
    assert.equal(logEntries[0]?.index, String(size));
  });
});
