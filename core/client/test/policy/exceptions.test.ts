import assert from 'node:assert/strict';
import { evaluatePolicy, type InvalidEvidence, parsePolicy } from '@signet/client/policy';
import { SignetError } from '@signet/primitives/formats';

const now = new Date('2026-11-20T00:00:00Z');
const bytes = `sha512-${'A'.repeat(86)}==`;
const otherBytes = `sha512-${'B'.repeat(85)}A==`;

function policyWith(exception: string, more = '') {
  const text = `
version: 1
noMatch: deny
trustRoots: { acme: { file: root.json, packages: ['@acme/*'] } }
publishers: { alice: { oidc: { issuer: https://login.acme.example, san: alice@acme.example } } }
rules:
  - { id: signed, match: '@acme/*', require: [ { signature: { by: alice } } ] }
  - { id: scanned, match: '@acme/lib', require: [ { attestation: { predicateType: scan/v1, by: alice } } ] }
${more}
exceptions:
  - ${exception}
`;
  return parsePolicy(text, { path: 'p.yaml', now });
}

const good = `{ match: '@acme/lib@1.9.0', rules: [signed, scanned], codes: [TP115, TP130], integrity: '${bytes}',
      reason: scanner outage INC-771, expires: 2026-12-01, approvedBy: alice }`;

function decide(
  exception: string,
  change: { name?: string; version?: string; integrity?: string; invalid?: InvalidEvidence[]; at?: Date } = {},
) {
  const { at = now, ...facts } = change;
  const policy = policyWith(exception);
  return evaluatePolicy(
    policy,
    { name: '@acme/lib', version: '1.9.0', integrity: bytes, attestations: [], ...facts },
    { now: at },
  );
}

const codes = ({ violations }: ReturnType<typeof decide>): string =>
  violations.map(({ code, severity }) => `${code} ${severity}`).join(', ');

describe('exceptions', () => {
  it('let pass what they cover, and say until when and why', () => {
    const decision = decide(good);
    assert.equal(decision.allowed, true);
    assert.equal(codes(decision), 'TP115 warning, TP130 warning');
    assert.match(
      decision.violations[0]?.message ?? '',
      /excepted until 2026-12-01: scanner outage INC-771, approved by alice/,
    );
  });

  it('cover these bytes only', () => {
    assert.equal(codes(decide(good, { integrity: otherBytes })), 'TP115 error, TP130 error');
  });

  it('cover this version, these rules and these codes only', () => {
    assert.equal(codes(decide(good, { version: '1.9.1' })), 'TP115 error, TP130 error');
    assert.equal(codes(decide(good.replace('[signed, scanned]', '[signed]'))), 'TP115 warning, TP130 error');
    assert.equal(codes(decide(good.replace('[TP115, TP130]', '[TP130]'))), 'TP115 error, TP130 warning');
    const anyRule = good.replace('rules: [signed, scanned], ', '');
    assert.equal(codes(decide(anyRule)), 'TP115 warning, TP130 warning');
  });

  it('cover what no rule names, where they are for no rule', () => {
    const unnamed = good
      .replace('@acme/lib@1.9.0', 'left-pad')
      .replace('rules: [signed, scanned], ', '')
      .replace('TP115', 'TP101');
    assert.equal(codes(decide(unnamed, { name: 'left-pad' })), 'TP101 warning');
  });

  it('end, and remind of it', () => {
    const decision = decide(good, { at: new Date('2026-12-01T00:00:00Z') });
    assert.equal(decision.allowed, false);
    assert.equal(codes(decision), 'TP115 error, TP130 error, TP301 warning');
  });

  it('never cover evidence that is false', () => {
    const invalid = [{ predicateType: 'scan/v1', error: new SignetError('ERR_SIGNATURE', 'it does not verify') }];
    assert.equal(codes(decide(good, { invalid })), 'TP102 error');
    for (const code of ['TP102', 'TP104', 'TP106', 'TP114', 'TP120', 'TP121', 'TP150', 'TP301']) {
      assert.throws(() => policyWith(good.replace('TP115', code)), {
        code: 'ERR_POLICY_INVALID',
        message: /no exception from/,
      });
    }
  });

  const mistakes: Record<string, [from: string, to: string, message: RegExp]> = {
    'a reason': ['reason: scanner outage INC-771, ', '', /TP005.*reason is required/],
    'an end': ['expires: 2026-12-01, ', '', /TP006.*expires is required/],
    'an end that comes': ['2026-12-01', '2027-06-01', /TP006.*180 days/],
    bytes: [`integrity: '${bytes}',`, '', /TP007.*integrity is required/],
    'one hash': [bytes, `${bytes} ${otherBytes}`, /TP007/],
    'codes that exist': ['TP115', 'TP999', /no such code/],
    'rules that exist': ['[signed, scanned]', '[signd]', /did you mean signed\?/],
    'a package': ["'@acme/lib@1.9.0'", "'!@acme/lib'", /expected a package/],
  };
  for (const [what, [from, to, message]] of Object.entries(mistakes)) {
    it(`need ${what}`, () => {
      assert.ok(good.includes(from));
      assert.throws(() => policyWith(good.replace(from, to)), { code: 'ERR_POLICY_INVALID', message });
    });
  }
});
