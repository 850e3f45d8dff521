import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { publishPackage } from '@signet/client/publish';
import { after, afterEach, before, describe, it } from 'mocha';
import { AuthorScene } from './author-scene.ts';
import { type Passing, TamperingProxy } from './tampering-proxy.ts';

const absent = { status: 404, headers: {}, body: Buffer.from('{"error":"not found"}') };
/** What stock Verdaccio says to a second attachment. */
const plainOnly = { status: 400, headers: {}, body: Buffer.from('{"error":"unsupported registry call"}') };

describe('a registry that takes a plain publish alone', () => {
  let scene: AuthorScene;
  let proxy: TamperingProxy;
  let count = 0;
  /** Names of what was attached, of each publish that arrived. */
  let attached: string[][] = [];

  before(async () => {
    scene = await AuthorScene.open();
    proxy = await TamperingProxy.open(scene.registry);
  });
  after(async () => {
    await proxy?.close();
    await scene?.close();
  });
  afterEach(() => {
    attached = [];
    proxy.seen.length = 0;
  });

  function attachmentsOf({ method, body }: Passing): string[] {
    return method === 'PUT' ? Object.keys(JSON.parse(body.toString())._attachments ?? {}) : [];
  }

  /** Stock Verdaccio; beside it on the same origin stands what is not hidden of Signet's. */
  function plain(isHidden: (path: string) => boolean): void {
    proxy.tamper = async (passing) => {
      if (isHidden(passing.path)) return absent;
      const names = attachmentsOf(passing);
      if (names.length > 0) attached.push(names);
      return names.length > 1 ? plainOnly : await passing.forward();
    };
  }

  async function publish() {
    const name = `@example/plain-${++count}`;
    const folder = await scene.package({ name, version: '1.0.0' });
    const npmrc = (await scene.npmrc()).replaceAll(new URL(scene.registry).host, new URL(proxy.origin).host);
    await writeFile(join(folder, '.npmrc'), npmrc);
    return await publishPackage({
      source: folder,
      cwd: folder,
      env: scene.env,
      trust: scene.trust,
      services: scene.services,
      retryFor: 0,
      findToken: async () => ({ token: await scene.token(), source: 'test', skipped: [] }),
    });
  }

  async function evidenceOf(name: string): Promise<number> {
    const answer = await fetch(`${scene.registry}-/npm/v1/attestations/${name.replace('/', '%2f')}@1.0.0`);
    return ((await answer.json()) as { attestations: object[] }).attestations.length;
  }

  const sent = () => proxy.seen.filter((line) => /^PUT |^POST .*bundles$/.test(line)).map((line) => line.split(' ')[0]);

  it('gets the bundle first where it says nothing of itself, but has a place for bundles', async () => {
    plain((path) => path.endsWith('/-/signet/v1/instance') || path.endsWith('/-/npm/v1/keys'));
    const { name } = await publish();
    // The first question is only whether there is a place.
    assert.deepEqual(sent(), ['POST', 'POST', 'PUT']);
    assert.deepEqual(attached, [[`${name}-1.0.0.tgz`]]);
    assert.equal(await evidenceOf(name), 1);
  });

  it('gets the bundle first where it turns out that it takes no second attachment', async () => {
    plain(() => false);
    const { name } = await publish();
    assert.deepEqual(sent(), ['PUT', 'POST', 'PUT']);
    assert.deepEqual(attached.at(-1), [`${name}-1.0.0.tgz`]);
    assert.equal(await evidenceOf(name), 1);
  });

  it('is refused before anything is signed where a bundle would have no place', async () => {
    plain((path) => path.startsWith('/-/signet/') || path.endsWith('/-/npm/v1/keys'));
    const size = await scene.logSize();
    await assert.rejects(publish(), {
      code: 'ERR_PUBLISH_FORBIDDEN',
      message: /no place for the proof.*signet attest/,
    });
    assert.equal(await scene.logSize(), size);
  });
});
