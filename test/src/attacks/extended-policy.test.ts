import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TamperingProxy } from '../author/tampering-proxy.ts';
import { author } from '../scene/instance.ts';
import { AttackScene } from './attack-scene.ts';

/** A consumer whose only rules are those that the registry's operator publishes. */
describe('a policy that the registry publishes', function () {
  this.timeout(240_000);
  let scene: AttackScene;
  let proxy: TamperingProxy;
  let project: string;
  const copies = () => scene.workshop.path('home', '.cache', 'signet', 'policies');

  before(async () => {
    scene = await AttackScene.open();
    proxy = await TamperingProxy.open(scene.instance.urls.registry);
    project = await scene.copyProject('project');
    const keys = await fetch(`${scene.instance.urls.registry}-/npm/v1/keys`);
    await writeFile(join(project, 'keys.json'), await keys.text());
  });
  after(async () => {
    await proxy?.close();
    await scene?.close();
  });

  beforeEach(async () => {
    proxy.tamper = async (passing) => await passing.forward();
    await rm(copies(), { recursive: true, force: true });
    await operatorSays(scene.instance.policy());
    await extend();
  });

  const operatorSays = (text: string) => writeFile(`${scene.instance.data}/trust-policy.yaml`, text);
  const url = () => proxy.through(`${scene.instance.urls.registry}-/signet/v1/policy`);
  const extend = (more = '') =>
    writeFile(
      join(project, 'trust-policy.yaml'),
      `version: 1
extends: [ { url: ${JSON.stringify(url())}, trustRoot: example${more} } ]
trustRoots:
  example:
    file: ${JSON.stringify(scene.instance.urls.trustedRoot)}
    packages: ['@example/*']
    issuers: [${JSON.stringify(scene.instance.urls.oidc)}]
    registryKeys: ./keys.json
`,
    );
  const verify = (...flags: readonly string[]) =>
    scene.workshop.signet(['verify', 'package-lock.json', ...flags], { cwd: project });
  const expect = async (code: number, said: RegExp, ...flags: readonly string[]) => {
    const result = await verify(...flags);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stdout + result.stderr, said);
  };
  /** As if an hour had passed. */
  async function age(): Promise<void> {
    for (const name of await readdir(copies())) {
      const path = join(copies(), name);
      await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), fetched: 0 }));
    }
  }

  it('holds for who extends it, and is asked for once an hour', async () => {
    await expect(0, /✔ @example\/greeting@1\.0\.0 .*\n.*rule example\/example-is-signed/);
    const asked = proxy.seen.length;
    await expect(0, /✔/);
    assert.equal(proxy.seen.length, asked);
    await operatorSays(scene.instance.policy('bob@example.com'));
    await age();
    await expect(10, /TP111 .*rule example\/example-is-signed/, '--no-cache');
    assert.equal(proxy.seen.length, asked + 1);
  });

  it('counts only as the registry signed it', async () => {
    proxy.tamper = async (passing) => {
      const answer = await passing.forward();
      const bundle = JSON.parse(answer.body.toString('utf8'));
      const statement = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString('utf8');
      bundle.dsseEnvelope.payload = Buffer.from(statement.replaceAll(author, 'mallory@evil.ex')).toString('base64');
      return { ...answer, body: Buffer.from(JSON.stringify(bundle)) };
    };
    await expect(11, /ERR_/);
    proxy.tamper = async () => ({ status: 200, headers: {}, body: Buffer.from('{}') });
    const { code } = await verify();
    assert.notEqual(code, 0);
    // Evidence is a bundle of a trusted signer, too, and no policy.
    proxy.tamper = async (passing) => {
      const evidence = `${scene.instance.urls.registry}-/npm/v1/attestations/@example%2fgreeting@1.0.0`;
      const { attestations } = (await (await fetch(evidence)).json()) as { attestations: { bundle: object }[] };
      const answer = await passing.forward();
      return { ...answer, body: Buffer.from(JSON.stringify(attestations[0]?.bundle)) };
    };
    await expect(2, /not signed by who may/);
  });

  it('is used as it was last, where it cannot be had, until the time that it says', async () => {
    await expect(0, /✔/);
    await age();
    proxy.tamper = async () => ({ status: 410, headers: {}, body: Buffer.from('') });
    await expect(13, /ERR_HTTP_STATUS/);

    proxy.tamper = async (passing) => await passing.forward();
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    await operatorSays(`expires: ${tomorrow}\n${scene.instance.policy()}`);
    await expect(0, /✔/);
    await age();
    proxy.tamper = async () => ({ status: 410, headers: {}, body: Buffer.from('') });
    await expect(0, /cannot be fetched .*the last one is used/);
    await expect(0, /✔/, '--offline');

    proxy.tamper = async (passing) => await passing.forward();
    await operatorSays(`expires: 2026-01-01\n${scene.instance.policy()}`);
    await expect(14, /ERR_TRUST_EXPIRED/);
  });

  it('never goes back to an older one', async () => {
    await operatorSays(`sequence: 7\n${scene.instance.policy()}`);
    await expect(0, /✔/);
    await age();
    for (const older of ['sequence: 6\n', '']) {
      await operatorSays(`${older}${scene.instance.policy('bob@example.com')}`);
      await expect(14, /ERR_TRUST_CHANGED.*\n?.*/);
    }
    await operatorSays(`sequence: 8\n${scene.instance.policy()}`);
    await expect(0, /✔/);
  });

  it('can be pinned to its very text', async () => {
    await extend(`, sha256: '${'0'.repeat(64)}'`);
    await expect(2, /not the policy that extends pins/);
  });

  it('is what made-up packages are judged by, too', async () => {
    const cases = (expected: string) =>
      writeFile(
        join(project, 'trust-policy.test.yaml'),
        `- name: a stranger
  package: '@example/greeting@2.0.0'
  evidence: [ { issuer: ${JSON.stringify(scene.instance.urls.oidc)}, subject: mallory@example.com } ]
  expect: ${expected}
`,
      );
    const test = () => scene.workshop.signet(['policy', 'test'], { cwd: project });
    await cases('[TP111]');
    const passed = await test();
    assert.equal(passed.code, 0, passed.stdout + passed.stderr);
    assert.match(passed.stdout, /✔ a stranger: TP111/);
    await cases('allowed');
    assert.equal((await test()).code, 10);
    await age();
    await operatorSays(scene.instance.policy('mallory@example.com'));
    const other = await test();
    assert.equal(other.code, 0, other.stdout + other.stderr);
    proxy.tamper = async () => ({ status: 200, headers: {}, body: Buffer.from('{}') });
    await age();
    assert.notEqual((await test()).code, 0, 'rules that nobody signed are not tested either');
  });
});
