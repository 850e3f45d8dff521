import assert from 'node:assert/strict';
import { describeCheck, describeVerified, plain, reasonOf, wrap } from './words.ts';

const [ours, theirs] = ['ca8c695c6e6e'.padEnd(128, '0'), '48b179136fcc'.padEnd(128, '0')];

describe('the words of the quickstart', () => {
  it('take the registry’s sentence out of what npm prints', () => {
    const output = `npm notice 📦  @example/x@1.0.0
npm error code E403
npm error 403 403 Forbidden - PUT http://127.0.0.1:4873/@example%2fx - @example/x@1.0.0 comes without signed evidence (TP110)
npm error 403 In most cases, you or one of your dependencies are requesting a package version that is forbidden
`;
    assert.equal(reasonOf(output), '403: @example/x@1.0.0 comes without signed evidence (TP110)');
  });

  it('keep expected and found of the violation that comes first, and nothing of the next one', () => {
    const output = `  ✖ @example/x@1.0.0  TP102 the attestation https://slsa.dev/provenance/v1 is present but does not verify: other bytes
      expected: sha512 ${ours}
      found:    sha512 ${theirs}
    TP110 provenance is missing
      expected: provenance by author
      found:    no evidence
`;
    assert.equal(
      reasonOf(output),
      '@example/x@1.0.0 TP102 the provenance is present but does not verify: other bytes, expected sha512 ca8c695c6e6e…, found sha512 48b179136fcc…',
    );
  });

  it('leave out who speaks, the request and the code', () => {
    const sentence =
      'signet: http://127.0.0.1:4873/ refuses publishing @example/x@1.0.0 (status 422): wrong publisher (TP111) [ERR_REGISTRY_REFUSED]';
    assert.equal(plain(sentence), '422: wrong publisher (TP111)');
  });

  it('end before advice to somebody else, and say nothing twice', () => {
    const output = `signet: the registry would refuse @example/x@1.0.0 by m@example.com (issuer http://127.0.0.1:1/-/signet/oidc): subject differs: expected subject a@example.com, found subject m@example.com (TP111, rule r); nothing was signed. Publish as one whom its policy names [ERR_POLICY_DENIED]
  expected: subject a@example.com
  found:    subject m@example.com
`;
    assert.equal(
      reasonOf(output),
      'the registry would refuse @example/x@1.0.0 by m@example.com: subject differs: expected subject a@example.com, found subject m@example.com (TP111, rule r); nothing was signed',
    );
  });

  it('name services instead of URLs', () => {
    assert.equal(
      describeCheck(
        'timestamped by http://127.0.0.1:1/-/signet/tsa/api/v1/timestamp; in http://127.0.0.1:1/-/signet/log',
      ),
      'timestamped by the timestamp authority; in the log',
    );
    assert.equal(
      describeVerified(
        '  ✔ @example/x@1.0.0  signed by a@b.c (http://127.0.0.1:1/oidc)  2026-01-01T00:00:00Z  log h/log #7',
      ),
      '@example/x@1.0.0, signed by a@b.c, 2026-01-01T00:00:00Z, entry 7 of the log',
    );
  });

  it('stay within the width of the terminal, but break no word', () => {
    assert.deepEqual(wrap('one two three', 7), ['one two', 'three']);
    assert.deepEqual(wrap('https://example.com/ is long', 8), ['https://example.com/', 'is long']);
  });
});
