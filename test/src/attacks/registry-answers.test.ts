import assert from 'node:assert/strict';
import { access, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type Passing, TamperingProxy } from '../author/tampering-proxy.ts';
import { author, succeed } from '../scene/instance.ts';
import { AttackScene, victim } from './attack-scene.ts';

/** A registry that lies to the consumer, with real packages, a real npm, and everything else of it honest. */
describe('attack: what a registry answers', function () {
  this.timeout(240_000);
  let scene: AttackScene;
  let proxy: TamperingProxy;
  let project: string;
  let count = 0;

  before(async () => {
    scene = await AttackScene.open();
    await succeed(scene.publish(await scene.copyPackage('newer', { version: '1.1.0' }), author));
    proxy = await TamperingProxy.open(scene.instance.urls.registry);
  });
  after(async () => {
    await proxy?.close();
    await scene?.close();
  });

  beforeEach(async () => {
    proxy.tamper = async (passing) => await passing.forward();
    project = await scene.copyProject(`project-${count++}`);
    await writeFile(file('.npmrc'), `registry=${proxy.through(scene.instance.urls.registry)}\n`);
  });

  const file = (...names: readonly string[]) => join(project, ...names);
  const ci = (...args: readonly string[]) =>
    scene.workshop.signet(['ci', '--no-cache', ...args], {
      cwd: project,
      env: { npm_config_fetch_retries: '0', npm_config_cache: scene.workshop.path(`npm-${count}`) },
    });
  const isEvidence = ({ path }: Passing) => path.includes('/attestations');
  const json = (value: unknown, status = 200): Answer => ({
    status,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  });

  async function assertRefused(code: number, reason: RegExp): Promise<string> {
    const result = await ci();
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, reason);
    await assert.rejects(access(file('node_modules')), 'nothing is unpacked');
    return result.stderr;
  }

  for (const [what, [answer, code, reason]] of Object.entries({
    '404': [json('{}', 404), 10, /TP110/],
    'an empty list': [json({ attestations: [] }), 10, /TP110/],
    '500': [json({ error: 'down' }, 500), 13, /ERR_HTTP_STATUS/],
    'something that is not JSON': [json('<html>'), 13, /ERR_REGISTRY_RESPONSE/],
    'a list of something else': [json({ attestations: [1, {}, { predicateType: 'x', bundle: {} }] }), 11, /TP102/],
  } satisfies Record<string, [Answer, number, RegExp]>)) {
    it(`${what} in the place of evidence is not taken for evidence`, async () => {
      proxy.tamper = async (passing) => (isEvidence(passing) ? answer : await passing.forward());
      await assertRefused(code, reason);
    });
  }

  it('evidence that comes slowly is waited for', async () => {
    proxy.tamper = async (passing) => {
      if (isEvidence(passing)) await sleep(2_000);
      return await passing.forward();
    };
    const { code, stderr } = await ci();
    assert.equal(code, 0, stderr);
  });

  it('evidence that never comes is given up after a while, and nothing is unpacked', async () => {
    proxy.tamper = async (passing) => (isEvidence(passing) ? undefined : await passing.forward());
    const result = await scene.workshop.signet(['ci', '--no-cache'], {
      cwd: project,
      env: { npm_config_fetch_timeout: '500' },
    });
    assert.equal(result.code, 13, result.stderr);
    assert.match(result.stderr, /the registry \(.*attestations.*\) did not answer within 0\.5 s.*ERR_NETWORK_TIMEOUT/);
    await assert.rejects(access(file('node_modules')), 'nothing is unpacked');
  });

  it('evidence that begins and never ends is given up just so', async () => {
    proxy.tamper = async (passing, response) => {
      if (!isEvidence(passing)) return await passing.forward();
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"attestations":[');
      return undefined;
    };
    const result = await scene.workshop.signet(['ci', '--no-cache'], {
      cwd: project,
      env: { npm_config_fetch_timeout: '500' },
    });
    assert.equal(result.code, 13, result.stderr);
    assert.match(result.stderr, /ERR_NETWORK_TIMEOUT/);
    await assert.rejects(access(file('node_modules')), 'nothing is unpacked');
  });

  it('false evidence is said once, and not also that there is none', async () => {
    proxy.tamper = async (passing) => {
      const answer = await passing.forward();
      return isEvidence(passing)
        ? { ...answer, body: Buffer.from(answer.body.toString('utf8').replaceAll('"sig":"M', '"sig":"N')) }
        : answer;
    };
    const lines = await assertRefused(11, /TP102/);
    assert.doesNotMatch(lines, /TP110/);
  });

  it('the evidence of another version of the same package and publisher is refused', async () => {
    proxy.tamper = async (passing) =>
      isEvidence(passing)
        ? await passing.forward({ path: passing.path.replace('@1.1.0', '@1.0.0') })
        : await passing.forward();
    await assertRefused(11, /TP102 .*another package or version/);
  });

  it('other bytes that are served once the check is over are refused by npm’s comparison with the same hash', async () => {
    proxy.tamper = async (passing) => {
      const answer = await passing.forward();
      return passing.path.endsWith('.tgz')
        ? { ...answer, body: Buffer.concat([answer.body, Buffer.from([0])]) }
        : answer;
    };
    const lock = await readFile(file('package-lock.json'), 'utf8');
    await writeFile(
      file('package-lock.json'),
      lock.replaceAll(new URL(scene.instance.urls.registry).origin, proxy.origin),
    );
    const { code, stderr } = await ci();
    assert.notEqual(code, 0);
    assert.match(stderr, /EINTEGRITY/);
    await assert.rejects(access(file('node_modules', victim)), 'nothing is left of it');
  });

  it('other bytes in npm’s cache are not installed', async () => {
    const first = await ci();
    assert.equal(first.code, 0, first.stderr);
    const honest = await readFile(file('node_modules', victim, 'greeting.js'), 'utf8');
    const content = scene.workshop.path(`npm-${count}`, '_cacache', 'content-v2', 'sha512');
    let spoiled = 0;
    for (const name of await readdir(content, { recursive: true })) {
      const path = join(content, name);
      const bytes = await readFile(path).catch(() => undefined);
      if (bytes === undefined || bytes[0] !== 0x1f) continue;
      await writeFile(path, Buffer.concat([bytes.subarray(0, -1), Buffer.from([1])]));
      spoiled++;
    }
    assert.ok(spoiled > 0, 'the tarball was in the cache');
    await rm(file('node_modules'), { recursive: true });
    const { code, stderr } = await ci();
    assert.equal(code, 0, stderr);
    assert.equal(await readFile(file('node_modules', victim, 'greeting.js'), 'utf8'), honest);
  });

  it('a repository of the same name under another owner is told apart by its ids', async () => {
    const claims = scene.workshop.path('claims.json');
    const token = async (owner: string) => {
      await writeFile(claims, JSON.stringify({ repository_owner_id: owner }));
      const args = ['dev', 'token', '--data', scene.instance.data, '--ci', 'github', '--claims', claims];
      return (await succeed(scene.workshop.signet(args))).stdout.trim();
    };
    const issuer = JSON.parse(Buffer.from((await token('1')).split('.')[1] ?? '', 'base64url').toString('utf8')).iss;
    const san = 'https://github.com/example/widgets/.github/workflows/release.yml@refs/heads/main';
    const policy = (text: string) =>
      text
        .replace(/issuers: \[.*\]/, `issuers: [${JSON.stringify(issuer)}]`)
        .replace(/oidc: \{.*\}/, `oidc: { issuer: ${JSON.stringify(issuer)}, san: [${JSON.stringify(san)}] }`)
        .replaceAll('@example/*', '@example/built');
    await writeFile(`${scene.instance.data}/trust-policy.yaml`, policy(scene.instance.policy()));
    const publish = async (version: string, owner: string) => {
      const folder = await scene.copyPackage(`built-${version}`, { name: '@example/built', version });
      const { registry, trustedRoot } = scene.instance.urls;
      await succeed(
        scene.workshop.signet(['publish', folder, '--registry', registry, '--trusted-root', trustedRoot], {
          env: { SIGSTORE_ID_TOKEN: await token(owner) },
        }),
      );
    };
    await publish('1.0.0', '4242');
    const app = await scene.workshop.copyExample('app', `pinned-${count}`, (manifest) => ({
      ...manifest,
      dependencies: { '@example/built': '1' },
    }));
    await writeFile(
      `${app}/trust-policy.yaml`,
      `${policy(scene.instance.policy())}defaults:\n  tofu: { onChange: error }\n`,
    );
    const resolve = () => succeed(scene.workshop.npm(['update', '--package-lock-only'], { cwd: app }));
    await resolve();
    await succeed(scene.workshop.signet(['ci'], { cwd: app }));
    await publish('1.0.1', '666');
    await resolve();
    const { code, stderr } = await scene.workshop.signet(['ci'], { cwd: app });
    assert.equal(code, 10, stderr);
    assert.match(stderr, /TP202 .*\n +expected: ownerId 4242\n +found: +ownerId 666/);
  });

  it('a registry’s key that has expired proves nothing, whatever date the registry gives the release', async () => {
    const keys = (await (await fetch(`${scene.instance.urls.registry}-/npm/v1/keys`)).json()) as {
      keys: { expires: string | null }[];
    };
    const policy = scene.instance
      .policy()
      .replace(/( +)packages:/, '$1registryKeys: ./keys.json\n$1packages:')
      .replace('- provenance:', '- registrySignature\n      - provenance:');
    await writeFile(file('trust-policy.yaml'), policy);
    await writeFile(file('keys.json'), JSON.stringify(keys));
    const { code, stderr } = await ci('--dry-run');
    assert.equal(code, 0, `with the key as it is: ${stderr}`);
    const expired = keys.keys.map((key) => ({ ...key, expires: '2025-01-29T00:00:00.000Z' }));
    await writeFile(file('keys.json'), JSON.stringify({ keys: expired }));
    proxy.tamper = async (passing) => {
      const answer = await passing.forward();
      const backdated = answer.body.toString('utf8').replaceAll(/"20\d\d-[^"]*Z"/g, '"2024-01-01T00:00:00.000Z"');
      return isEvidence(passing) || passing.path.endsWith('.tgz')
        ? answer
        : { ...answer, body: Buffer.from(backdated) };
    };
    await assertRefused(10, /TP103/);
  });

  it('what is written in names, places and refusals moves no cursor and turns no line', async () => {
    const hostile = '\u001b[2J\u001b]8;;javascript:alert(1)\u0007x\u202e\u2066\u0000\r';
    proxy.tamper = async (passing) =>
      isEvidence(passing) ? json({ error: hostile, message: hostile }, 403) : await passing.forward();
    const manifest = JSON.parse(await readFile(file('package.json'), 'utf8'));
    await writeFile(
      file('package.json'),
      JSON.stringify({ ...manifest, overrides: { [victim]: `https://evil.example/${hostile}` } }),
    );
    const lines = await assertRefused(10, /TP105/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
    assert.doesNotMatch(lines, /[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/);
    const { stdout } = await ci('--json');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
    assert.doesNotMatch(stdout, /[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/);
    assert.match(JSON.stringify(JSON.parse(stdout).violations), /evil\.example/);
  });

  it('a policy that names nothing, or takes anybody for its publisher, is not silent', async () => {
    const policy = scene.instance.policy();
    await writeFile(file('trust-policy.yaml'), policy.replaceAll('@example/*', '@exmaple/*'));
    const idle = await ci('--dry-run');
    assert.match(idle.stderr, /rule example-is-signed names no package of this lockfile/);
    assert.match(idle.stderr, /nothing was verified/);
    for (const regex of ['.*', '.+@.+', '[^x]*']) {
      await writeFile(file('trust-policy.yaml'), policy.replace(/san: \[.*\]/, `sanRegex: '${regex}'`));
      await assertRefused(2, /TP004/);
    }
  });
});
