import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type PublishOptions, publishPackage, resumePublish } from '@signet/client/publish';
import { servicesFromSigningConfig } from '@signet/client/sign';
import { loadTrustMaterial } from '@signet/client/trust';
import { parseSigningConfig } from '@signet/primitives/formats';
import { beginRotation, readRotations } from '@signet/registry';
import { after, before, describe, it } from 'mocha';
import { AuthorScene } from './author-scene.ts';

describe('a publish whose log is frozen before it is finished', function () {
  this.timeout(120_000);
  let scene: AuthorScene;
  let count = 0;

  before(async () => {
    scene = await AuthorScene.open();
  });
  after(async () => {
    await scene?.close();
  });

  const shards = () => ['', '/2', '/3', '/4'].map((path) => `${scene.instance.urls.log}${path}`);

  /** Entries of every shard that there is. */
  async function entries(): Promise<number[]> {
    const sizes: number[] = [];
    for (const url of shards()) {
      const answer = await fetch(`${url}/checkpoint`);
      if (answer.status !== 200) break;
      sizes.push(Number((await answer.text()).split('\n')[1]));
    }
    return sizes;
  }

  const total = (sizes: readonly number[]) => sizes.reduce((sum, size) => sum + size, 0);

  /** As `signet log rotate` does. */
  async function rotate(): Promise<void> {
    const { instance } = scene.instance;
    await beginRotation(instance, 'log', { leadSeconds: 0, overlapSeconds: 0 });
    while ((await readRotations(instance)).length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  interface Scripted {
    readonly options: PublishOptions;
    /** Requests to the signing services, `POST …/signingCert`. */
    readonly asked: string[];
  }

  async function setUp(lose?: (url: string) => 'before' | 'after' | undefined): Promise<Scripted> {
    const folder = await scene.package({ name: `@example/frozen-${++count}`, version: '1.0.0' });
    const asked: string[] = [];
    const transport: typeof fetch = async (input, init) => {
      const url = String(input);
      asked.push(`${init?.method ?? 'GET'} ${url}`);
      const lost = init?.method === 'POST' ? lose?.(url) : undefined;
      if (lost === 'before') throw new TypeError('the connection broke');
      const answer = await fetch(input, init);
      await answer.clone().arrayBuffer();
      if (lost === 'after') throw new TypeError('the connection broke');
      return answer;
    };
    const options = {
      source: folder,
      cwd: folder,
      env: scene.env,
      // What a consumer trusts who has just refreshed.
      trust: () => loadTrustMaterial(scene.instance.instance.layout.trust.trustedRoot),
      retryFor: 0,
      findToken: async () => ({ token: await scene.token(), source: 'test', skipped: [] }),
      http: { transport },
    };
    return { options, asked };
  }

  const certificates = (asked: readonly string[]) => asked.filter((line) => line.endsWith('/signingCert')).length;

  it('goes on in the shard that takes entries now, with the same certificate and timestamp', async () => {
    let broken = true;
    const { options, asked } = await setUp((url) => (broken && url.endsWith('/log/entries') ? 'before' : undefined));
    const before = await entries();
    await assert.rejects(publishPackage(options), { code: 'ERR_PUBLISH_UNFINISHED' });
    assert.deepEqual(await entries(), before);
    broken = false;
    await rotate();
    asked.length = 0;
    const report = await resumePublish(options);
    assert.equal(certificates(asked), 0);
    assert.equal(asked.filter((line) => line.endsWith('/timestamp')).length, 0);
    const posts = asked.filter((line) => line.endsWith('/log/entries'));
    assert.deepEqual(
      posts,
      shards()
        .slice(0, 2)
        .map((url) => `POST ${url}/api/v2/log/entries`),
    );
    const after = await entries();
    assert.equal(after[0], before[0]);
    assert.equal(report.logEntries[0]?.log, shards()[1]);
    assert.equal(after[1], Number(report.logEntries[0]?.index) + 1);
  });

  it('keeps the entry that the frozen shard has, and makes no second one', async () => {
    let broken = true;
    const { options, asked } = await setUp((url) => (broken && url.endsWith('/log/entries') ? 'after' : undefined));
    const before = total(await entries());
    await assert.rejects(publishPackage(options), { code: 'ERR_PUBLISH_UNFINISHED' });
    broken = false;
    await rotate();
    const grown = total(await entries());
    assert.ok(grown > before);
    asked.length = 0;
    const report = await resumePublish(options);
    assert.equal(report.logEntries[0]?.log, shards()[1]);
    assert.equal(total(await entries()), grown);
    assert.equal(certificates(asked), 0);
  });

  it('does so too when the shard is frozen between the preflight and the signature', async () => {
    const scripted = await setUp();
    let rotated: Promise<void> | undefined;
    const transport: typeof fetch = async (input, init) => {
      if (String(input).endsWith('/log/entries')) {
        rotated ??= rotate();
        await rotated;
      }
      return await fetch(input, init);
    };
    const report = publishPackage({ ...scripted.options, http: { transport } });
    // The key of the new shard is not in what was trusted when the publish began; nothing is sent there unseen.
    await assert.rejects(report, { code: 'ERR_SERVICES', message: /--resume goes on/ });
    const resumed = await resumePublish(scripted.options);
    assert.equal(resumed.logEntries[0]?.log, shards()[3]);
  });

  it('is finished with a newer signing config where the author named the services', async () => {
    const { layout } = scene.instance.instance;
    const config = async () =>
      servicesFromSigningConfig(parseSigningConfig(await readFile(layout.trust.signingConfig, 'utf8')));
    const { options } = await setUp();
    const services = { ...scene.services, logUrls: [shards()[0] ?? ''] };
    await assert.rejects(publishPackage({ ...options, services }), {
      code: 'ERR_LOG_FROZEN',
      message: /fetch the signing config again.*--resume goes on/s,
    });
    await assert.rejects(resumePublish({ ...options, services }), { code: 'ERR_LOG_FROZEN' });
    const report = await resumePublish({ ...options, services: await config() });
    assert.equal(report.logEntries[0]?.log, shards()[3]);
  });
});
