import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type LockfileReport, loadPolicy, VerdictCache, verdictOf, verifyLockfile } from '@signet/client/install';
import { LoopbackRegistry } from './loopback-registry.ts';

const data = new URL('../../../../../shared/data/', import.meta.url);
const root = fileURLToPath(new URL('conformance/public-good-trusted-root.json', data));
const document = (file: string) => JSON.parse(readFileSync(new URL(`npm-attestations/${file}`, data), 'utf8'));
const day = 24 * 3600 * 1000;

describe('what earlier runs verified', () => {
  let registry: LoopbackRegistry;
  let folder: string;
  let sigstore: { version: string; integrity: string };
  let env: Record<string, string>;

  before(function () {
    if (!existsSync(data)) {
      console.error('      skipped: the folder ../shared/data is not there');
      this.skip();
    }
  });

  beforeEach(async () => {
    const index = document('INDEX.json') as { package: string; sri: string }[];
    const integrity = index.find(({ package: name }) => name === 'sigstore@2.3.1')?.sri ?? assert.fail();
    sigstore = { version: '2.3.1', integrity };
    registry = await LoopbackRegistry.start();
    registry.attestations('sigstore', '2.3.1', document('slsa-verifier__sigstore@2.3.1.attestations.json'));
    folder = await mkdtemp(join(tmpdir(), 'signet-verdicts-'));
    env = { SIGNET_CACHE: join(folder, 'cache'), XDG_CONFIG_HOME: join(folder, 'config'), HOME: join(folder, 'home') };
  });

  afterEach(async () => {
    await registry?.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const policyText = (more = '') => `
version: 1
trustRoots:
  public-good: { file: ${JSON.stringify(root)} }
publishers:
  sigstore-js: { github: { repository: sigstore/sigstore-js, ownerId: "71096353" } }
rules:
  - { id: sigstore, match: [sigstore], require: [ { provenance: { by: [sigstore-js] } } ] }
${more}`;

  /** One run in a process of its own, as far as this cache can tell. */
  async function run({ policy = policyText(), integrity = sigstore.integrity, offline = false } = {}): Promise<{
    report: LockfileReport;
    asked: number;
  }> {
    const packages = { '': {}, 'node_modules/sigstore': { ...sigstore, integrity } };
    await writeFile(join(folder, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages }));
    await writeFile(join(folder, 'trust-policy.yaml'), policy);
    const before = registry.requests.length;
    const verdicts = await VerdictCache.open(folder, env);
    const report = await verifyLockfile({
      ...(await loadPolicy(join(folder, 'trust-policy.yaml'), 'trust-policy.yaml', verdicts)),
      projectDirectory: folder,
      registryFor: () => ({ url: registry.url, headers: {} }),
      verdicts,
      offline,
    });
    await verdicts.save();
    return { report, asked: registry.requests.length - before };
  }

  async function cacheFile(): Promise<string> {
    const verdicts = join(folder, 'cache', 'verdicts');
    const [name, other] = await readdir(verdicts);
    assert.ok(name !== undefined && other === undefined, 'one file and no temporary ones');
    return join(verdicts, name);
  }

  it('spares the next run every request, and the report says the same', async () => {
    const first = await run();
    assert.equal(first.asked, 1);
    const second = await run();
    assert.equal(second.asked, 0);
    assert.equal(verdictOf(second.report), 'allowed');
    const facts = ({ judged }: LockfileReport) =>
      judged.map(({ decision, attestations }) => ({
        decision,
        attestations: attestations.map(({ predicateType, verified }) => ({ predicateType, verified })),
      }));
    assert.deepEqual(facts(second.report), facts(first.report));
    assert.ok(second.report.judged[0]?.verifiedAt);
    assert.equal((await run({ offline: true })).report.allowed, true);
  });

  it('is asked by the policy of today: distrust, ages and other publishers count at once', async () => {
    await run();
    const changes: Record<string, string> = {
      TP150: policyText(`distrust:\n  - { integrity: '${sigstore.integrity}', reason: malicious }\n`),
      TP140: policyText().replace('match: [sigstore],', 'match: [sigstore], minimumReleaseAge: 5000w,'),
      TP111: policyText().replace('71096353', '666'),
    };
    for (const [code, policy] of Object.entries(changes)) {
      const { report } = await run({ policy });
      assert.equal(verdictOf(report), 'denied');
      assert.deepEqual(
        report.violations.map((violation) => violation.code),
        [code],
      );
    }
    assert.equal((await run()).asked, 0, 'and what was verified still is');
  });

  it('is about exactly these bytes under exactly this trust root', async () => {
    await run();
    const otherBytes = await run({ integrity: `sha512-${'A'.repeat(86)}==` });
    assert.equal(otherBytes.asked, 1);
    assert.equal(verdictOf(otherBytes.report), 'evidence-invalid');
    const narrower = policyText().replace('} }\npub', "}, issuers: ['https://login.acme.example'] }\npub");
    const other = await run({
      policy: policyText().replace(' }\npublishers', ", issuers: ['https://x.example'] }\npublishers"),
    });
    assert.equal(verdictOf(other.report), 'evidence-invalid', narrower);
  });

  it('never holds a no, nor what a no was about', async () => {
    const policy = policyText().replace('71096353', '666');
    assert.equal((await run({ policy })).asked, 1);
    assert.equal((await run({ policy })).asked, 1);
    assert.equal((await run()).asked, 1);
  });

  it('counts for nothing when a byte of it is another, it is cut off, or another machine wrote it', async () => {
    await run();
    const path = await cacheFile();
    const content = await readFile(path);
    const changed = Buffer.from(content);
    changed.write('9', content.indexOf('71096353'));
    const moved = await mkdtemp(join(folder, 'other-'));
    for (const hostile of [changed, content.subarray(0, 20), Buffer.alloc(0), Buffer.concat([content, content])]) {
      await writeFile(path, hostile);
      const { report, asked } = await run();
      assert.equal(asked, 1);
      assert.equal(report.allowed, true);
    }
    // As a CI service restores it: the cache without the key.
    env = { ...env, XDG_CONFIG_HOME: moved };
    assert.equal((await run()).asked, 1);
    assert.equal((await run()).asked, 0);
  });

  it('holds for a project in its folder only', async () => {
    await run();
    const content = await readFile(await cacheFile());
    const other = await mkdtemp(join(folder, 'project-'));
    const verdicts = await VerdictCache.open(other, env);
    verdicts.keepPolicy('x', {});
    await verdicts.save();
    for (const name of await readdir(join(folder, 'cache', 'verdicts'))) {
      await writeFile(join(folder, 'cache', 'verdicts', name), content);
    }
    const subject = { name: 'sigstore', ...sigstore, rootDigest: 'x' };
    assert.equal((await VerdictCache.open(other, env)).recall(subject), undefined);
    assert.equal((await VerdictCache.open(other, env)).policyRoot('x'), undefined);
  });

  it('is forgotten after a month, and when the clock was set back', async () => {
    const verdicts = await VerdictCache.open(folder, env);
    const subject = { name: 'a', version: '1.0.0', integrity: sigstore.integrity, rootDigest: 'x' };
    const now = new Date();
    verdicts.keep(subject, [], now);
    const after = (milliseconds: number) => verdicts.recall(subject, new Date(now.getTime() + milliseconds));
    assert.ok(after(29 * day));
    assert.equal(after(31 * day), undefined);
    assert.equal(after(-1), undefined);
    const verdict = after(0) ?? assert.fail();
    assert.equal(VerdictCache.mayBeOutdated(verdict, new Date(now.getTime() + 2 * day)), true);
    assert.equal(VerdictCache.mayBeOutdated(verdict, now), false);
  });

  it('needs a key that only this user can read, outside the cache', async () => {
    await run();
    const key = join(folder, 'config', 'signet', 'verdict-key');
    const { mode } = await stat(key);
    if (process.platform !== 'win32') {
      assert.equal(mode & 0o777, 0o600);
      await chmod(key, 0o644);
      await assert.rejects(VerdictCache.open(folder, env), { code: 'ERR_VERDICT_CACHE' });
      await chmod(key, 0o600);
    }
    await writeFile(key, 'short');
    await assert.rejects(VerdictCache.open(folder, env), { code: 'ERR_VERDICT_CACHE' });
    const inside = { ...env, SIGNET_CACHE: join(folder, 'config') };
    await assert.rejects(VerdictCache.open(folder, inside), { code: 'ERR_VERDICT_CACHE' });
    const nowhere = { ...env, SIGNET_CACHE: join(folder, 'a-file', 'cache') };
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'a-file'), '');
    await rm(key);
    const verdicts = await VerdictCache.open(folder, nowhere);
    verdicts.keepPolicy('x', {});
    await assert.rejects(verdicts.save(), { code: 'ERR_VERDICT_CACHE' });
  });
});
