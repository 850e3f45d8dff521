import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Answer, TamperingProxy } from '../author/tampering-proxy.ts';
import { author, succeed } from '../scene/instance.ts';
import { AttackScene, victim } from './attack-scene.ts';

/**
 * A registry that, once a project has been installed from it, answers as it did before: with its real answers of an hour ago, all of
 * them signed and true at their time.
 */
describe('attack: a registry that is rolled back after an installation', function () {
  this.timeout(240_000);
  let scene: AttackScene;
  let proxy: TamperingProxy;
  let project: string;
  const earlier = new Map<string, Answer>();
  let record: string[] = [];

  const file = (...names: readonly string[]) => join(project, ...names);
  const home = (...names: readonly string[]) => scene.workshop.path('home', '.cache', 'signet', ...names);
  const signet = (...args: readonly string[]) => scene.workshop.signet(args, { cwd: project });
  const ci = (...args: readonly string[]) =>
    scene.workshop.signet(['ci', ...args], { cwd: project, env: { npm_config_fetch_retries: '0' } });
  const installed = async () =>
    JSON.parse(await readFile(file('node_modules', victim, 'package.json'), 'utf8')).version;
  const operatorSays = (sequence: number) =>
    writeFile(`${scene.instance.data}/trust-policy.yaml`, `sequence: ${sequence}\n${scene.instance.policy()}`);

  function honest(): void {
    proxy.tamper = async (passing) => await passing.forward();
  }

  function rolledBack(...except: readonly RegExp[]): void {
    record = [];
    proxy.tamper = async (passing) => {
      if (except.some((pattern) => pattern.test(passing.path))) return await passing.forward();
      record.push(passing.path);
      return (
        earlier.get(`${passing.method} ${passing.path}`) ?? {
          status: 404,
          headers: { 'content-type': 'application/json' },
          body: Buffer.from('{"error":"not found"}'),
        }
      );
    };
  }

  /** As if an hour had passed. */
  async function age(): Promise<void> {
    for (const [folder, member, long] of [
      ['policies', 'fetched', 0],
      ['trust', 'refreshed', '2026-01-01T00:00:00Z'],
    ] as const) {
      for (const name of await readdir(home(folder))) {
        const copy = JSON.parse(await readFile(home(folder, name), 'utf8'));
        assert.ok(member in copy, `${folder} has ${Object.keys(copy).join()}`);
        await writeFile(home(folder, name), JSON.stringify({ ...copy, [member]: long }));
      }
    }
  }

  before(async () => {
    scene = await AttackScene.open();
    const { urls, data } = scene.instance;
    proxy = await TamperingProxy.open(urls.registry);
    await operatorSays(1);
    project = await scene.copyProject('project');
    await writeFile(file('.npmrc'), `registry=${proxy.through(urls.registry)}\n`);
    await writeFile(file('keys.json'), await (await fetch(`${urls.registry}-/npm/v1/keys`)).text());
    await copyFile(join(data, 'tuf', 'metadata', '1.root.json'), file('1.root.json'));
    await writeFile(
      file('trust-policy.yaml'),
      `version: 1
extends: [ { url: ${JSON.stringify(proxy.through(`${urls.registry}-/signet/v1/policy`))}, trustRoot: example } ]
trustRoots:
  example:
    tuf: { url: ${JSON.stringify(proxy.through(`${urls.registry}-/signet/tuf`))}, root: ./1.root.json }
    packages: ['@example/*']
    issuers: [${JSON.stringify(urls.oidc)}]
    registryKeys: ./keys.json
defaults:
  tofu: { onChange: error }
  downgrade: error
`,
    );
    proxy.tamper = async (passing) => {
      const answer = await passing.forward();
      earlier.set(`${passing.method} ${passing.path}`, answer);
      return answer;
    };
    await succeed(scene.workshop.npm(['install', '--package-lock-only'], { cwd: project }));
    await succeed(ci());
    assert.equal(await installed(), '1.0.0');

    honest();
    await succeed(scene.publish(await scene.copyPackage('newer', { version: '1.1.0' }), author));
    await operatorSays(2);
    const key = ['--key', join(data, 'keys', 'tuf-root.key')];
    await succeed(scene.workshop.signet(['tuf', 'propose', '--data', data]));
    await succeed(scene.workshop.signet(['tuf', 'sign', '--data', data, ...key]));
    await succeed(scene.workshop.signet(['tuf', 'publish', '--data', data]));
    await age();
    await succeed(scene.workshop.npm(['update', '--package-lock-only'], { cwd: project }));
    await succeed(ci());
    assert.equal(await installed(), '1.1.0');
  });
  after(async () => {
    await proxy?.close();
    await scene?.close();
  });
  beforeEach(honest);

  it('with an older trust root is refused, and the newer one that is known goes on to count', async () => {
    rolledBack();
    const { code, stderr } = await signet('trust', 'refresh');
    assert.equal(code, 12, stderr);
    assert.match(stderr, /serves a trust root that does not verify.*ERR_TRUST_REPOSITORY/s);
    assert.ok(record.some((path) => path.endsWith('/timestamp.json')));
    const listed = await signet('trust', 'list');
    assert.match(listed.stdout, /root 2/);
    await age();
    const again = await ci('--no-cache');
    assert.equal(again.code, 12, again.stderr);
    assert.equal(await installed(), '1.1.0', 'what is installed stays as it is');
    honest();
    await succeed(ci('--no-cache'));
  });

  it('with an older policy is refused', async () => {
    await age();
    rolledBack(/\/tuf\//);
    const { code, stderr } = await ci();
    assert.equal(code, 14, stderr);
    assert.match(stderr, /gives an older policy than it gave before.*ERR_TRUST_CHANGED/s);
    assert.match(stderr, /sequence 2 or later/);
    assert.equal(await installed(), '1.1.0');
    honest();
    await succeed(ci());
  });

  it('without the evidence that it had is refused, as a package that is less well proven than before', async () => {
    rolledBack(/\/tuf\/|\/policy$/);
    const { code, stderr } = await ci('--no-cache');
    assert.equal(code, 10, stderr);
    assert.match(stderr, /@example\/greeting@1\.1\.0 +TP201 the evidence dropped from provenance to none/);
    assert.ok(record.some((path) => path.includes('/attestations/')));
    assert.equal(await installed(), '1.1.0');
  });

  it('without the package itself has npm fail, and nothing else takes its place', async () => {
    rolledBack(/\/tuf\/|\/policy$/);
    await rm(file('node_modules'), { recursive: true });
    const lock = await readFile(file('package-lock.json'), 'utf8');
    await writeFile(
      file('package-lock.json'),
      lock.replaceAll(new URL(scene.instance.urls.registry).origin, proxy.origin),
    );
    // What was verified yesterday is still known to be so: it is npm that finds that the tarball is gone.
    const result = await scene.workshop.signet(['ci'], {
      cwd: project,
      env: { npm_config_fetch_retries: '0', npm_config_cache: scene.workshop.path('another-npm') },
    });
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /404/);
    assert.ok(record.some((path) => path.endsWith('greeting-1.1.0.tgz')));
    await assert.rejects(installed());
  });
});
