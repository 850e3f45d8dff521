import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PublishOptions, publishPackage, resumePublish } from '@signet/client/publish';
import { fromBase64, parseStatement } from '@signet/primitives/formats';
import { after, afterEach, before, describe, it } from 'mocha';
import { AuthorScene } from './author-scene.ts';
import { TamperingProxy } from './tampering-proxy.ts';

describe('what a registry of one’s own demands or allows', () => {
  let scene: AuthorScene;
  let proxy: TamperingProxy;
  let count = 0;

  before(async () => {
    scene = await AuthorScene.open();
    proxy = await TamperingProxy.open(scene.registry);
  });
  after(async () => {
    await proxy?.close();
    await scene?.close();
  });
  afterEach(() => {
    proxy.tamper = (passing) => passing.forward();
    proxy.seen.length = 0;
  });

  async function optionsFor(more: Partial<PublishOptions> = {}): Promise<PublishOptions> {
    const folder = await scene.package({ name: `@example/demands-${++count}`, version: '1.0.0' });
    const npmrc = (await scene.npmrc()).replaceAll(new URL(scene.registry).host, new URL(proxy.origin).host);
    await writeFile(join(folder, '.npmrc'), npmrc);
    return {
      source: folder,
      cwd: folder,
      env: scene.env,
      trust: scene.trust,
      services: scene.services,
      retryFor: 0,
      findToken: async () => ({ token: await scene.token(), source: 'test', skipped: [] }),
      ...more,
    };
  }

  it('a one-time password is asked for by name, and --resume takes it without signing again', async () => {
    const given: (string | undefined)[] = [];
    proxy.tamper = async (passing) => {
      if (passing.method !== 'PUT') return await passing.forward();
      given.push(passing.headers['npm-otp']);
      if (passing.headers['npm-otp'] === '123456') return await passing.forward();
      const headers = { 'www-authenticate': 'OTP', 'content-type': 'application/json' };
      return { status: 401, headers, body: Buffer.from('{"error":"one-time password required"}') };
    };
    const options = await optionsFor();
    await assert.rejects(publishPackage(options), (error: Error & { code?: string; cause?: { code?: string } }) => {
      assert.match(error.message, /add --otp CODE.*--resume/);
      return error.code === 'ERR_PUBLISH_UNFINISHED' && error.cause?.code === 'ERR_REGISTRY_OTP';
    });
    const size = await scene.logSize();
    assert.equal((await resumePublish({ ...options, otp: '123456' })).version, '1.0.0');
    assert.equal(await scene.logSize(), size);
    const once = await optionsFor({ otp: '123456' });
    await publishPackage(once);
    assert.deepEqual(given, [undefined, '123456', '123456']);
  });

  it('provenance of a private repository and of a runner of one’s own is taken, and says what it is', async () => {
    const claims = { repository_visibility: 'private', runner_environment: 'self-hosted' };
    const token = await scene.jobToken(claims);
    const report = await publishPackage(
      await optionsFor({ findToken: async () => ({ token, source: 'test', skipped: [] }) }),
    );
    const { dsseEnvelope } = report.bundle as { dsseEnvelope: { payload: string } };
    const { predicate } = parseStatement(fromBase64(dsseEnvelope.payload));
    assert.match(JSON.stringify(predicate), /"builder":\{"id":"https:\/\/github\.com\/actions\/runner\/self-hosted"\}/);
  });
});
