import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { assertAudience, describeToken, IdentityToken } from '@signet/client/identity';
import { describe, it } from 'mocha';
import { unsignedToken } from './tokens.ts';

describe('an identity token', () => {
  it('shows itself in no way that a program prints things', () => {
    const text = unsignedToken({ email: 'alice@example.com' });
    const token = IdentityToken.parse(`${text}\n`);
    const signature = text.split('.')[2] ?? '';
    const shown = [
      `${token}`,
      JSON.stringify({ token }),
      inspect({ token }, { depth: 9, showHidden: true }),
      String(Object.values(token)),
    ];
    for (const one of shown) assert.ok(!one.includes(signature), one);
    assert.equal(token.reveal(), text);
  });

  it('is refused when it is no signed JSON Web Token, without quoting it', () => {
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.AA`;
    for (const text of [
      '',
      'secret-value-1',
      'a.b',
      'secret-value-1.x.y',
      'e30.e30.',
      none,
      `${'a'.repeat(40_000)}.b.c`,
    ]) {
      assert.throws(
        () => IdentityToken.parse(text),
        (error: Error & { code?: string; found?: string }) =>
          error.code === 'ERR_IDENTITY_TOKEN' && !`${error.message} ${error.found}`.includes('secret-value-1'),
        text.slice(0, 40),
      );
    }
  });

  it('is refused without issuer, subject, audience or expiry', () => {
    for (const claim of ['iss', 'sub', 'aud', 'exp']) {
      assert.throws(() => IdentityToken.parse(unsignedToken({ [claim]: undefined })), {
        code: 'ERR_IDENTITY_TOKEN',
        message: new RegExp(claim),
      });
    }
  });

  it('has the claims that it says, whatever was read before', () => {
    const [header, , signature] = unsignedToken().split('.');
    const read = (claims: string) =>
      IdentityToken.parse(`${header}.${Buffer.from(claims).toString('base64url')}.${signature}`);
    // After the first document, V8's JSON.parse takes the escaped member of the second for another.
    JSON.parse('{"iss":"https://login.example","su\\\\":"x"}');
    assert.equal(read('{"iss":"https://login.example","su\\u0062":"x","aud":"sigstore","exp":1}').subject, 'x');
    assert.throws(() => read('{"iss":"https://login.example","sub":"x","sub":"y","aud":"sigstore","exp":1}'), {
      code: 'ERR_IDENTITY_TOKEN',
    });
  });

  it('is refused with an expiry that no date has', () => {
    for (const exp of [1e300, -1e300, 8.64e12 + 1, Number.MAX_SAFE_INTEGER]) {
      assert.throws(() => IdentityToken.parse(unsignedToken({ exp })), { code: 'ERR_IDENTITY_TOKEN' });
    }
  });

  it('is refused when it has expired or is made out for another audience', () => {
    const token = IdentityToken.parse(unsignedToken({ exp: 1000, aud: ['npm:registry.example'] }));
    assert.throws(() => token.assertCurrent(), { code: 'ERR_IDENTITY_TOKEN_EXPIRED' });
    assert.throws(() => assertAudience(token, 'sigstore'), { code: 'ERR_IDENTITY_TOKEN_AUDIENCE' });
  });

  it('is described by inert claims only', () => {
    const shown = describeToken(
      unsignedToken({ sub: 'a\u001b[31m', repository: 'acme/\u202elib', jti: 'replay-me', nested: {} }),
    );
    assert.equal(shown.subject, 'a\\u{1b}[31m');
    assert.deepEqual(shown.claims, { repository: 'acme/\\u{202e}lib' });
  });
});
