import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { assertIntegrity, parseIntegrity, sha512Integrity } from '@signet/client/npm';
import { utf8 } from '@signet/primitives/formats';
import fc from 'fast-check';

const good = sha512Integrity(utf8('good'));
const evil = sha512Integrity(utf8('evil'));

describe('integrity values', () => {
  it('are the sha512 of the bytes and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        assert.deepEqual(
          Buffer.from(parseIntegrity(sha512Integrity(bytes))),
          createHash('sha512').update(bytes).digest(),
        );
        assertIntegrity(bytes, sha512Integrity(bytes), 'the bytes');
      }),
    );
  });

  it('tell other bytes apart', () => {
    assert.throws(() => assertIntegrity(utf8('evil'), good, 'the tarball'), {
      code: 'ERR_INTEGRITY_MISMATCH',
      expected: good,
      found: evil,
    });
  });

  for (const [what, text] of [
    ['two hashes, of which npm accepts either', `${good} ${evil}`],
    ['the same hash twice', `${good} ${good}`],
    ['a weaker algorithm', 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk='],
    ['a weaker algorithm beside sha512', `sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= ${good}`],
    ['options', `${good}?foo`],
    ['surrounding space', ` ${good}`],
    ['a final line break', `${good}\n`],
    ['unused bits that are set', good.replace(/.==$/, 'B==')],
    ['the URL alphabet', `sha512-${'_'.repeat(86)}==`],
    ['a digest that is too short', 'sha512-AAAA'],
    ['upper case', good.replace('sha512', 'SHA512')],
    ['nothing', ''],
  ] as const) {
    it(`refuses ${what}`, () => assert.throws(() => parseIntegrity(text), { code: 'ERR_INTEGRITY_FORMAT' }));
  }
});
