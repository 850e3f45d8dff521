import assert from 'node:assert/strict';
import { access, copyFile, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { storageFolder } from '../scene/attacks.ts';
import { author, succeed } from '../scene/instance.ts';
import { run } from '../scene/processes.ts';
import { AttackScene, victim } from './attack-scene.ts';

/** Attacks on what a project keeps beside its code: lockfile, policy, pins, evidence, caches. */
describe('attack: on the files of a project', function () {
  this.timeout(120_000);
  let scene: AttackScene;
  let project: string;
  let count = 0;

  before(async () => {
    scene = await AttackScene.open();
  });
  after(() => scene?.close());

  beforeEach(async () => {
    project = await scene.copyProject(`project-${count++}`);
    await mkdir(file('trust'));
    await copyFile(scene.instance.urls.trustedRoot, file('trust/trusted_root.json'));
    await writePolicy((text) => `${text}defaults:\n  tofu: { onChange: error }\n`);
  });

  const file = (name: string) => join(project, name);
  const writePolicy = async (change: (text: string) => string) =>
    writeFile(file('trust-policy.yaml'), change(scene.instance.policy(author, './trust/trusted_root.json')));
  const ci = (args: readonly string[] = [], env: Record<string, string> = {}) =>
    scene.workshop.signet(['ci', ...args], { cwd: project, env });
  const git = (...args: readonly string[]) => {
    const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'init.defaultBranch=main'];
    return succeed(run('git', [...identity, ...args], scene.workshop.options({ cwd: project })));
  };
  const assertNothingInstalled = () => assert.rejects(access(file('node_modules')), 'nothing was unpacked');

  async function commitAll(): Promise<void> {
    await writeFile(file('.gitignore'), 'node_modules\n');
    await git('init', '--quiet');
    await git('add', '.');
    await git('commit', '--quiet', '--message', 'trusted');
  }

  it('pins at first sight, and lets nothing new in where nobody watches', async () => {
    const frozen = await ci([], { CI: 'true' });
    assert.equal(frozen.code, 14, frozen.stderr);
    assert.match(frozen.stderr, /TP203/);
    await assertNothingInstalled();

    const first = await succeed(ci());
    assert.match(first.stderr, /@example\/greeting pinned: provenance by alice@example\.com/);
    const lock = JSON.parse(await readFile(file('trust-lock.json'), 'utf8'));
    assert.equal(lock.packages[victim].identity.subject, author);
    assert.equal(lock.packages[victim].versions.count, 1);
    const again = await succeed(ci([], { CI: 'true' }));
    assert.match(again.stderr, /✔ @example\/greeting@1\.0\.0 {2}signed by alice@example\.com/);
    assert.match(
      again.stderr,
      /verified on \d{4}-\d\d-\d\d, remembered; checked: .*; it is about @example\/greeting@1\.0\.0/,
    );
    assert.match(
      again.stderr,
      /1 of 1 package that the policy names verified, 1 of them remembered, the oldest from 2/,
    );
  });

  it('refuses a pull request that changes lockfile, pins, policy and evidence together', async () => {
    await succeed(ci());
    await succeed(scene.workshop.signet(['verify', 'package-lock.json', '--save-evidence'], { cwd: project }));
    await commitAll();
    await succeed(ci(['--trust-from', 'HEAD']));
    await rm(file('node_modules'), { recursive: true });

    await writePolicy((text) => text.replaceAll(author, 'mallory@example.com'));
    await writeFile(
      file('trust-lock.json'),
      (await readFile(file('trust-lock.json'), 'utf8')).replace(author, 'mallory@example.com'),
    );
    await writeFile(file('trust-evidence.jsonl'), '');
    await writeFile(
      file('package-lock.json'),
      (await readFile(file('package-lock.json'), 'utf8')).replace('"1.0.0"', '"1.0.0" '),
    );
    await git('commit', '--quiet', '--all', '--message', 'a small refactoring');
    const { code, stderr } = await ci(['--trust-from', 'HEAD~1']);
    assert.equal(code, 14, stderr);
    assert.match(stderr, /ERR_TRUST_CHANGED/);
    assert.match(stderr, /trust-policy\.yaml: publishers\.author\.oidc\.san\."alice@example\.com" is gone/);
    assert.match(stderr, /trust-policy\.yaml: defaults is gone/);
    assert.match(
      stderr,
      /trust-lock\.json: packages\.@example\/greeting\.identity\.subject was "alice@example\.com" and is now "mallory/,
    );
    await assertNothingInstalled();
  });

  it('refuses a trusted ref that does not exist or is an option of git', async () => {
    await commitAll();
    for (const ref of ['nowhere', '--output=x', 'HEAD:package.json']) {
      const { code, stderr } = await ci([`--trust-from=${ref}`]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /ERR_CONFIGURATION/);
    }
  });

  it('refuses a second hash in the lockfile, of which npm would accept either', async () => {
    const lock = await readFile(file('package-lock.json'), 'utf8');
    await writeFile(file('package-lock.json'), lock.replace(/"(sha512-[^"]+)"/, `"$1 sha512-${'A'.repeat(86)}=="`));
    const { code, stderr } = await ci();
    assert.equal(code, 11, stderr);
    assert.match(stderr, /ERR_INTEGRITY_FORMAT/);
    await assertNothingInstalled();
  });

  it('refuses a package whose evidence was taken out of the registry, by rule and by pin', async () => {
    await succeed(ci());
    await rm(file('node_modules'), { recursive: true });
    const folder = storageFolder(scene.instance, victim);
    const aside = scene.workshop.path('aside');
    await cp(folder, aside, { recursive: true });
    try {
      for (const name of await readdir(folder)) if (name.includes('sigstore')) await rm(join(folder, name));
      const metadata = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
      for (const name of Object.keys(metadata._attachments)) {
        if (name.includes('sigstore')) delete metadata._attachments[name];
      }
      await writeFile(join(folder, 'package.json'), JSON.stringify(metadata));
      // The registry looks at what others may have written about once a second.
      const url = `${scene.instance.urls.registry}-/npm/v1/attestations/${victim}@1.0.0`;
      while ((await fetch(url)).status !== 404) await setTimeout(100);
      const { code, stderr } = await ci(['--no-cache']);
      assert.equal(code, 10, stderr);
      assert.match(stderr, /TP110/);
      assert.match(stderr, /TP201/);
      assert.match(stderr, /dropped from provenance to none/);
      await assertNothingInstalled();
      // What was verified before is about the same bytes, and needs no registry.
      await succeed(ci(['--ignore-scripts']));
    } finally {
      await cp(aside, folder, { recursive: true });
    }
  });

  it('refuses committed evidence that was changed, or that is about something else', async () => {
    await succeed(scene.workshop.signet(['verify', 'package-lock.json', '--save-evidence'], { cwd: project }));
    const honest = await readFile(file('trust-evidence.jsonl'), 'utf8');
    const entry = JSON.parse(honest.trim());
    const { payload } = entry.bundle.dsseEnvelope;
    const statement = Buffer.from(payload, 'base64').toString('utf8');
    const hostile = [
      honest.replace(payload, Buffer.from(statement.replace(/[0-9a-f]{128}/, 'a'.repeat(128))).toString('base64')),
      honest.replace(payload, Buffer.from(statement.replace('@1.0.0', '@1.0.1')).toString('base64')),
    ];
    for (const text of hostile) {
      assert.notEqual(text, honest);
      await writeFile(file('trust-evidence.jsonl'), text);
      const { code, stderr } = await ci(['--no-cache']);
      assert.equal(code, 11, stderr);
      assert.match(stderr, /TP102/);
    }
    await assertNothingInstalled();
    await writeFile(file('trust-evidence.jsonl'), honest);
    await succeed(ci(['--no-cache']));
  });

  it('trusts no verdict that another wrote into the cache', async () => {
    const env = { XDG_CACHE_HOME: scene.workshop.path(`cache-${count}`) };
    await succeed(ci([], env));
    const folder = join(env.XDG_CACHE_HOME, 'signet', 'verdicts');
    const [name = ''] = await readdir(folder);
    const content = await readFile(join(folder, name));
    const planted = Buffer.from(content.toString('latin1').replaceAll(author, 'mallory@example.co'), 'latin1');
    await writeFile(join(folder, name), planted);
    await writePolicy((text) => text.replaceAll(author, 'mallory@example.co'));
    await rm(file('trust-lock.json'));
    const { code, stderr } = await ci([], env);
    assert.equal(code, 10, stderr);
    assert.match(stderr, /TP111/);

    // As a CI service restores it on another machine: the cache without the key.
    await writeFile(join(folder, name), content);
    await mkdir(scene.workshop.path('other-config'), { recursive: true });
    const other = await ci([], { ...env, XDG_CONFIG_HOME: scene.workshop.path('other-config') });
    assert.equal(other.code, 10, other.stderr);
  });

  it('judges the bytes of the lockfile, whatever the registry serves by now', async () => {
    await succeed(ci());
    const metadata = join(storageFolder(scene.instance, victim), 'package.json');
    const honest = await readFile(metadata, 'utf8');
    const lock = await readFile(file('package-lock.json'), 'utf8');
    try {
      await writeFile(file('package-lock.json'), lock.replace(/sha512-[^"]+/, `sha512-${'A'.repeat(86)}==`));
      const { code, stderr } = await scene.workshop.signet(['verify', 'package-lock.json'], { cwd: project });
      assert.equal(code, 11, stderr);
      assert.match(stderr, /other bytes/);
    } finally {
      await writeFile(metadata, honest);
    }
  });
});
