import assert from 'node:assert/strict';
import { parsePolicy } from '@signet/client/policy';
import fc from 'fast-check';

const whole = `
version: 1
mode: enforce
noMatch: warn
trustRoots:
  public-good: { builtin: sigstore-public-good }
  acme:
    file: ./trust/trusted_root.json
    packages: ['@acme/*']
    issuers: [https://login.acme.example]
publishers:
  humans: { oidc: { issuer: https://login.acme.example, san: [alice@acme.example, bob@acme.example] } }
  scanner: { oidc: { issuer: https://login.acme.example, sanRegex: 'spiffe://acme\\.example/scan-[a-z0-9]+' } }
  ci:
    github: { repository: acme/*, ownerId: 4242, workflow: .github/workflows/release.yml, ref: "refs/tags/v*", trigger: push }
rules:
  - id: acme
    match: ['@acme/*', '!@acme/legacy-*']
    require:
      - provenance: { by: [ci], tagMatchesVersion: true }
      - signature: { by: [humans], threshold: 2 }
      - attestation: { predicateType: https://example.org/scan/v1, by: [scanner], maxAge: 7d }
  - id: express
    match: express@4
    mode: warn
    require: [ { provenance: { repository: https://github.com/expressjs/express } } ]
distrust:
  - identity: { issuer: https://login.acme.example, subject: bob@acme.example }
    from: 2026-11-01T00:00:00Z
    to: 2026-11-03
    reason: laptop stolen
  - logEntry: { origin: npm.acme.example/-/signet/log, index: 4711 }
    reason: signed with a stolen token
`;

describe('trust policies', () => {
  it('are read in full', () => {
    const policy = parsePolicy(whole, { path: 'p.yaml' });
    assert.deepEqual([policy.mode, policy.noMatch, policy.path], ['enforce', 'warn', 'p.yaml']);
    const [publicGood, acme] = policy.trustRoots;
    assert.equal(publicGood?.packages, undefined);
    assert.deepEqual(acme?.source, { kind: 'file', path: './trust/trusted_root.json' });
    assert.deepEqual(acme?.issuers, ['https://login.acme.example']);
    assert.deepEqual([...policy.publishers.keys()], ['humans', 'scanner', 'ci']);
    assert.equal((policy.publishers.get('ci') as { ownerId?: string }).ownerId, '4242');
    const [first, second] = policy.rules;
    assert.deepEqual(first?.require, [
      { kind: 'provenance', by: ['ci'], tagMatchesVersion: true },
      { kind: 'signature', by: ['humans'], threshold: 2 },
      { kind: 'attestation', predicateType: 'https://example.org/scan/v1', by: ['scanner'], maxAge: 604_800_000 },
    ]);
    assert.deepEqual([first?.mode, second?.mode], ['enforce', 'warn']);
    assert.equal(policy.distrust[0]?.to?.toISOString(), '2026-11-03T00:00:00.000Z');
    assert.deepEqual(policy.distrust[1]?.what, {
      kind: 'logEntry',
      origin: 'npm.acme.example/-/signet/log',
      index: 4711n,
    });
  });

  it('give every rule the default release age, unless it has its own', () => {
    const rule = (id: string, more = '') =>
      `{ id: ${id}, match: ${id}, ${more} require: [ { signature: { by: [a] } } ] }`;
    const { rules } = parsePolicy(`version: 1
defaults: { minimumReleaseAge: 7d }
publishers: { a: { oidc: { issuer: https://login.acme.example, san: a } } }
rules: [ ${rule('x')}, ${rule('y', 'minimumReleaseAge: 12h,')} ]`);
    assert.deepEqual(
      rules.map(({ minimumReleaseAge }) => minimumReleaseAge),
      [604_800_000, 43_200_000],
    );
  });

  it('can be JSON', () => {
    assert.equal(parsePolicy('{"version": 1, "noMatch": "deny"}').noMatch, 'deny');
  });

  it('enforce unless they say otherwise', () => {
    assert.equal(parsePolicy('version: 1').mode, 'enforce');
  });

  const replace = (from: string, to: string): string => {
    assert.ok(whole.includes(from), from);
    return whole.replace(from, to);
  };
  const mistakes: Record<string, [text: string, message: RegExp]> = {
    'nothing in it': ['', /expected a mapping/],
    'no version': ['mode: warn', /version: expected 1/],
    'a newer version': ['version: 2', /newer signet/],
    'an unknown key at the top': [
      replace('noMatch:', 'nomatch:'),
      /p\.yaml:4: TP001 nomatch: unknown key; did you mean noMatch\?/,
    ],
    'an unknown key in a requirement': [
      replace('threshold: 2', 'treshold: 2'),
      /p\.yaml:21: .*treshold.*did you mean threshold/,
    ],
    'a key that only later versions understand': [
      replace('mode: enforce', 'registries: {}'),
      /does not support it yet/,
    ],
    'a policy of others under an unknown root': [
      replace('mode: enforce', 'extends: [ { url: https://p.example, trustRoot: publicgood } ]'),
      /unknown trust root; did you mean public-good\?/,
    ],
    'a policy of others by an unknown publisher': [
      replace('mode: enforce', 'extends: [ { url: https://p.example, trustRoot: public-good, by: scaner } ]'),
      /unknown publisher; did you mean scanner\?/,
    ],
    'two policies of others under one root': [
      replace('mode: enforce', `extends: [ ${'{ url: https://p.example, trustRoot: public-good }, '.repeat(2)} ]`),
      /two policies under this trust root/,
    ],
    'a policy of others from a file': [
      replace('mode: enforce', 'extends: [ { url: file:///x, trustRoot: public-good } ]'),
      /URL of http or https/,
    ],
    'a sequence that is none': [replace('mode: enforce', 'sequence: -1'), /whole number/],
    'a default that only later versions understand': [
      replace('mode: enforce', 'defaults: { thresholds: {} }'),
      /does not support it yet/,
    ],
    'an age that is none': [replace('mode: enforce', 'defaults: { minimumReleaseAge: week }'), /expected a duration/],
    'an unknown kind of requirement': [replace('- signature:', '- signatures:'), /did you mean signature\?/],
    'a key twice': [replace('noMatch: warn', 'noMatch: warn\nnoMatch: allow'), /p\.yaml:5: .*unique/i],
    'another tag': [replace('mode: enforce', 'mode: !!js/function enforce'), /tag/i],
    'a merge key': [replace('{ builtin: sigstore-public-good }', '{ <<: {}, builtin: sigstore-public-good }'), /<</],
    'a second document': [`${whole}\n---\nversion: 1\n`, /document/i],
    'a publisher without an issuer': [replace('issuer: https://login.acme.example, san:', 'san:'), /TP003/],
    'a publisher with two kinds of subject': [
      replace(', sanRegex:', ', san: [x], sanRegex:'),
      /exactly one of san and sanRegex/,
    ],
    'a regular expression that matches anybody': [
      replace("'spiffe://acme\\.example/scan-[a-z0-9]+'", "'.*'"),
      /TP004.*arbitrary/,
    ],
    'a regular expression that matches nobody’s name': [
      replace("'spiffe://acme\\.example/scan-[a-z0-9]+'", "'|x'"),
      /TP004/,
    ],
    'a regular expression that is none': [replace("'spiffe://acme\\.example/scan-[a-z0-9]+'", "'(?=x)'"), /TP004.*RE2/],
    'an empty list of subjects': [replace('[alice@acme.example, bob@acme.example]', '[]'), /the list is empty/],
    'a publisher that anybody on GitHub is': [
      replace('repository: acme/*, ownerId: 4242, ', ''),
      /every workflow on GitHub/,
    ],
    'a repository of any owner': [replace('repository: acme/*', 'repository: "*/widgets"'), /owner\/name/],
    'a publisher nobody defined': [replace('by: [humans]', 'by: [human]'), /unknown publisher; did you mean humans\?/],
    'a rule that asks for nothing': [
      replace('require: [ { provenance', 'require: []\n    x: [ { provenance'),
      /unknown key|asks for nothing/,
    ],
    'provenance of anybody': [
      replace('{ by: [ci], tagMatchesVersion: true }', '{ tagMatchesVersion: true }'),
      /needs by or repository/,
    ],
    'two rules of one name': [replace('id: express', 'id: acme'), /two rules have this id/],
    'a pattern that is none': [replace('match: express@4', 'match: "^express$"'), /a pattern is/],
    'a rule that only removes': [replace('match: express@4', 'match: "!express"'), /matches nothing/],
    'two roots for all names': [replace("    packages: ['@acme/*']\n", ''), /two trust roots without packages/],
    'a root that owns versions': [replace("['@acme/*']", "['@acme/*@1']"), /owns names, not versions/],
    'a root from nowhere': [
      replace('    file: ./trust/trusted_root.json\n', ''),
      /exactly one of builtin, file and tuf/,
    ],
    'an issuer that is no URL': [
      replace('issuers: [https://login.acme.example]', 'issuers: [login.acme.example]'),
      /URL/,
    ],
    'distrust without a reason': [replace('    reason: laptop stolen\n', ''), /reason/],
    'distrust of nothing': [
      replace('  - logEntry: { origin: npm.acme.example/-/signet/log, index: 4711 }\n    reason', '  - reason'),
      /exactly one of identity/,
    ],
    'a time that is none': [replace('2026-11-01T00:00:00Z', 'yesterday'), /expected a time/],
    'a duration that is none': [replace('maxAge: 7d', 'maxAge: 7'), /expected a duration/],
  };
  for (const [what, [text, message]] of Object.entries(mistakes)) {
    it(`are refused with ${what}`, () => {
      assert.throws(() => parsePolicy(text, { path: 'p.yaml' }), { code: 'ERR_POLICY_INVALID', message });
    });
  }

  it('are refused when they blow up or are too large', () => {
    const bomb = `a0: &a0 [x, x]\n${Array.from({ length: 20 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i}, `.repeat(9)}]`).join('\n')}`;
    assert.throws(() => parsePolicy(`version: 1\n${bomb}`), { code: 'ERR_POLICY_INVALID' });
    assert.throws(() => parsePolicy(' '.repeat(2 ** 20 + 1)), { code: 'ERR_INPUT_TOO_LARGE' });
  });

  it('have no members that a prototype lends them', () => {
    assert.throws(
      () => parsePolicy('version: 1\nrules: [{ id: a, match: a, require: [{ signature: { by: [constructor] } }] }]'),
      {
        code: 'ERR_POLICY_INVALID',
        message: /unknown publisher/,
      },
    );
    assert.throws(() => parsePolicy('version: 1\n__proto__: { mode: warn }'), { code: 'ERR_POLICY_INVALID' });
  });

  it('never fail in another way than with a Signet error', () => {
    const line = fc.tuple(fc.nat({ max: 40 }), fc.string({ maxLength: 20 }));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 4 }), (changes) => {
        const lines = whole.split('\n');
        for (const [at, text] of changes) lines[at % lines.length] += text;
        try {
          parsePolicy(lines.join('\n'));
        } catch (error) {
          assert.equal((error as Error).name, 'SignetError', String((error as Error).stack));
        }
      }),
    );
  });
});
