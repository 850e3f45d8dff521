import assert from 'node:assert/strict';
import {
  type AttestationFacts,
  evaluatePolicy,
  type InvalidEvidence,
  type PackageFacts,
  parsePolicy,
  type SignerFacts,
  type Violation,
} from '@signet/client/policy';
import { SignetError } from '@signet/primitives/formats';

const policyText = `
version: 1
trustRoots:
  public-good: { builtin: sigstore-public-good }
  acme:
    file: ./trusted_root.json
    packages: ['@acme/*']
    issuers: [https://login.acme.example, https://token.actions.githubusercontent.com]
publishers:
  vault: { key: { file: vault.pub } }
  safe: { key: { file: safe.pub } }
  humans: { oidc: { issuer: https://login.acme.example, san: [alice@acme.example, bob@acme.example] } }
  scanner: { oidc: { issuer: https://login.acme.example, sanRegex: 'scan-[0-9]+@acme\\.example' } }
  ci:
    github: { repository: acme/*, ownerId: "4242", workflow: .github/workflows/release.yml, ref: "refs/tags/v*",
              runner: github-hosted, trigger: [push, release] }
rules:
  - { id: people, match: ['@acme/widgets'], require: [ { signature: { by: [humans] } } ] }
  - { id: two, match: ['@acme/core@>=2'], require: [ { signature: { by: [humans], threshold: 2 } } ] }
  - { id: keys, match: ['@acme/keys'], require: [ { signature: { by: [humans, vault, safe], threshold: 2 } } ] }
  - { id: built, match: ['@acme/built'], require: [ { provenance: { by: [ci], tagMatchesVersion: true } } ] }
  - { id: scan, match: ['@acme/scanned'], require: [ { attestation: { predicateType: scan/v1, by: [scanner], maxAge: 7d } } ] }
  - { id: soft, match: ['@acme/soft'], mode: warn, require: [ { signature: { by: [humans] } } ] }
  - { id: aged, match: ['@acme/aged'], minimumReleaseAge: 7d, require: [ { signature: { by: [humans, scanner] } } ] }
  - { id: express, match: [express], require: [ { provenance: { repository: https://github.com/expressjs/express } } ] }
distrust:
  - { integrity: 'sha512-${'A'.repeat(86)}==', reason: malicious release }
  - { identity: { issuer: https://login.acme.example, subject: bob@acme.example }, from: 2026-11-01, to: 2026-11-03, reason: laptop stolen }
  - { logEntry: { origin: log.acme.example, index: 4711 }, reason: stolen token }
`;
const policy = parsePolicy(policyText);
const now = new Date('2026-11-20T00:00:00Z');

function person(email: string, issuer = 'https://login.acme.example'): SignerFacts {
  return { kind: 'certificate', issuer, subject: { type: 'email', value: email }, claims: {} };
}

const vault: SignerFacts = { kind: 'key', publisher: 'vault' };
const safe: SignerFacts = { kind: 'key', publisher: 'safe' };

function workflow(change: Record<string, string> = {}): SignerFacts {
  const claims = {
    sourceRepositoryUri: 'https://github.com/Acme/built',
    sourceRepositoryIdentifier: '77',
    sourceRepositoryOwnerIdentifier: '4242',
    sourceRepositoryRef: 'refs/tags/v1.2.3',
    buildConfigUri: 'https://github.com/Acme/built/.github/workflows/release.yml@refs/tags/v1.2.3',
    buildTrigger: 'push',
    runnerEnvironment: 'github-hosted',
    ...change,
  };
  const issuer = 'https://token.actions.githubusercontent.com';
  return { kind: 'certificate', issuer, subject: { type: 'uri', value: claims.buildConfigUri }, claims };
}

interface Extra {
  type?: string;
  root?: string;
  time?: string;
  index?: bigint;
}

function by(
  signer: SignerFacts,
  { type = 'statement/v1', root = 'acme', time = '2026-11-19T00:00:00Z', index = 5n }: Extra = {},
): AttestationFacts {
  return {
    predicateType: type,
    predicate: {},
    verified: {
      signer,
      timestamps: [{ time: new Date(time) }],
      logEntries: [{ origin: 'log.acme.example', index }],
      trustRoot: root,
    },
  };
}

const slsa = { type: 'https://slsa.dev/provenance/v1' };
const alice = by(person('alice@acme.example'));
const bob = by(person('bob@acme.example'));
const invalid: InvalidEvidence = {
  predicateType: 'statement/v1',
  error: new SignetError('ERR_ATTESTATION_SUBJECT', 'its sha512 is another', { expected: 'aa', found: 'bb' }),
};

interface MoreFacts {
  version?: string;
  invalid?: InvalidEvidence[];
  integrity?: string;
}

function about(name: string, attestations: AttestationFacts[], more: MoreFacts = {}): PackageFacts {
  return { name, version: '1.2.3', attestations, ...more };
}

const decide = (facts: PackageFacts, by = policy) => evaluatePolicy(by, facts, { now });

const codes = (violations: readonly Violation[]): string =>
  violations.map(({ code, severity }) => `${code} ${severity}`).join(', ');

const table: [what: string, facts: PackageFacts, expected: string][] = [
  ['a listed signer', about('@acme/widgets', [alice]), ''],
  ['any one of the listed signers', about('@acme/widgets', [by(person('mallory@acme.example')), bob]), ''],
  ['another name in capitals', about('@acme/Widgets', []), 'TP115 error'],
  ['no evidence', about('@acme/widgets', []), 'TP115 error'],
  ['another person of the same issuer', about('@acme/widgets', [by(person('mallory@acme.example'))]), 'TP111 error'],
  [
    'the right name from another issuer',
    about('@acme/widgets', [by(person('alice@acme.example', 'https://evil.example'))]),
    'TP121 error',
  ],
  [
    'a name that only begins the same',
    about('@acme/widgets', [by(person('alice@acme.example.evil.example'))]),
    'TP111 error',
  ],
  ['a key instead of an identity', about('@acme/widgets', [by({ kind: 'key' })]), 'TP111 error'],
  ['good evidence and bad evidence beside it', about('@acme/widgets', [alice], { invalid: [invalid] }), 'TP102 error'],
  [
    'evidence under the public root for an owned name',
    about('@acme/widgets', [by(person('alice@acme.example'), { root: 'public-good' })]),
    'TP121 error',
  ],
  [
    'evidence under a private root for a public name',
    about('express', [by(workflow(), { ...slsa, root: 'acme' })]),
    'TP121 error',
  ],
  ['two distinct signers', about('@acme/core', [alice, bob], { version: '2.0.0' }), ''],
  ['two distinct keys', about('@acme/keys', [by(vault), by(safe)]), ''],
  ['a key and a person', about('@acme/keys', [by(vault), alice]), ''],
  ['one key twice where two signers are needed', about('@acme/keys', [by(vault), by(vault)]), 'TP113 error'],
  ['one signer twice where two are needed', about('@acme/core', [alice, alice], { version: '2.0.0' }), 'TP113 error'],
  ['a version below the rule’s range', about('@acme/core', [], { version: '1.0.0' }), 'TP101 warning'],
  ['a pre-release within the rule’s range', about('@acme/core', [], { version: '2.0.0-rc.1' }), 'TP115 error'],
  ['the workflow, with the owner in another case', about('@acme/built', [by(workflow(), slsa)]), ''],
  [
    'the repository of another owner of the same name',
    about('@acme/built', [by(workflow({ sourceRepositoryOwnerIdentifier: '666' }), slsa)]),
    'TP111 error',
  ],
  [
    'another workflow of the repository',
    about('@acme/built', [
      by(
        workflow({ buildConfigUri: 'https://github.com/Acme/built/.github/workflows/test.yml@refs/tags/v1.2.3' }),
        slsa,
      ),
    ]),
    'TP111 error',
  ],
  [
    'a self-hosted runner',
    about('@acme/built', [by(workflow({ runnerEnvironment: 'self-hosted' }), slsa)]),
    'TP111 error',
  ],
  ['a pull request', about('@acme/built', [by(workflow({ buildTrigger: 'pull_request' }), slsa)]), 'TP111 error'],
  [
    'the tag of another version',
    about('@acme/built', [by(workflow({ sourceRepositoryRef: 'refs/tags/v1.2.4' }), slsa)]),
    'TP112 error',
  ],
  [
    'a branch',
    about('@acme/built', [by(workflow({ sourceRepositoryRef: 'refs/heads/main' }), slsa)]),
    'TP111 error, TP112 error',
  ],
  ['a statement that is not provenance', about('@acme/built', [by(workflow())]), 'TP110 error'],
  [
    'the repository that is asked for',
    about('express', [
      by(workflow({ sourceRepositoryUri: 'https://github.com/expressjs/express' }), { ...slsa, root: 'public-good' }),
    ]),
    '',
  ],
  [
    'another repository',
    about('express', [
      by(workflow({ sourceRepositoryUri: 'https://github.com/evil/express' }), { ...slsa, root: 'public-good' }),
    ]),
    'TP111 error',
  ],
  ['a fresh attestation', about('@acme/scanned', [by(person('scan-7@acme.example'), { type: 'scan/v1' })]), ''],
  [
    'a stale attestation',
    about('@acme/scanned', [by(person('scan-7@acme.example'), { type: 'scan/v1', time: '2026-11-01T00:00:00Z' })]),
    'TP131 error',
  ],
  [
    'an attestation by somebody else',
    about('@acme/scanned', [by(person('alice@acme.example'), { type: 'scan/v1' })]),
    'TP131 error',
  ],
  [
    'an attestation whose signer merely contains the pattern',
    about('@acme/scanned', [by(person('xscan-7@acme.example.evil'), { type: 'scan/v1' })]),
    'TP131 error',
  ],
  ['an attestation of another type', about('@acme/scanned', [alice]), 'TP130 error'],
  ['a missing signature where the rule warns', about('@acme/soft', []), 'TP115 warning'],
  ['invalid evidence where the rule warns', about('@acme/soft', [], { invalid: [invalid] }), 'TP102 error'],
  ['a package that no rule names', about('left-pad', []), 'TP101 warning'],
  [
    'a signer within the time of distrust',
    about('@acme/widgets', [by(person('bob@acme.example'), { time: '2026-11-02T12:00:00Z' })]),
    'TP150 error',
  ],
  ['a signer outside of the time of distrust', about('@acme/widgets', [bob]), ''],
  [
    'a distrusted log entry',
    about('@acme/widgets', [by(person('alice@acme.example'), { index: 4711n })]),
    'TP150 error',
  ],
  [
    'distrusted bytes, well signed',
    about('@acme/widgets', [alice], { integrity: `sha512-${'A'.repeat(86)}==` }),
    'TP150 error',
  ],
];

const old = { time: '2026-11-01T00:00:00Z' };
const ageTable: typeof table = [
  ['a release that is old enough', about('@acme/aged', [by(person('alice@acme.example'), old)]), ''],
  ['a release of yesterday', about('@acme/aged', [alice]), 'TP140 error'],
  [
    'an old release with a scan of yesterday',
    about('@acme/aged', [
      by(person('scan-1@acme.example'), { type: 'scan/v1' }),
      by(person('alice@acme.example'), { ...slsa, ...old }),
    ]),
    '',
  ],
  [
    'provenance of yesterday beside an older scan',
    about('@acme/aged', [
      by(person('scan-1@acme.example'), { type: 'scan/v1', ...old }),
      by(person('alice@acme.example'), slsa),
    ]),
    'TP140 error',
  ],
  ['a release without evidence', about('@acme/aged', []), 'TP115 error'],
];

describe('policy decisions', () => {
  for (const [what, facts, expected] of [...table, ...ageTable]) {
    it(`on ${what}: ${expected || 'allowed'}`, () => {
      const { allowed, violations } = decide(facts);
      assert.equal(codes(violations), expected);
      assert.equal(allowed, !expected.includes('error'));
    });
  }

  it('do not hold its youth against a package that is just being published', () => {
    const facts = about('@acme/aged', [alice]);
    assert.equal(evaluatePolicy(policy, facts, { now, publishing: true }).allowed, true);
  });

  it('say who may publish, who did, and with what evidence', () => {
    const [violation] = decide(about('@acme/widgets', [by(person('mallory@acme.example'))])).violations;
    assert.equal(violation?.rule, 'people');
    assert.equal(violation?.package, '@acme/widgets@1.2.3');
    assert.equal(violation?.expected, 'subject alice@acme.example or bob@acme.example');
    assert.equal(violation?.found, 'subject mallory@acme.example');
    assert.equal(
      violation?.evidence,
      'mallory@acme.example (issuer https://login.acme.example), log log.acme.example index 5, 2026-11-19T00:00:00Z',
    );
    assert.ok(violation?.next);
  });

  it('name the rules that were asked and the root that owns the name', () => {
    const { rules, trustRoot } = decide(about('@acme/widgets', [alice]));
    assert.deepEqual([rules, trustRoot], [['people'], 'acme']);
    assert.equal(decide(about('left-pad', [])).trustRoot, 'public-good');
  });

  it('report evidence that another root vouches for as that', () => {
    const { violations } = decide(about('@acme/widgets', [], { invalid: [{ ...invalid, otherRoot: 'public-good' }] }));
    assert.equal(codes(violations), 'TP121 error');
  });

  it('deny what two roots own, and what nobody owns but somebody signed', () => {
    const both = parsePolicy(
      policyText.replace('{ builtin: sigstore-public-good }', "{ file: x.json, packages: ['@acme/w*'] }"),
    );
    const facts = { name: '@acme/widgets', version: '1.2.3', attestations: [alice] };
    assert.equal(codes(decide(facts, both).violations), 'TP120 error');
    assert.equal(codes(decide({ ...facts, name: 'express' }, both).violations), 'TP120 error');
  });

  it('say that something is missing only where nothing is there that does not hold', () => {
    const scanned = parsePolicy(
      policyText.replace(
        'rules:\n',
        "rules:\n  - { id: scan-of-built, match: ['@acme/built'], require: [ { attestation: { predicateType: scan/v1, by: [humans] } } ] }\n",
      ),
    );
    const falsely = (predicateType?: string) => {
      const { allowed, violations } = decide(
        about('@acme/built', [], {
          invalid: [{ error: invalid.error, ...(predicateType === undefined ? {} : { predicateType }) }],
        }),
        scanned,
      );
      assert.equal(allowed, false);
      return codes(violations);
    };
    assert.equal(falsely(), 'TP102 error');
    assert.equal(falsely('https://slsa.dev/provenance/v1'), 'TP102 error, TP130 error');
    assert.equal(falsely('scan/v1'), 'TP102 error, TP110 error');
    assert.equal(falsely('statement/v1'), 'TP102 error, TP130 error, TP110 error');
  });

  it('tighten and never loosen when a rule is added', () => {
    const more = policyText.replace(
      'rules:\n',
      "rules:\n  - { id: all, match: ['**'], require: [ { provenance: { repository: https://github.com/nobody/nothing } } ] }\n",
    );
    const tighter = parsePolicy(more);
    for (const [what, facts] of table) {
      const denied = decide(facts, tighter);
      assert.equal(denied.allowed, false, what);
      const before = decide(facts).violations.filter(({ code }) => code !== 'TP101');
      for (const violation of before) assert.ok(codes(denied.violations).includes(codes([violation])), what);
    }
  });
});
