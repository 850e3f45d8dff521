import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  EvidenceFile,
  formatEvidence,
  type LockfileReport,
  loadPolicy,
  type VerifyLockfileOptions,
  verdictOf,
  verifyLockfile,
} from '@signet/client/install';
import { sha512Integrity } from '@signet/client/npm';
import { utf8 } from '@signet/primitives/formats';
import { LoopbackRegistry } from './loopback-registry.ts';

/** Real evidence of real packages; absent in a fresh clone elsewhere. */
const data = new URL('../../../../../shared/data/', import.meta.url);
const root = fileURLToPath(new URL('conformance/public-good-trusted-root.json', data));
const document = (file: string) => JSON.parse(readFileSync(new URL(`npm-attestations/${file}`, data), 'utf8'));

describe('verifying a lockfile', () => {
  let registry: LoopbackRegistry;
  let folder: string;
  let sigstore: { version: string; integrity: string };
  let evidence: { attestations: object[] };

  before(function () {
    if (!existsSync(data)) {
      console.error('      skipped: the folder ../shared/data is not there');
      this.skip();
    }
    const index = document('INDEX.json') as { package: string; sri: string }[];
    const sri = index.find(({ package: name }) => name === 'sigstore@2.3.1')?.sri;
    assert.ok(sri);
    sigstore = { version: '2.3.1', integrity: sri };
    evidence = document('slsa-verifier__sigstore@2.3.1.attestations.json');
  });

  beforeEach(async () => {
    registry = await LoopbackRegistry.start();
    folder = await mkdtemp(join(tmpdir(), 'signet-lockfile-'));
  });

  afterEach(async () => {
    await registry?.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const policyText = (more = ''): string => `
version: 1
trustRoots:
  public-good: { file: ${JSON.stringify(root)} }
publishers:
  sigstore-js: { github: { repository: sigstore/sigstore-js, ownerId: "71096353", workflow: .github/workflows/release.yml } }
  somebody-else: { github: { repository: sigstore/sigstore-js, ownerId: "666" } }
rules:
  - { id: sigstore, match: [sigstore], require: [ { provenance: { by: [sigstore-js] } } ] }
${more}`;

  async function verify(
    packages: Record<string, object>,
    { policy = policyText(), ...options }: { policy?: string } & Omit<Partial<VerifyLockfileOptions>, 'policy'> = {},
  ): Promise<LockfileReport> {
    await writeFile(
      join(folder, 'package-lock.json'),
      JSON.stringify({ lockfileVersion: 3, packages: { '': {}, ...packages } }),
    );
    await writeFile(join(folder, 'trust-policy.yaml'), policy);
    return await verifyLockfile({
      ...(await loadPolicy(join(folder, 'trust-policy.yaml'), 'trust-policy.yaml')),
      projectDirectory: folder,
      registryFor: () => ({ url: registry.url, headers: {} }),
      ...options,
    });
  }

  const codes = ({ violations }: LockfileReport): string =>
    violations.map(({ code, severity }) => `${code} ${severity}`).join(', ');
  const other = { version: '1.0.0', integrity: sha512Integrity(utf8('other')) };

  it('lets pass what its publisher signed, and asks for nothing else', async () => {
    registry.attestations('sigstore', '2.3.1', evidence);
    const report = await verify({ 'node_modules/sigstore': sigstore, 'node_modules/other': other });
    assert.equal(verdictOf(report), 'allowed');
    assert.equal(codes(report), 'TP101 warning');
    assert.deepEqual([report.unmatched, report.idleRules], [1, []]);
    const [judged] = report.judged;
    assert.equal(judged?.attestations.length, 1);
    assert.deepEqual(judged?.decision.rules, ['sigstore']);
    assert.deepEqual(
      registry.requests.map(({ path }) => path),
      ['/-/npm/v1/attestations/sigstore@2.3.1'],
    );
  });

  it('asks once for a version that stands in many places', async () => {
    registry.attestations('sigstore', '2.3.1', evidence);
    const report = await verify({
      'node_modules/sigstore': sigstore,
      'node_modules/a/node_modules/sigstore': sigstore,
      'node_modules/nick': { ...sigstore, name: 'sigstore' },
    });
    assert.equal(report.judged[0]?.locations.length, 3);
    assert.equal(registry.requests.length, 1);
  });

  it('refuses another tarball under the same name and version', async () => {
    registry.attestations('sigstore', '2.3.1', evidence);
    const report = await verify({ 'node_modules/sigstore': { ...sigstore, integrity: other.integrity } });
    assert.equal(verdictOf(report), 'evidence-invalid');
    const [violation] = report.violations;
    assert.equal(violation?.code, 'TP102');
    assert.match(violation?.message ?? '', /other bytes/);
  });

  it('refuses evidence of another version', async () => {
    registry.attestations('sigstore', '9.9.9', evidence);
    const report = await verify({ 'node_modules/sigstore': { ...sigstore, version: '9.9.9' } });
    assert.equal(verdictOf(report), 'evidence-invalid');
  });

  it('refuses a package whose evidence was taken away', async () => {
    for (const answer of [undefined, { attestations: [] }]) {
      if (answer !== undefined) registry.attestations('sigstore', '2.3.1', answer);
      const report = await verify({ 'node_modules/sigstore': sigstore });
      assert.equal(verdictOf(report), 'denied');
      assert.equal(codes(report), 'TP110 error');
    }
  });

  it('refuses another publisher', async () => {
    registry.attestations('sigstore', '2.3.1', evidence);
    const policy = policyText().replace('by: [sigstore-js]', 'by: [somebody-else]');
    const report = await verify({ 'node_modules/sigstore': sigstore }, { policy });
    assert.equal(verdictOf(report), 'denied');
    assert.match(report.violations[0]?.expected ?? '', /ownerId 666/);
    assert.match(report.violations[0]?.found ?? '', /ownerId 71096353/);
  });

  it('refuses a name that a private root owns when another root vouches for it', async () => {
    registry.attestations('sigstore', '2.3.1', evidence);
    const own = join(folder, 'own.json');
    await writeFile(own, JSON.stringify({ mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1' }));
    const policy = policyText().replace('trustRoots:', 'trustRoots:\n  own: { file: own.json, packages: [sigstore] }');
    const report = await verify({ 'node_modules/sigstore': sigstore }, { policy });
    assert.equal(verdictOf(report), 'evidence-invalid');
    assert.equal(report.violations[0]?.code, 'TP121');
    assert.equal(report.violations[0]?.found, 'public-good');
  });

  it('refuses packages that evidence cannot be about', async () => {
    const table: [entry: object, location: string, expected: string][] = [
      [{ version: '1.0.0', resolved: 'git+https://github.com/x/y.git#abc' }, 'node_modules/sigstore', 'TP105 error'],
      [
        { version: '1.0.0', resolved: 'file:x.tgz', integrity: other.integrity },
        'node_modules/sigstore',
        'TP105 error',
      ],
      [{ version: '1.0.0', inBundle: true }, 'node_modules/a/node_modules/sigstore', 'TP105 error'],
      [{ version: '1.0.0' }, 'node_modules/sigstore', 'TP104 error'],
      [{ version: '1.0.0', integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' }, 'node_modules/sigstore', 'TP104 error'],
      [{ ...other, name: 'other' }, 'node_modules/sigstore', 'TP106 error, TP101 warning'],
      [{ version: '1.0.0' }, 'node_modules/other', 'TP104 warning, TP101 warning'],
      [{ ...other, hasShrinkwrap: true }, 'node_modules/other', 'TP108 warning, TP101 warning'],
      [{ resolved: 'packages/sigstore', link: true }, 'node_modules/sigstore', ''],
      [{ resolved: '../elsewhere', link: true }, 'node_modules/sigstore', 'TP105 error'],
      [{ version: '1.0.0', resolved: 'https://github.com/x/y' }, 'node_modules/sigstore', 'TP105 error'],
      [{ resolved: '../elsewhere', link: true }, 'node_modules/other', ''],
    ];
    for (const [entry, location, expected] of table) {
      assert.equal(codes(await verify({ [location]: entry })), expected, JSON.stringify(entry));
    }
    assert.equal(registry.requests.length, 0);
  });

  it('refuses a patch of a package that it verifies, and a lockfile inside it', async () => {
    registry.attestations('sigstore', '2.3.1', evidence);
    const report = await verify({ 'node_modules/sigstore': { ...sigstore, patched: { path: 'x.patch' } } });
    assert.equal(codes(report), 'TP107 error');
    const nested = await verify({ 'node_modules/sigstore': { ...sigstore, hasShrinkwrap: true } });
    assert.equal(codes(nested), 'TP108 error');
  });

  it('names the rules that name nothing, which may be misspelt', async () => {
    const policy = policyText(
      "  - { id: typo, match: ['sigstroe'], require: [ { signature: { by: [sigstore-js] } } ] }",
    );
    assert.deepEqual((await verify({ 'node_modules/other': other }, { policy })).idleRules, ['sigstore', 'typo']);
  });

  it('denies packages that no rule names where the policy says so', async () => {
    const report = await verify({ 'node_modules/other': other }, { policy: policyText('noMatch: deny') });
    assert.equal(verdictOf(report), 'denied');
  });

  const answers: Record<string, [answer: Parameters<LoopbackRegistry['attestations']>[2], verdict: string]> = {
    'with an error': [(_request, response) => response.writeHead(400).end('{"error":"no"}'), 'unreachable'],
    'with a demand for credentials': [(_request, response) => response.writeHead(401).end(), 'unreachable'],
    'with something that is not JSON': ['<html>', 'unreachable'],
    'with another document': [{ attestations: 'none' }, 'evidence-invalid'],
    'with a redirect to somebody else': [
      (_request, response) => response.writeHead(302, { location: 'http://127.0.0.2:9/' }).end(),
      'unreachable',
    ],
  };
  for (const [what, [answer, verdict]] of Object.entries(answers)) {
    it(`takes a registry that answers ${what} for no proof`, async () => {
      registry.attestations('sigstore', '2.3.1', answer);
      const report = await verify({ 'node_modules/sigstore': sigstore });
      assert.equal(verdictOf(report), verdict);
      assert.equal(report.allowed, false);
    });
  }

  it('does not wait for ever', async () => {
    registry.attestations('sigstore', '2.3.1', () => undefined);
    const signal = AbortSignal.timeout(300);
    await assert.rejects(verify({ 'node_modules/sigstore': sigstore }, { request: { signal } }), {
      name: 'TimeoutError',
    });
  });

  it('gives up on a registry that is not there before it has asked for everything', async () => {
    const packages = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`node_modules/p${index}`, other]));
    const policy = policyText("  - { id: all, match: ['p*'], require: [ { signature: { by: [sigstore-js] } } ] }");
    const transport = async (): Promise<Response> => new Response('{"error":"down"}', { status: 410 });
    const report = await verify(packages, { policy, request: { transport } });
    assert.equal(verdictOf(report), 'unreachable');
    assert.equal(report.failures.length, 100);
    assert.ok(report.failures.some(({ error }) => /not asked/.test(error.message)));
  });

  it('keeps a bounded number of requests open', async () => {
    const packages: Record<string, object> = {};
    for (let index = 0; index < 60; index++) {
      packages[`node_modules/p${index}`] = other;
      registry.attestations(`p${index}`, '1.0.0', (_request, response) => {
        void sleep(5).then(() => response.writeHead(404).end());
      });
    }
    const policy = policyText(
      "  - { id: all, match: ['p*'], mode: warn, require: [ { signature: { by: [sigstore-js] } } ] }",
    );
    const report = await verify(packages, { policy });
    assert.equal(report.judged.length, 60);
    assert.equal(verdictOf(report), 'allowed');
    assert.ok(registry.busiest <= 16, String(registry.busiest));
    assert.ok(registry.busiest > 1);
  });

  it('opens no connection offline, and says what it would need', async () => {
    const report = await verify({ 'node_modules/sigstore': sigstore }, { offline: true });
    assert.equal(verdictOf(report), 'unreachable');
    assert.deepEqual(
      report.failures.map(({ package: name, error }) => [name, error.code]),
      [['sigstore@2.3.1', 'ERR_OFFLINE']],
    );
    assert.equal(verdictOf(await verify({ 'node_modules/other': other }, { offline: true })), 'allowed');
    assert.equal(registry.requests.length, 0);
  });

  it('is done from committed evidence without a registry, and not from any other', async () => {
    registry.attestations('sigstore', '2.3.1', evidence);
    const packages = { 'node_modules/sigstore': sigstore };
    const { judged } = await verify(packages);
    const text = formatEvidence(judged);
    assert.equal(formatEvidence([...judged, ...judged]), text);
    const asked = registry.requests.length;
    const kept = new EvidenceFile(text, 'trust-evidence.jsonl');
    for (const offline of [false, true]) {
      assert.equal(verdictOf(await verify(packages, { evidence: kept, offline })), 'allowed');
    }
    assert.equal(registry.requests.length, asked);

    const others = { 'node_modules/sigstore': { ...sigstore, integrity: other.integrity } };
    assert.equal(verdictOf(await verify(others, { evidence: kept, offline: true })), 'unreachable');
    const moved = new EvidenceFile(text.replace(sigstore.integrity, other.integrity), 'trust-evidence.jsonl');
    assert.equal(verdictOf(await verify(others, { evidence: moved, offline: true })), 'evidence-invalid');
  });

  it('asks the registry for what committed evidence leaves open', async () => {
    registry.attestations('sigstore', '2.3.1', evidence);
    const policy = policyText().replace('by: [sigstore-js]', 'by: [somebody-else]');
    const { judged } = await verify({ 'node_modules/sigstore': sigstore });
    const kept = new EvidenceFile(formatEvidence(judged), 'trust-evidence.jsonl');
    const asked = registry.requests.length;
    assert.equal(verdictOf(await verify({ 'node_modules/sigstore': sigstore }, { policy, evidence: kept })), 'denied');
    assert.equal(registry.requests.length, asked + 1);
  });

  it('cannot go on without the trust root that owns a name', async () => {
    registry.attestations('sigstore', '2.3.1', evidence);
    const missing = policyText().replace(JSON.stringify(root), 'nowhere.json');
    await assert.rejects(verify({ 'node_modules/sigstore': sigstore }, { policy: missing }), {
      code: 'ERR_TRUST_FILE',
    });
    const pinned = policyText().replace('{ file:', `{ sha256: '${'0'.repeat(64)}', file:`);
    await assert.rejects(verify({ 'node_modules/sigstore': sigstore }, { policy: pinned }), { code: 'ERR_TRUST_FILE' });
    const nobody = policyText()
      .replace(/ {2}public-good: .*\n/, '')
      .replace('trustRoots:', 'trustRoots: {}');
    assert.equal(codes(await verify({ 'node_modules/sigstore': sigstore }, { policy: nobody })), 'TP120 error');
  });

  it('needs a policy', async () => {
    await assert.rejects(loadPolicy(join(folder, 'trust-policy.yaml')), {
      code: 'ERR_POLICY_MISSING',
      message: /signet policy init writes one/,
    });
  });
});

describe('a file of evidence', () => {
  const bundle = { mediaType: 'x' };
  const line = { purl: 'pkg:npm/a@1.0.0', integrity: sha512Integrity(utf8('a')), bundle };

  it('keeps bundles by package and bytes', () => {
    const file = new EvidenceFile(`${JSON.stringify(line)}\n\n${JSON.stringify(line)}\n`, 'f');
    assert.deepEqual(file.bundlesFor('a', '1.0.0', line.integrity), [bundle, bundle]);
    assert.deepEqual(file.bundlesFor('a', '1.0.0', sha512Integrity(utf8('b'))), []);
    assert.deepEqual(file.bundlesFor('b', '1.0.0', line.integrity), []);
  });

  for (const [what, text] of Object.entries({
    text: 'hello',
    'a list': '[]',
    'a purl of another kind': JSON.stringify({ ...line, purl: 'pkg:npm/@a/b@1.0.0' }),
    'two hashes': JSON.stringify({ ...line, integrity: `${line.integrity} ${line.integrity}` }),
    'an unknown member': JSON.stringify({ ...line, trust: true }),
    'a member twice': JSON.stringify(line).replace('{', '{"purl":"pkg:npm/b@1.0.0",'),
  })) {
    it(`cannot hold ${what}, and says in which line`, () => {
      const content = `${JSON.stringify(line)}\n${text}\n`;
      assert.throws(() => new EvidenceFile(content, 'f'), { code: 'ERR_ATTESTATION_DOCUMENT', message: /^f:2: / });
    });
  }
});
