import assert from 'node:assert/strict';
import {
  type AttestationFacts,
  addException,
  addRules,
  describeChanges,
  evaluatePolicy,
  lintPolicy,
  parsePolicy,
  parsePolicyCases,
  suggestPolicy,
} from '@signet/client/policy';

const root = { 'public-good': { builtin: 'sigstore-public-good' } };
const now = new Date('2026-11-20T00:00:00Z');

function workflow(repository: string, id: string, type = 'https://slsa.dev/provenance/v1'): AttestationFacts {
  const sourceRepositoryUri = `https://github.com/${repository}`;
  const buildConfigUri = `${sourceRepositoryUri}/.github/workflows/release.yml@refs/tags/v1`;
  return evidence('https://token.actions.githubusercontent.com', buildConfigUri, type, {
    sourceRepositoryUri,
    sourceRepositoryIdentifier: id,
    sourceRepositoryOwnerIdentifier: '7',
    buildConfigUri,
  });
}

function evidence(
  issuer: string,
  subject: string,
  type: string,
  claims: Record<string, string> = {},
): AttestationFacts {
  return {
    predicateType: type,
    predicate: {},
    verified: {
      signer: { kind: 'certificate', issuer, subject: { type: 'uri', value: subject }, claims },
      timestamps: [{ time: now }],
      logEntries: [{ index: 1n }],
      trustRoot: 'public-good',
    },
  };
}

const packages = [
  { name: 'a', attestations: [workflow('acme/mono', '42')] },
  { name: '@acme/b', attestations: [workflow('acme/mono', '42')] },
  { name: 'c', attestations: [evidence('https://login.example', 'carol@example.com', 'statement/v1')] },
  { name: 'd', attestations: [] },
];

describe('a policy from what is installed', () => {
  const text = suggestPolicy(packages, root);
  const policy = parsePolicy(text);

  it('accepts what it was made from', () => {
    for (const { name, attestations } of packages) {
      assert.equal(evaluatePolicy(policy, { name, version: '1.0.0', attestations }, { now }).allowed, true, name);
    }
  });

  it('has one publisher for one identity, by numeric ids', () => {
    assert.deepEqual([...policy.publishers.keys()], ['acme-mono', 'carol-example-com']);
    assert.match(text, /repositoryId: "42"/);
    assert.match(text, /ownerId: "7"/);
    assert.deepEqual(
      policy.rules.map(({ match }) => match.map((pattern) => pattern.text)),
      [['@acme/b', 'a'], ['c']],
    );
  });

  const refused: [what: string, attestations: AttestationFacts[], code: string][] = [
    ['without evidence', [], 'TP110'],
    ['by the same name over another repository', [workflow('acme/mono', '666')], 'TP111'],
    ['with a mere signature', [workflow('acme/mono', '42', 'statement/v1')], 'TP110'],
  ];
  for (const [what, attestations, code] of refused) {
    it(`refuses a package ${what}`, () => {
      const { violations } = evaluatePolicy(policy, { name: 'a', version: '1.0.1', attestations }, { now });
      assert.deepEqual(
        violations.map((violation) => violation.code),
        [code],
      );
    });
  }

  it('makes no YAML of hostile names', () => {
    const hostile = evidence('https://login.example', 'x]\n  - "*": {id: all}', 'statement/v1');
    const made = parsePolicy(suggestPolicy([{ name: 'e', attestations: [hostile] }], root));
    assert.equal(made.rules.length, 1);
    assert.equal(evaluatePolicy(made, { name: 'e', version: '1.0.0', attestations: [hostile] }, { now }).allowed, true);
  });

  it('can be added to, and keeps what people wrote', () => {
    const mine = '# ours\nversion: 1\ntrustRoots: { public-good: { builtin: sigstore-public-good } } # theirs\n';
    const added = addRules(addRules(mine, 'p', [packages[0] ?? assert.fail()]), 'p', [packages[2] ?? assert.fail()]);
    assert.match(added, /^# ours\n/);
    assert.match(added, /# theirs/);
    assert.deepEqual(
      parsePolicy(added).rules.map(({ id }) => id),
      ['acme-mono', 'carol-example-com'],
    );
    const again = addRules(added, 'p', [{ name: 'z', attestations: [workflow('acme/mono', '43')] }]);
    assert.ok(parsePolicy(again).publishers.has('acme-mono-2'));
  });

  it('takes an exception for one version', () => {
    const excepted = addException(text, 'p', {
      match: 'a@1.0.1',
      codes: ['TP110'],
      integrity: `sha512-${'A'.repeat(86)}==`,
      reason: 'outage: INC-1 # really',
      expires: '2026-12-01',
    });
    const facts = { name: 'a', version: '1.0.1', attestations: [], integrity: `sha512-${'A'.repeat(86)}==` };
    const decision = evaluatePolicy(parsePolicy(excepted, { now }), facts, { now });
    assert.equal(decision.allowed, true);
    assert.match(decision.violations[0]?.message ?? '', /outage: INC-1 # really/);
  });
});

describe('differences in plain words', () => {
  it('name what was added, removed and changed, whatever the order', () => {
    const before = { mode: 'enforce', rules: [{ id: 'a', match: ['x'] }, { id: 'b' }], distrust: [{ reason: 'r' }] };
    const after = { mode: 'warn', rules: [{ id: 'b' }, { id: 'a', match: ['x', 'y'] }], more: 1 };
    assert.deepEqual(describeChanges(before, after), [
      'mode was "enforce" and is now "warn"',
      'rules.a.match."y" is new: "y"',
      'distrust is gone; it was [{"reason":"r"}]',
      'more is new: 1',
    ]);
    assert.deepEqual(describeChanges(before, { ...before, rules: [...before.rules].reverse() }), []);
  });
});

describe('a policy that is valid', () => {
  it('is remarked upon where it is rarely meant', () => {
    const policy = parsePolicy(
      `
version: 1
trustRoots: { own: { file: x, packages: ['**'] } }
publishers:
  used: { github: { repository: acme/a } }
  unused: { oidc: { issuer: https://login.example, san: [a] } }
rules:
  - { id: one, match: [a], mode: warn, require: [ { provenance: { by: [used] } } ] }
  - { id: two, match: ['*'], require: [ { provenance: { repository: https://github.com/acme/a } } ] }
exceptions:
  - { match: a@1.0.0, codes: [TP110], integrity: 'sha512-${'A'.repeat(86)}==', reason: old, expires: 2026-01-01 }
`,
      { now: new Date('2025-12-01T00:00:00Z') },
    );
    const remarks = lintPolicy(policy, now).join('\n');
    for (const words of [
      'unused',
      'expired',
      'only warns',
      'any issuer',
      'nearly every name',
      'registered again',
      'both rule',
    ]) {
      assert.match(remarks, new RegExp(words));
    }
  });
});

describe('cases for a policy', () => {
  const policy = parsePolicy(suggestPolicy(packages, root));
  it('are judged as packages are', () => {
    const [good, bad] = parsePolicyCases(
      `
- package: c@1.0.0
  evidence: [ { issuer: https://login.example, subject: carol@example.com, predicateType: statement/v1 } ]
  expect: allowed
- { name: stripped, package: c@1.0.0, expect: [TP115] }
`,
      policy,
      'cases',
    );
    assert.deepEqual(evaluatePolicy(policy, good?.facts ?? assert.fail()).violations, []);
    assert.deepEqual(
      evaluatePolicy(policy, bad?.facts ?? assert.fail()).violations.map(({ code }) => code),
      bad?.expect,
    );
  });
  for (const text of [
    '- { package: c, expect: allowed }',
    '- { package: c@1, expect: [TP999] }',
    '- { package: c@1, expekt: allowed }',
    'a: 1',
  ]) {
    it(`are refused: ${text}`, () => {
      assert.throws(() => parsePolicyCases(text, policy, 'cases'), { code: 'ERR_POLICY_INVALID' });
    });
  }
});
