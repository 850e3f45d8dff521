import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createPublishDocument, sha512Integrity } from '@signet/client/npm';
import { packTarball } from './support/package.ts';
import { UplinkScene, type Version } from './support/uplink-scene.ts';

/** A refusal is thought over again after five seconds. */
const reconsidered = 5100;

describe('an uplink that lies', function () {
  this.timeout(120_000);
  let scene: UplinkScene;
  const evil = packTarball({ name: '@example/x', version: '1.0.0', description: 'evil' });

  before(async () => {
    scene = await UplinkScene.open();
    await scene.serve();
  });

  after(() => scene.close());

  afterEach(() => {
    scene.proxy.tamper = scene.honest;
  });

  /** Other bytes for a tarball, whatever else the uplink says at the time. */
  function exchangeTarball(name: string) {
    const { tamper } = scene.proxy;
    const file = `${name.slice(name.indexOf('/') + 1)}-1.0.0.tgz`;
    scene.proxy.tamper = async (passing) =>
      passing.path.endsWith(file)
        ? { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: Buffer.from(evil) }
        : tamper(passing);
  }

  async function refused(name: string, reason: RegExp, status = 403) {
    const answer = await scene.tarball(name);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.json<{ error: string }>().error, reason);
  }

  it('about bytes is not believed, nothing of them is sent or kept, and the right ones are served later', async () => {
    const { tarball } = await scene.publish('@example/bytes');
    exchangeTarball('@example/bytes');
    await refused('@example/bytes', /the tarball that came from the uplink is not the one of its document/);
    scene.proxy.tamper = scene.honest;
    await new Promise((resolve) => setTimeout(resolve, reconsidered));
    const answer = await scene.tarball('@example/bytes');
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.bytes, tarball);
  });

  it('about bytes is not believed when the good ones vanished from the storage', async () => {
    await scene.publish('@example/vanished');
    assert.equal((await scene.tarball('@example/vanished')).status, 200);
    await rm(join(scene.folder, 'storage', '@example', 'vanished', 'vanished-1.0.0.tgz'));
    exchangeTarball('@example/vanished');
    const statuses = [];
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const { status, bytes } = await scene.tarball('@example/vanished');
      assert.notDeepEqual(bytes, evil);
      statuses.push(status);
    }
    assert.deepEqual(statuses, [503, 403, 403]);
  });

  it('about integrity is not believed: neither signature nor attestation is about those bytes', async () => {
    const integrity = sha512Integrity(evil);
    await scene.publish('@example/integrity');
    scene.lieAbout('@example/integrity', ({ dist }) => Object.assign(dist, { integrity }));
    exchangeTarball('@example/integrity');
    await refused('@example/integrity', /signatures of @example\/integrity@1\.0\.0: .*does not verify/);

    await scene.publish('@example/unsigned');
    scene.lieAbout('@example/unsigned', ({ dist }) => {
      Object.assign(dist, { integrity });
      delete dist.signatures;
    });
    exchangeTarball('@example/unsigned');
    await refused('@example/unsigned', /The evidence for @example\/unsigned@1\.0\.0 does not hold/);
  });

  it('by leaving everything out passes where nothing is demanded, and only there', async () => {
    const integrity = sha512Integrity(evil);
    for (const name of ['@example/stripped', '@example/demanded']) await scene.publish(name);
    const strip = ({ dist }: Version) => {
      Object.assign(dist, { integrity });
      delete dist.signatures;
      delete dist.attestations;
    };
    await scene.setPolicy(
      `  - { id: demanded, match: ['@example/demanded'], require: [{ signature: { by: [author] } }] }\n`,
    );
    await scene.serve();
    scene.lieAbout('@example/stripped', strip);
    exchangeTarball('@example/stripped');
    assert.equal((await scene.tarball('@example/stripped')).status, 200);
    scene.lieAbout('@example/demanded', strip);
    exchangeTarball('@example/demanded');
    await refused('@example/demanded', /The evidence for @example\/demanded@1\.0\.0 does not hold/);
    await scene.setPolicy('');
    await scene.serve(scene.configuration({ uplinks: { mode: 'require', keys: './upstream-keys.json' } }));
    await refused('@example/stripped', /comes without a signature of its registry under a pinned key/);
    await scene.serve();
  });

  it('about keys is not believed: only pinned ones count', async () => {
    await scene.publish('@example/keys');
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const integrity = sha512Integrity(evil);
    const own = await scene.upstream.fetch('/-/npm/v1/keys');
    const [{ keyid = '' } = {}] = own.json<{ keys: { keyid: string }[] }>().keys;
    const sig = sign('sha256', Buffer.from(`@example/keys@1.0.0:${integrity}`), privateKey).toString('base64');
    const key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
    for (const [claimed, reason] of [
      ['SHA256:the-attacker', /signed with a registry key that is not trusted/],
      [keyid, /does not verify/],
    ] as const) {
      const name = claimed === keyid ? '@example/keys' : '@example/other-keys';
      if (name !== '@example/keys') await scene.publish(name);
      scene.lieAbout(name, ({ dist }) => {
        delete dist.attestations;
        Object.assign(dist, { integrity, signatures: [{ keyid: claimed, sig }] });
      });
      exchangeTarball(name);
      const { tamper } = scene.proxy;
      scene.proxy.tamper = async (passing) =>
        passing.path === '/-/npm/v1/keys'
          ? {
              status: 200,
              headers: {},
              body: Buffer.from(JSON.stringify({ keys: [{ keyid: claimed, key, expires: null }] })),
            }
          : tamper(passing);
      await refused(name, reason);
    }
    const { text } = await scene.verdaccio.fetch('/-/npm/v1/keys');
    assert.ok(!text.includes(key) && !text.includes('the-attacker'));
  });

  it('with a key that has ended is not believed about versions after its end', async () => {
    await scene.publish('@example/late');
    scene.lieAbout('@example/late', (_version, document) => {
      (document.time as Record<string, string>)['1.0.0'] = '2999-01-01T00:00:00.000Z';
    });
    const keys = (await scene.upstream.fetch('/-/npm/v1/keys')).json<{ keys: object[] }>();
    const ended = keys.keys.map((key) => ({ ...key, expires: '2998-01-01T00:00:00.000Z' }));
    const { writeFile } = await import('node:fs/promises');
    await writeFile(join(scene.folder, 'ended.json'), JSON.stringify({ keys: ended }));
    await scene.serve(scene.configuration({ uplinks: { keys: './ended.json' } }));
    await refused('@example/late', /signed with a registry key that was not valid/);
    await scene.serve();
  });

  it('about evidence is not believed: none, none left, or that of another version', async () => {
    for (const name of ['@example/none', '@example/empty', '@example/another', '@example/mute'])
      await scene.publish(name);
    const other = await scene.upstream.attestations('@example%2fnone@1.0.0');
    const answers: Record<string, { status: number; text: string }> = {
      none: { status: 404, text: '{}' },
      empty: { status: 200, text: '{"attestations":[]}' },
      another: { status: 200, text: other.text },
      mute: { status: 500, text: 'no' },
    };
    scene.proxy.tamper = async (passing) => {
      const [, name = ''] = /attestations\/@example%2f(\w+)@/.exec(passing.path) ?? [];
      const answer = answers[name];
      if (answer === undefined) return scene.honest(passing);
      return { status: answer.status, headers: {}, body: Buffer.from(answer.text) };
    };
    const contradiction = /says that there is evidence for @example\/\w+@1\.0\.0, and has none/;
    await refused('@example/none', contradiction);
    await refused('@example/empty', contradiction);
    await refused('@example/another', /The evidence for @example\/another@1\.0\.0 does not hold/);
    await refused('@example/mute', /cannot be had/, 503);
    const scanned = await scene.verdaccio.fetch('/-/npm/v1/attestations/@example%2fempty@1.0.0');
    assert.equal(scanned.status, 404, 'npm would call an empty list verified');
  });

  it('with a flood of evidence is cut off', async () => {
    await scene.publish('@example/flood');
    const body = Buffer.from(`{"attestations":["${'x'.repeat(9 * 1024 * 1024)}"]}`);
    scene.proxy.tamper = async (passing) =>
      passing.path.includes('attestations') ? { status: 200, headers: {}, body } : scene.honest(passing);
    await refused('@example/flood', /has more than \d+ bytes/, 503);
    assert.equal((await scene.verdaccio.fetch('/-/npm/v1/attestations/@example%2fflood@1.0.0')).status, 502);
  });

  it('cannot slip in a name that the registry owns, whatever it has under that name', async () => {
    const manifest = { name: '@own/tool', version: '6.6.6', description: 'not ours' };
    const tarball = packTarball(manifest);
    const { versions } = structuredClone(
      createPublishDocument({ manifest, tarball, registry: `${scene.proxy.origin}/` }),
    ) as unknown as { versions: Record<string, Version> };
    for (const version of Object.values(versions))
      version.dist.tarball = `${scene.proxy.origin}/@own/tool/-/tool-6.6.6.tgz`;
    const document = { name: '@own/tool', 'dist-tags': { latest: '6.6.6' }, versions, time: {} };
    scene.proxy.tamper = async (passing) => {
      const path = decodeURIComponent(passing.path);
      if (path === '/@own/tool') return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(document)) };
      if (path.endsWith('tool-6.6.6.tgz')) return { status: 200, headers: {}, body: Buffer.from(tarball) };
      return scene.honest(passing);
    };
    // Before the name was owned, it was proxied like any other, and is in the storage.
    const { '@own/*': _, ...packages } = scene.configuration().packages as Record<string, unknown>;
    const before = { ...scene.configuration({ names: ['@else/*'], uplinks: 'off' }), packages };
    await scene.serve({ ...before, packages: { '@else/*': { access: '$all' }, ...packages } });
    assert.equal((await scene.tarball('@own/tool', '6.6.6')).status, 200);

    await scene.serve();
    scene.proxy.seen.length = 0;
    const answer = await scene.tarball('@own/tool', '6.6.6');
    assert.equal(answer.status, 403);
    assert.match(answer.text, /@own\/tool belongs to this registry, but 6\.6\.6 was fetched from an uplink/);
    for (const path of ['/@own%2ftool', '/@own%2fnew', '/@own/tool/7.0.0', '/@own%2fnew/-/new-1.0.0.tgz']) {
      await scene.verdaccio.fetch(path);
    }
    assert.equal((await scene.verdaccio.fetch('/@own%2fnew')).status, 404);
    assert.deepEqual(
      scene.proxy.seen.filter((path) => path.includes('own')),
      [],
      'the uplink does not even hear of the name',
    );
  });

  it('is asked in no spelling of an address that leads around the check', async () => {
    await scene.publish('@example/spelled');
    exchangeTarball('@example/spelled');
    await scene.verdaccio.fetch('/@example%2fspelled');
    for (const path of [
      '/@example/spelled/-/spelled-1.0.0.tgz',
      '/@example%2fspelled/-/spelled-1.0.0.tgz',
      '/%40example%2Fspelled/-/spelled-1.0.0.tgz',
      '/@example/spelled/-/spelled-1.0.0.tgz/',
      '/@example/spelled/-/spelled-1%2e0%2e0.tgz',
      '/@example/spelled/-/@example/spelled-1.0.0.tgz',
      '/@example/spelled/-/@example%2fspelled-1.0.0.tgz',
    ]) {
      const { status, bytes } = await scene.verdaccio.fetch(path);
      assert.ok(status >= 400, `${path}: ${status}`);
      assert.notDeepEqual(bytes, evil);
    }
  });
});
