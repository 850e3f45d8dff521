import assert from 'node:assert/strict';
import { SignetError } from '@signet/primitives/formats';
import { describe, it } from 'mocha';
import { describeFailure } from '../src/failure.ts';

describe('failures', () => {
  it('map to the documented exit codes', () => {
    for (const [code, exitCode] of [
      ['ERR_USAGE', 2],
      ['ERR_NETWORK', 13],
      ['ERR_NETWORK_TIMEOUT', 13],
      ['ERR_VERSION_EXISTS', 15],
      ['ERR_CA_IDENTITY_MISMATCH', 11],
      ['ERR_CERT_FORMAT', 11],
    ] as const) {
      assert.equal(describeFailure(new SignetError(code, 'x')).exitCode, exitCode, code);
    }
    assert.equal(describeFailure(new TypeError('x')).exitCode, 1);
    assert.equal(describeFailure('thrown text').exitCode, 1);
  });

  it('never show a token, wherever it hides', () => {
    const token = `eyJhbGciOiJSUzI1NiJ9.${'a'.repeat(80)}.${'b'.repeat(80)}`;
    const error = new SignetError('ERR_CA_REFUSED', `invalid token: ${token}`, {
      found: `Bearer ${token}`,
      cause: new Error(`header Authorization: Bearer ${token}`),
    });
    const failure = describeFailure(error, { debug: true });
    assert.ok(!failure.text.includes('eyJ') && !JSON.stringify(failure.document).includes('eyJ'));
    assert.ok(!failure.text.includes('bbbb'));
  });

  it('stay inert whatever a server wrote into them', () => {
    const failure = describeFailure(new SignetError('ERR_CA_REFUSED', 'said: \u001b]8;;http://evil\u0007\u202e\r'));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what is looked for
    assert.doesNotMatch(failure.text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  });
});
