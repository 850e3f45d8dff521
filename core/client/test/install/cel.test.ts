import assert from 'node:assert/strict';
import { evaluateExpressions, expressionsFor } from '@signet/client/install';
import { type AttestationFacts, evaluatePolicy, parsePolicy } from '@signet/client/policy';

const expression = 'attestation.predicate.vulnerabilities.critical == 0';
const policy = parsePolicy(`
version: 1
trustRoots: { own: { file: root.json } }
publishers: { scanner: { oidc: { issuer: https://i.example, san: scan } } }
rules: [ { id: r, match: p, require: [ { attestation: { predicateType: scan/v1, by: scanner }, cel: "${expression}" } ] } ]
`);
const subject = { name: 'p', version: '1.0.0' };

function scan(predicate: Record<string, unknown>): AttestationFacts {
  return {
    predicateType: 'scan/v1',
    predicate,
    verified: {
      signer: { kind: 'certificate', issuer: 'https://i.example', subject: { type: 'uri', value: 'scan' }, claims: {} },
      timestamps: [{ time: new Date() }],
      logEntries: [],
      trustRoot: 'own',
    },
  };
}

async function decide(predicate: Record<string, unknown>): Promise<string> {
  const attestation = scan(predicate);
  const cel = await evaluateExpressions(expressionsFor(policy, subject.name, subject.version), attestation, subject);
  const { violations } = evaluatePolicy(policy, { ...subject, attestations: [{ ...attestation, cel }] });
  return violations.map(({ code, found }) => `${code} ${found}`).join(', ');
}

describe('CEL expressions over attestations', () => {
  it('must be true', async () => {
    assert.equal(await decide({ vulnerabilities: { critical: 0 } }), '');
    assert.equal(await decide({ vulnerabilities: { critical: 3 } }), 'TP132 false');
    assert.match(await decide({}), /^TP132 .*vulnerabilities/);
  });

  it('are not true where nobody has evaluated them', () => {
    const attestations = [scan({ vulnerabilities: { critical: 0 } })];
    assert.equal(evaluatePolicy(policy, { ...subject, attestations }).violations[0]?.code, 'TP132');
  });

  const strange: [expression: string, says: RegExp | boolean][] = [
    ['name == "p" && version == "1.0.0"', true],
    ['attestation.predicateType', /no condition/],
    ['attestation.', /./],
    ['globalThis.process.exit(1)', /./],
    ['"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!".matches("^(a+)+$")', false],
  ];
  for (const [text, says] of strange) {
    it(`say what they are: ${text}`, async () => {
      const results = await evaluateExpressions([text], scan({}), subject);
      if (typeof says === 'boolean') assert.equal(results[text], says);
      else assert.match(String(results[text]), says);
    });
  }

  it('end when they take too long, and the next is evaluated', async function () {
    this.timeout(20_000);
    const list = Array.from({ length: 3000 }, (_, index) => index);
    const slow =
      'attestation.predicate.l.all(a, attestation.predicate.l.all(b, attestation.predicate.l.all(c, a + b + c >= 0.0)))';
    const results = await evaluateExpressions([slow, 'true'], scan({ l: list }), subject);
    assert.match(String(results[slow]), /longer than 2 s/);
    assert.equal(results.true, true);
  });

  it('are only those of rules that name the package', () => {
    assert.deepEqual(expressionsFor(policy, 'p', '1.0.0'), [expression]);
    assert.deepEqual(expressionsFor(policy, 'q', '1.0.0'), []);
  });
});
