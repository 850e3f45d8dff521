import assert from 'node:assert/strict';
import { evaluatePolicy, layerPolicies, lintPolicy, parsePolicy } from '@signet/client/policy';

const integrity = `sha512-${'A'.repeat(86)}==`;
const now = new Date('2026-11-20T00:00:00Z');
const read = (text: string) => parsePolicy(`version: 1\n${text}`, { now });
const signature = 'require: [ { signature: { by: [ci] } } ]';
const who = (san: string) => `publishers: { ci: { oidc: { issuer: 'https://i.example', san: [${san}] } } }`;
const except = (rules: string) =>
  `exceptions: [ { match: a@1.0.0, ${rules} codes: [TP111], integrity: '${integrity}', reason: r, expires: 2026-12-01 } ]`;

const own = read(`
noMatch: allow
trustRoots: { acme: { file: root.json, packages: [a] } }
extends: [ { url: 'https://p.example/policy', trustRoot: acme } ]
${who('mine')}
rules: [ { id: r, match: a, ${signature} } ]
${except('')}
`);

function judge(layer: string, ...subjects: readonly string[]): string[] {
  const [reference] = own.extends ?? [];
  assert.ok(reference);
  const policy = layerPolicies(own, [{ reference, policy: read(layer) }]);
  const attestations = subjects.map((value) => ({
    predicateType: 'x',
    predicate: {},
    verified: {
      signer: {
        kind: 'certificate',
        issuer: 'https://i.example',
        subject: { type: 'email', value },
        claims: {},
      } as const,
      timestamps: [{ time: now }],
      logEntries: [],
      trustRoot: 'acme',
    },
  }));
  const { violations } = evaluatePolicy(policy, { name: 'a', version: '1.0.0', integrity, attestations }, { now });
  return violations.map(({ code, severity, rule }) => `${code} ${severity} ${rule}`);
}

describe('a policy that extends another', () => {
  const theirs = (more = '', layer = '') =>
    `${who('theirs')}\nrules: [ { id: r, match: a, ${more} ${signature} } ]\n${layer}`;

  it('demands what both demand, each of the publishers that it means by a name', () => {
    assert.deepEqual(judge(theirs(), 'mine', 'theirs'), []);
    assert.deepEqual(judge(theirs(), 'mine'), ['TP111 error acme/r']);
  });

  it('cannot except from the rules of another, unless they say so', () => {
    assert.deepEqual(judge(theirs(), 'theirs'), ['TP111 warning r'], 'its own exception is about its own rule');
    assert.deepEqual(judge(theirs('allowExceptions: true,'), 'mine'), ['TP111 warning acme/r']);
  });

  it('is not loosened by exceptions of the other', () => {
    const both = theirs('', except('rules: [r],'));
    assert.deepEqual(judge(both, 'nobody'), ['TP111 warning r', 'TP111 warning acme/r'], 'each excepts from its own');
    const [reference] = own.extends ?? [];
    assert.ok(reference);
    const strict = { ...own, exceptions: [] };
    const layered = layerPolicies(strict, [{ reference, policy: read(both) }]);
    const { violations } = evaluatePolicy(
      layered,
      { name: 'a', version: '1.0.0', integrity, attestations: [] },
      { now },
    );
    assert.ok(violations.some(({ rule, severity }) => rule === 'r' && severity === 'error'));
  });

  it('takes distrust of it, and neither trust roots nor what becomes of names without a rule', () => {
    const text = `noMatch: deny\ntrustRoots: { evil: { file: e.json } }\ndistrust: [ { integrity: '${integrity}', reason: stolen } ]`;
    assert.deepEqual(judge(text, 'mine'), ['TP150 error undefined']);
    const [reference] = own.extends ?? [];
    assert.ok(reference);
    const layered = layerPolicies(own, [{ reference, policy: read(text) }]);
    assert.deepEqual([layered.noMatch, layered.trustRoots.map(({ name }) => name)], ['allow', ['acme']]);
  });

  it('judges nothing before it was put together', () => {
    assert.throws(() => evaluatePolicy(own, { name: 'a', version: '1.0.0', attestations: [] }), {
      code: 'ERR_POLICY_INVALID',
      message: /extends https:\/\/p\.example/,
    });
  });

  it('reads one level, and no keys from files that are not here', () => {
    const nested = `trustRoots: { x: { file: f } }\nextends: [ { url: 'https://q.example', trustRoot: x } ]`;
    assert.throws(() => judge(nested), { code: 'ERR_POLICY_INVALID', message: /only one level/ });
    assert.throws(() => judge('publishers: { k: { key: { file: k.pub } } }'), { code: 'ERR_POLICY_INVALID' });
  });

  it('uses the publishers that may sign the other', () => {
    const text = `trustRoots: { acme: { file: r, packages: [a], issuers: ['https://i.example'] } }
extends: [ { url: 'https://p.example', trustRoot: acme, by: ci } ]\n${who('x')}\ndefaults: { tofu: { onChange: error } }`;
    assert.deepEqual(lintPolicy(read(text), now), []);
  });
});
