import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { parseRegistryKeys } from '@signet/client/npm';
import { UplinkScene } from './support/uplink-scene.ts';

describe('packages from an uplink', function () {
  this.timeout(120_000);
  let scene: UplinkScene;

  before(async () => {
    scene = await UplinkScene.open();
    await scene.serve();
  });

  after(() => scene.close());

  afterEach(() => {
    scene.proxy.tamper = scene.honest;
  });

  it('are passed on with the signatures and attestations of their registry', async () => {
    const { tarball } = await scene.publish('@example/plain');
    const here = await scene.verdaccio.fetch('/@example%2fplain');
    const there = await scene.upstream.fetch('/@example%2fplain');
    type Document = { versions: Record<string, { dist: Record<string, unknown> }> };
    const [ours, theirs] = [here, there].map((answer) => answer.json<Document>().versions['1.0.0']?.dist);
    assert.deepEqual(ours?.signatures, theirs?.signatures);
    assert.deepEqual(ours?.integrity, theirs?.integrity);
    assert.ok(ours?.attestations);
    const answer = await scene.tarball('@example/plain');
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.bytes, tarball);
    for (const spec of ['@example%2fplain@1.0.0', '@example/plain@1.0.0', '%40example%2Fplain@1.0.0']) {
      const attestations = await scene.verdaccio.fetch(`/-/npm/v1/attestations/${spec}`);
      assert.equal(attestations.status, 200, spec);
      assert.deepEqual(attestations.json(), (await scene.upstream.attestations('@example%2fplain@1.0.0')).json());
    }
  });

  it('are checked by keys that the operator pinned, told to clients beside the registry’s own', async () => {
    type Keys = { keys: { keyid: string; expires: string | null }[] };
    const [theirs] = (await scene.upstream.fetch('/-/npm/v1/keys')).json<Keys>().keys;
    scene.proxy.tamper = async (passing) => {
      const answer = await scene.honest(passing);
      return passing.path.endsWith('/keys') ? { ...answer, body: Buffer.from('{"keys":[]}') } : answer;
    };
    const { keys } = (await scene.verdaccio.fetch('/-/npm/v1/keys')).json<Keys>();
    assert.equal(keys.length, 2);
    assert.equal(keys.filter(({ keyid }) => keyid === theirs?.keyid).length, 1);
  });

  it('are fetched from the uplink once, however many ask at the same time', async () => {
    const { tarball } = await scene.publish('@example/popular');
    await scene.verdaccio.fetch('/@example%2fpopular');
    scene.proxy.seen.length = 0;
    const answers = await Promise.all(Array.from({ length: 20 }, () => scene.tarball('@example/popular')));
    for (const { status, bytes } of answers) {
      assert.equal(status, 200);
      assert.deepEqual(bytes, tarball);
    }
    const asked = (part: string) => scene.proxy.seen.filter((path) => path.includes(part)).length;
    assert.equal(asked('popular-1.0.0.tgz'), 1);
    assert.equal(asked('attestations'), 1);
  });

  it('are fetched although nobody asked for their document before', async () => {
    await scene.publish('@example/direct');
    assert.equal((await scene.tarball('@example/direct')).status, 200);
    assert.equal((await scene.tarball('@example/nowhere')).status, 404);
    assert.equal((await scene.tarball('@example/direct', '9.9.9')).status, 404);
  });

  it('are served with their evidence while the uplink is away, also after a restart', async () => {
    const { tarball } = await scene.publish('@example/kept');
    assert.equal((await scene.tarball('@example/kept')).status, 200);
    scene.proxy.tamper = async () => ({ status: 503, headers: {}, body: Buffer.from('{}') });
    await scene.serve();
    const answer = await scene.tarball('@example/kept');
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.bytes, tarball);
    const attestations = await scene.verdaccio.fetch('/-/npm/v1/attestations/@example%2fkept@1.0.0');
    assert.equal(attestations.status, 200);
    assert.equal((await scene.verdaccio.fetch('/-/npm/v1/attestations/@example%2funseen@1.0.0')).status, 502);
  });

  it('have their evidence in answers about many, once they are known here', async () => {
    await scene.publish('@example/batched');
    await scene.verdaccio.fetch('/@example%2fbatched');
    const packages = ['@example/batched', '@example/unheard', '@own/nothing'].map((name) => ({
      name,
      version: '1.0.0',
    }));
    const { text } = await scene.verdaccio.fetch('/-/signet/v1/attestations:batch', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ packages }),
    });
    type Line = { integrity: string | null; attestations?: unknown[]; error?: string };
    const [batched, unheard, nothing] = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
    assert.match(String(batched?.integrity), /^sha512-/);
    assert.equal(batched?.attestations?.length, 1);
    assert.match(String(unheard?.error), /ask for it by itself/, 'silence would mean that there is none');
    assert.deepEqual(nothing?.attestations, []);
  });

  it('are judged by the rules of the policy that name them', async () => {
    await scene.publish('@example/by-author');
    await scene.publish('@example/by-nobody');
    await scene.publish('@example/unruled');
    const rule = (id: string, by: string) =>
      `  - { id: ${id}, match: ['@example/by-${id}'], require: [{ signature: { by: [${by}] } }] }\n`;
    await scene.setPolicy(rule('author', 'author') + rule('nobody', 'nobody'));
    await scene.serve();
    assert.equal((await scene.tarball('@example/by-author')).status, 200);
    const refused = await scene.tarball('@example/by-nobody');
    assert.equal(refused.status, 403);
    assert.match(refused.text, /@example\/by-nobody@1\.0\.0 is not passed on from its uplink: .*wrong publisher/);
    assert.equal((await scene.tarball('@example/unruled')).status, 200, 'verify: no rule speaks of it');
    await scene.serve(scene.configuration({ uplinks: { mode: 'require', keys: './upstream-keys.json' } }));
    assert.equal((await scene.tarball('@example/by-author')).status, 200);
    const unruled = await scene.tarball('@example/unruled');
    assert.equal(unruled.status, 403, 'require: noMatch decides');
    assert.match(unruled.text, /TP101/);
    await scene.setPolicy('');
    await scene.serve();
  });

  it('are described in the panel by what is proven of them', async () => {
    type Panel = { state: string; title: string; explanation: string; evidence: unknown[] };
    const panel = async (query: string) =>
      (await scene.verdaccio.fetch(`/-/signet/v1/panel?name=${query}`)).json<Panel>();
    for (const name of ['@example/shown', '@example/bare', '@example/bent']) await scene.publish(name);
    await scene.verdaccio.fetch('/@example%2fshown');
    const shown = await panel('@example/shown');
    assert.deepEqual(
      [shown.state, shown.title, shown.evidence.length],
      ['verified', 'From another registry, verified', 1],
    );
    assert.match(shown.explanation, /Its registry signed it/);
    scene.lieAbout('@example/bare', ({ dist }) => {
      delete dist.signatures;
      delete dist.attestations;
    });
    await scene.verdaccio.fetch('/@example%2fbare');
    const bare = await panel('@example/bare&version=1.0.0');
    assert.deepEqual([bare.state, bare.evidence], ['foreign', []]);
    assert.match(bare.explanation, /did not sign it.* no evidence of who made it/);
    scene.lieAbout('@example/bent', ({ dist }) => {
      dist.signatures = [{ keyid: 'SHA256:<b>x', sig: 'eA==' }];
    });
    await scene.verdaccio.fetch('/@example%2fbent');
    const bent = await panel('@example/bent');
    assert.deepEqual([bent.state, bent.title], ['refused', 'Not passed on']);
    assert.match(bent.explanation, /registry key that is not trusted/);
    assert.equal((await panel('@example/unheard')).title, 'Not judged here');
  });

  it('point to this registry where it has a path of its own, and elsewhere as they came', async () => {
    const pointer = async (name: string) => {
      type Document = { versions: Record<string, { dist: { attestations: { url: string; provenance?: object } } }> };
      const document = (await scene.verdaccio.fetch(`/${name.replace('/', '%2f')}`)).json<Document>();
      return document.versions['1.0.0']?.dist.attestations.url;
    };
    await scene.publish('@example/rooted');
    assert.equal(
      await pointer('@example/rooted'),
      `${scene.proxy.origin}/-/npm/v1/attestations/@example%2frooted@1.0.0`,
    );
    await scene.publish('@example/below');
    const publicUrl = 'https://acme.example/npm/';
    const { uplinks } = (scene.configuration().middlewares as { signet: { uplinks: object } }).signet;
    await scene.serve(scene.configuration({ publicUrl, uplinks }));
    assert.equal(await pointer('@example/below'), `${publicUrl}-/npm/v1/attestations/@example%2fbelow@1.0.0`);
    assert.equal((await scene.tarball('@example/below')).status, 200);
    // As npm up to 11.10 asks: the path of the public URL twice, once taken off by the proxy before it.
    const doubled = await scene.verdaccio.fetch('/npm/-/npm/v1/attestations/@example%2fbelow@1.0.0');
    assert.equal(doubled.status, 200);
    await scene.serve();
  });

  it('pass unjudged in mode off, and their registry’s keys are not told', async () => {
    await scene.publish('@example/off');
    scene.lieAbout('@example/off', ({ dist }) => {
      dist.signatures = [{ keyid: 'SHA256:x', sig: 'eA==' }];
    });
    await scene.serve(scene.configuration({ uplinks: 'off' }));
    assert.equal((await scene.tarball('@example/off')).status, 200);
    const { keys } = (await scene.verdaccio.fetch('/-/npm/v1/keys')).json<{ keys: unknown[] }>();
    assert.equal(keys.length, 1);
    await scene.serve();
  });

  it('are never those of owned names: a configuration that would send them there stops the server', async function () {
    this.timeout(240_000);
    const own = scene.configuration();
    const { upstream } = own.uplinks as Record<string, object>;
    const wrong: readonly [Record<string, unknown>, RegExp][] = [
      [
        { ...own, packages: { '**': { access: '$all', proxy: 'upstream' } } },
        /owns @own\/\*, but packages sends it to upstream/,
      ],
      [
        { ...own, packages: { '@own/one': { access: '$all', proxy: 'upstream' }, ...(own.packages as object) } },
        /owns @own\/one/,
      ],
      [{ ...own, uplinks: { upstream: { ...upstream, cache: false } } }, /uplinks\.upstream has cache: false/],
      [scene.configuration({ uplinks: 'sometimes' }), /signet\.uplinks must be one of verify, require, off/],
      [scene.configuration({ uplinks: { mode: 'verify', key: 'x' } }), /unknown key signet\.uplinks\.key/],
      [scene.configuration({ uplinks: { keys: './trust-policy.yaml' } }), /holds no keys of a registry/],
      [
        scene.configuration({ uplinks: { trustedRoot: './keys.json' } }),
        /trusted root of signet\.uplinks cannot be used/,
      ],
      [scene.configuration({ uplinks: { refreshSeconds: 0 } }), /refreshSeconds must be a whole number/],
    ];
    for (const [configuration, problem] of wrong) await assert.rejects(scene.serve(configuration), problem);
    await scene.serve();
  });

  it('have a default key list that is npm’s as Sigstore’s TUF repository distributes it', async () => {
    const seeds = createRequire(createRequire(import.meta.url).resolve('@sigstore/tuf'))('../seeds.json');
    const [repository] = Object.values(seeds as Record<string, { targets: Record<string, string> }>);
    const [, encoded = ''] = Object.entries(repository?.targets ?? {}).find(([name]) => /keys\.json$/.test(name)) ?? [];
    const distributed = JSON.parse(Buffer.from(decodeURIComponent(encoded), 'base64').toString('utf8'));
    const known = parseRegistryKeys(distributed).filter(({ usage }) => usage === 'npm:signatures');
    await scene.serve(scene.configuration({ uplinks: 'verify' }));
    type Key = { keyid: string; key: string; expires: string | null };
    const { keys } = (await scene.verdaccio.fetch('/-/npm/v1/keys')).json<{ keys: Key[] }>();
    assert.deepEqual(
      keys.slice(1).map(({ keyid, key, expires }) => [keyid, key, expires]),
      known.map(({ keyId, publicKey, validFor }) => [
        keyId,
        Buffer.from(publicKey).toString('base64'),
        validFor.end?.toISOString() ?? null,
      ]),
    );
    await scene.serve();
  });
});
