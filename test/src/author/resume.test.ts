import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PublishOptions, publishPackage, resumePublish } from '@signet/client/publish';
import { SignetError } from '@signet/primitives/formats';
import { after, afterEach, before, describe, it } from 'mocha';
import { AuthorScene } from './author-scene.ts';
import { type Tamper, TamperingProxy } from './tampering-proxy.ts';

/** Where a publish can be hit, by the request that is hit. */
const places: Readonly<Record<string, (method: string, path: string) => boolean>> = {
  'the preflight': (_method, path) => /\/-\/(?:signet\/v1\/instance|whoami)$|\?write=true$/.test(path),
  'the authority’s configuration': (_method, path) => path.endsWith('/api/v2/configuration'),
  'the certificate': (_method, path) => path.endsWith('/api/v2/signingCert'),
  'the timestamp': (_method, path) => path.endsWith('/api/v1/timestamp'),
  'the log entry': (_method, path) => path.endsWith('/api/v2/log/entries'),
  'the upload': (method) => method === 'PUT',
  'the reading back': (_method, path) => path.includes('/-/npm/v1/attestations/'),
};

/** How it is hit. */
const blows: Readonly<Record<string, Tamper>> = {
  'silence until time is up': async () => undefined,
  'a reset before it arrives': async (_passing, response) => void response.destroy(),
  'a reset after it was done, so that the answer is lost': async (passing, response) => {
    await passing.forward();
    response.destroy();
    return undefined;
  },
  'status 409': async () => ({ status: 409, headers: {}, body: Buffer.from('{"message":"conflict"}') }),
  'status 429': async () => ({ status: 429, headers: {}, body: Buffer.from('{"message":"slow down"}') }),
  'status 500': async () => ({ status: 500, headers: {}, body: Buffer.from('{"message":"oops"}') }),
  'status 502 from a proxy': async () => ({
    status: 502,
    headers: { 'content-type': 'text/html' },
    body: Buffer.from('<html>bad gateway</html>'),
  }),
  'an answer that is cut off': async (passing) => {
    const answer = await passing.forward();
    return { ...answer, body: answer.body.subarray(0, answer.body.length >> 1) };
  },
};

describe('a publish that is interrupted', () => {
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

  /** A new package whose registry and services are behind the proxy. */
  async function setUp(
    patience?: number,
  ): Promise<{ name: string; options: PublishOptions; identities: () => number }> {
    const name = `@example/resumed-${++count}`;
    const folder = await scene.package({ name, version: '1.0.0' });
    await writeFile(
      join(folder, '.npmrc'),
      (await scene.npmrc()).replaceAll(new URL(scene.registry).host, new URL(proxy.origin).host),
    );
    const { caUrl, tsaUrls, logUrls } = scene.services;
    let asked = 0;
    const options: PublishOptions = {
      source: folder,
      cwd: folder,
      env: { ...scene.env, ...(patience === undefined ? {} : { npm_config_fetch_timeout: String(patience) }) },
      http: patience === undefined ? {} : { timeout: patience },
      trust: scene.trust,
      retryFor: 0,
      services: {
        caUrl: proxy.through(caUrl),
        tsaUrls: tsaUrls.map((url) => proxy.through(url)),
        logUrls: logUrls.map((url) => proxy.through(url)),
      },
      findToken: async () => {
        asked++;
        return { token: await scene.token(), source: 'test', skipped: [] };
      },
    };
    return { name, options, identities: () => asked };
  }

  const strike =
    (place: (method: string, path: string) => boolean, blow: Tamper): Tamper =>
    async (passing, response) =>
      place(passing.method, passing.path) ? await blow(passing, response) : await passing.forward();

  async function publishedVersions(name: string): Promise<string[]> {
    const response = await fetch(`${scene.registry}${name.replace('/', '%2f')}`);
    const { versions = {} } = (await response.json()) as { versions?: object };
    return Object.keys(versions);
  }

  for (const [placeName, place] of Object.entries(places)) {
    for (const [blowName, blow] of Object.entries(blows)) {
      it(`at ${placeName} by ${blowName} ends in one version and one log entry`, async () => {
        const patience = blowName.startsWith('silence') ? 1500 : undefined;
        const { name, options, identities } = await setUp(patience);
        const size = await scene.logSize();
        proxy.tamper = strike(place, blow);
        const failure = await publishPackage(options).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        proxy.tamper = (passing) => passing.forward();
        if (failure !== undefined) {
          assert.ok(failure instanceof SignetError, String(failure));
          // Before the signature there is nothing to take up, nor after a refusal that a repetition does not change; else never
          // a second certificate.
          const kept = existsSync(join(options.cwd, '.signet'));
          const refused = placeName === 'the timestamp' && blowName === 'status 409';
          const signed = Object.keys(places).indexOf(placeName) > Object.keys(places).indexOf('the certificate');
          assert.equal(kept, signed && !refused, failure.message);
          assert.equal(/--resume/.test(failure.message), kept, failure.message);
          const before = identities();
          const again = { ...options, env: scene.env, http: {} };
          const report = kept ? await resumePublish(again) : await publishPackage(again);
          assert.equal(report.name, name);
          assert.equal(identities(), kept ? 1 : before + 1);
        }
        assert.deepEqual(await publishedVersions(name), ['1.0.0']);
        assert.equal(await scene.logSize(), size + 1);
        assert.ok(!existsSync(join(options.cwd, '.signet')), 'nothing is left behind');
      });
    }
  }

  it('is not begun a second time', async () => {
    const { options } = await setUp();
    proxy.tamper = strike(places['the upload'] ?? assert.fail, async () => ({
      status: 500,
      headers: {},
      body: Buffer.alloc(0),
    }));
    await assert.rejects(publishPackage(options), {
      code: 'ERR_PUBLISH_UNFINISHED',
      message: /is unfinished: .*status 500.*--resume/,
    });
    proxy.tamper = (passing) => passing.forward();
    await assert.rejects(publishPackage(options), { code: 'ERR_PUBLISH_UNFINISHED', message: /--resume, or delete/ });
    await resumePublish(options);
    await assert.rejects(resumePublish(options), { code: 'ERR_USAGE', message: /no unfinished publish/ });
  });

  it('keeps no secret', async () => {
    const { options } = await setUp();
    proxy.tamper = strike(places['the timestamp'] ?? assert.fail, async () => ({
      status: 500,
      headers: {},
      body: Buffer.alloc(0),
    }));
    const token = await scene.token();
    const findToken = async () => ({ token, source: 'test', skipped: [] });
    await assert.rejects(publishPackage({ ...options, findToken }), { code: 'ERR_PUBLISH_UNFINISHED' });
    const folder = join(options.cwd, '.signet');
    const npmToken = /_authToken=(\S+)/.exec(await scene.npmrc())?.[1] ?? assert.fail();
    for (const file of await readdir(folder)) {
      const text = await readFile(join(folder, file), 'latin1');
      for (const secret of [...token.reveal().split('.').slice(1), npmToken, 'PRIVATE'])
        assert.ok(!text.includes(secret), file);
    }
  });

  it('never goes on with other bytes', async () => {
    const { name, options } = await setUp();
    proxy.tamper = strike(places['the upload'] ?? assert.fail, async () => ({
      status: 500,
      headers: {},
      body: Buffer.alloc(0),
    }));
    await assert.rejects(publishPackage(options), { code: 'ERR_PUBLISH_UNFINISHED' });
    proxy.tamper = (passing) => passing.forward();
    const folder = join(options.cwd, '.signet');
    const tarball = join(folder, (await readdir(folder)).find((file) => file.endsWith('.tgz')) ?? '');
    const bytes = await readFile(tarball);
    const other = Buffer.from(bytes);
    other[20] = (other[20] ?? 0) ^ 1;
    await writeFile(tarball, other);
    await assert.rejects(resumePublish(options), { code: 'ERR_INTEGRITY_MISMATCH' });
    // Nor with a job that names the other bytes as its own.
    await writeFile(tarball, bytes);
    const file = tarball.replace(/tgz$/, 'json');
    const job = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...job, name: '@example/other' }));
    await assert.rejects(resumePublish(options), { code: 'ERR_ATTESTATION_SUBJECT' });
    await writeFile(file, JSON.stringify({ ...job, identity: { ...job.identity, subject: 'mallory@example.com' } }));
    await assert.rejects(resumePublish(options), { code: 'ERR_IDENTITY_MISMATCH' });
    await writeFile(file, JSON.stringify({ ...job, format: 4 }));
    await assert.rejects(resumePublish(options), { code: 'ERR_CONFIGURATION', message: /another version of signet/ });
    assert.deepEqual(await publishedVersions(name), []);
    await writeFile(file, JSON.stringify(job));
    assert.equal((await resumePublish(options)).integrity, job.integrity);
  });

  it('by Ctrl-C can be taken up again', async () => {
    const { name, options } = await setUp();
    const stop = new AbortController();
    proxy.tamper = strike(places['the log entry'] ?? assert.fail, async () => {
      stop.abort(new Error('interrupted by SIGINT'));
      return undefined;
    });
    await assert.rejects(publishPackage({ ...options, signal: stop.signal }), {
      code: 'ERR_PUBLISH_UNFINISHED',
      message: /interrupted/,
    });
    proxy.tamper = (passing) => passing.forward();
    assert.equal((await resumePublish(options)).name, name);
  });

  it('by an outage waits for its end within the time given', async () => {
    const { name, options } = await setUp();
    let failures = 3;
    proxy.tamper = strike(
      (method, path) => (path.endsWith('/api/v2/log/entries') || method === 'PUT') && failures-- > 0,
      async () => ({ status: 503, headers: {}, body: Buffer.alloc(0) }),
    );
    assert.equal((await publishPackage({ ...options, retryFor: 30_000 })).name, name);
  });
});
