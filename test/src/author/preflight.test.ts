import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { IdentityToken } from '@signet/client/identity';
import { type PublishOptions, publishPackage } from '@signet/client/publish';
import { after, afterEach, before, describe, it } from 'mocha';
import { AuthorScene, alice } from './author-scene.ts';
import { TamperingProxy } from './tampering-proxy.ts';

describe('before anything is signed, a publish', () => {
  let scene: AuthorScene;
  let proxy: TamperingProxy;
  let count = 0;

  before(async () => {
    scene = await AuthorScene.open();
    proxy = await TamperingProxy.open(scene.registry);
  });
  after(async () => {
    await proxy.close();
    await scene.close();
  });
  afterEach(() => {
    proxy.tamper = (passing) => passing.forward();
    proxy.seen.length = 0;
  });

  async function publish(token: IdentityToken, more: Partial<PublishOptions> & { name?: string } = {}) {
    const { name = `@example/preflight-${++count}`, ...options } = more;
    const folder = await scene.package({ name, version: '1.0.0' });
    const npmrc = (await scene.npmrc()).replaceAll(new URL(scene.registry).host, new URL(proxy.origin).host);
    await writeFile(join(folder, '.npmrc'), npmrc);
    const { caUrl, tsaUrls, logUrls } = scene.services;
    const through = (url: string) => proxy.through(url);
    const services = { caUrl: through(caUrl), tsaUrls: tsaUrls.map(through), logUrls: logUrls.map(through) };
    const size = await scene.logSize();
    try {
      return await publishPackage({
        source: folder,
        cwd: folder,
        env: scene.env,
        trust: scene.trust,
        services,
        retryFor: 0,
        findToken: async () => ({ token, source: 'test', skipped: [] }),
        ...options,
      });
    } catch (error) {
      assert.equal(await scene.logSize(), size, 'the log has not grown');
      assert.ok(!(await readdir(folder)).includes('.signet'), 'there is nothing to resume');
      throw error;
    }
  }

  const certificates = () => proxy.seen.filter((line) => line.endsWith('/signingCert')).length;

  it('asks the registry’s policy, and no certificate for a person whom it does not name', async () => {
    await assert.rejects(publish(await scene.token('mallory@example.com')), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_EVIDENCE_REFUSED');
      assert.match(error.message, /mallory@example\.com.*TP111, rule example-is-signed/);
      assert.match(
        error.message,
        /nothing was signed.*ask its operator for: publishers: \{ NAME: \{ oidc: \{ issuer: "/,
      );
      return true;
    });
    assert.equal(certificates(), 0);
  });

  it('asks it about a job of another repository', async () => {
    const token = await scene.jobToken({ repository: 'mallory/widgets' });
    await assert.rejects(publish(token), { code: 'ERR_EVIDENCE_REFUSED', message: /mallory\/widgets/ });
    assert.equal(certificates(), 0);
  });

  it('lets pass whom it names', async () => {
    assert.equal((await publish(await scene.token())).identity?.subject, alice);
    const job = await scene.jobToken({ repository: 'example/widgets' });
    assert.match((await publish(job)).identity?.subject ?? '', /example\/widgets/);
  });

  it('leaves the decision to the registry where it cannot read its policy, and refuses nonsense', async () => {
    const answer = (change: (bundle: { dsseEnvelope: { payload: string } }) => unknown) => {
      proxy.tamper = async (passing) => {
        const answered = await passing.forward();
        if (!passing.path.endsWith('/-/signet/v1/policy')) return answered;
        return { ...answered, body: Buffer.from(JSON.stringify(change(JSON.parse(answered.body.toString())))) };
      };
    };
    answer(() => ({ policy: 'anything goes' }));
    await assert.rejects(publish(await scene.token()), { code: 'ERR_REGISTRY_RESPONSE', message: /policy/ });
    answer((bundle) => {
      const { dsseEnvelope } = bundle;
      const statement = JSON.parse(Buffer.from(dsseEnvelope.payload, 'base64').toString());
      // A policy that its own statement does not name by digest.
      statement.predicate.policy += '\n# changed\n';
      return {
        ...bundle,
        dsseEnvelope: { ...dsseEnvelope, payload: Buffer.from(JSON.stringify(statement)).toString('base64') },
      };
    });
    await assert.rejects(publish(await scene.token()), { code: 'ERR_REGISTRY_RESPONSE' });
  });
});
