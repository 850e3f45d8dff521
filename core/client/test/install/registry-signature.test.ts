import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judgePackage, loadPolicy } from '@signet/client/install';
import { sha512Integrity } from '@signet/client/npm';
import { evaluatePolicy, parsePolicy, registrySignatureType, type SignerFacts } from '@signet/client/policy';
import { toBase64, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { LoopbackRegistry } from './loopback-registry.ts';

const signer = generateSigner('PKIX_ECDSA_P256_SHA_256');
const integrity = sha512Integrity(utf8('tarball'));

describe('a rule that demands the registry’s own signature', () => {
  let registry: LoopbackRegistry;
  let folder: string;

  beforeEach(async () => {
    registry = await LoopbackRegistry.start();
    folder = await mkdtemp(join(tmpdir(), 'signet-registry-'));
    await writeFile(
      join(folder, 'root.json'),
      '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}',
    );
  });
  afterEach(async () => {
    await registry.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function judge(signed: string | undefined, expires: string | null = null): Promise<string> {
    const key = toBase64(signer.publicKey.spki);
    // After the first document, V8's JSON.parse takes the escaped member of the second for another.
    JSON.parse('{"keyid":"SHA256:k","ke\\\\":1}');
    const written = JSON.stringify({ keys: [{ keyid: 'SHA256:k', key, expires }] }).replace('"key"', '"ke\\u0079"');
    await writeFile(join(folder, 'keys.json'), written);
    await writeFile(
      join(folder, 'trust-policy.yaml'),
      'version: 1\ntrustRoots: { own: { file: root.json, registryKeys: keys.json } }\nrules: [ { id: r, match: "**", require: [ registrySignature ] } ]\n',
    );
    const sig = signed === undefined ? undefined : toBase64(await signer.sign(utf8(signed)));
    const signatures = sig === undefined ? undefined : [{ keyid: 'SHA256:k', sig }];
    registry.on('/p/1.0.0', { name: 'p', version: '1.0.0', dist: { integrity, signatures } });
    const { decision } = await judgePackage(
      {
        ...(await loadPolicy(join(folder, 'trust-policy.yaml'))),
        registryFor: () => ({ url: registry.url, headers: {} }),
      },
      { name: 'p', version: '1.0.0', integrity },
    );
    return decision.violations.map(({ code, severity }) => `${code} ${severity}`).join(', ');
  }

  it('holds for name, version and the lockfile’s bytes', async () => {
    assert.equal(await judge(`p@1.0.0:${integrity}`), '');
  });
  it('is not met without one', async () => {
    assert.equal(await judge(undefined), 'TP103 error');
  });
  it('is not met by a key that has expired, whatever date the registry gives', async () => {
    assert.equal(await judge(`p@1.0.0:${integrity}`, '2025-01-29T00:00:00Z'), 'TP103 error');
  });
  it('takes one over other bytes for false evidence', async () => {
    assert.equal(await judge('p@1.0.0:sha512-x'), 'TP102 error');
  });
});

describe('a publisher who is a key', () => {
  const policy = parsePolicy(`
version: 1
trustRoots: { own: { file: root.json, witnesses: w.policy } }
publishers: { release: { key: { file: release.pub, notAfter: 2027-01-01 } } }
rules: [ { id: r, match: p, require: [ { signature: { by: release } } ] } ]
`);
  const decide = (signerFacts: SignerFacts, predicateType = 'statement/v1') =>
    evaluatePolicy(policy, {
      name: 'p',
      version: '1.0.0',
      attestations: [
        {
          predicateType,
          predicate: {},
          verified: { signer: signerFacts, timestamps: [{ time: new Date() }], logEntries: [], trustRoot: 'own' },
        },
      ],
    }).violations.map(({ code }) => code);

  it('is known by the key under which it verified, and not by the hint of the bundle', () => {
    assert.deepEqual(decide({ kind: 'key', hint: 'x', publisher: 'release' }), []);
    assert.deepEqual(decide({ kind: 'key', hint: 'release' }), ['TP111']);
    assert.deepEqual(decide({ kind: 'key', publisher: 'other' }), ['TP111']);
  });

  it('is not the registry, which signs what it was given', () => {
    assert.deepEqual(decide({ kind: 'key', publisher: 'release' }, registrySignatureType), ['TP115']);
  });
});
