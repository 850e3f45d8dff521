import assert from 'node:assert/strict';
import { describeValue, inert, inertUrl, redact } from '@signet/primitives/formats';
import { describe, it } from 'mocha';

describe('inert', () => {
  it('leaves letters of every language as they are', () => {
    for (const text of ['plain, with "quotes" and \\n', 'größe', '中文', 'עברית', 'عربى', '😀', 'a\u0301']) {
      assert.equal(inert(text), text);
    }
  });

  it('escapes what acts on a terminal or deceives a reader', () => {
    const hostile = [
      '\u001b[2J',
      '\u009b31m',
      '\r',
      '\b',
      '\u0000',
      '\u202e',
      '\u2066',
      '\u200b',
      '\ufeff',
      '\u2028',
      '\u{e0041}',
      '\ud800',
      '\u3164',
      '\n',
    ];
    for (const text of hostile) {
      const shown = inert(`a${text}b`);
      assert.match(shown, /^a\\u\{[0-9a-f]+\}.*b$/, JSON.stringify(text));
      assert.ok(!shown.includes(text));
    }
  });

  it('keeps line feeds only where lines are asked for', () => {
    assert.equal(inert('a\nb', { lines: true }), 'a\nb');
    assert.equal(inert('a\r\nb', { lines: true }), 'a\\u{d}\nb');
  });

  it('bounds the length and says how much is missing', () => {
    assert.equal(inert('x'.repeat(12), { limit: 10 }), `${'x'.repeat(10)}… (2 more characters)`);
    assert.ok(inert('x'.repeat(1e6)).length < 5000);
  });

  it('shows parsed values of every shape without calling what is in them', () => {
    for (const value of [{ toString: {} }, { toString: 'x', valueOf: 1 }, [{ toString: {} }], Object.create(null)]) {
      assert.equal(typeof inert(value), 'string');
      assert.equal(typeof describeValue(value), 'string');
    }
    assert.equal(describeValue({ toString: {} }), 'an object');
    assert.equal(describeValue(undefined), 'nothing');
  });

  it('links only to http and https, without credentials', () => {
    assert.equal(inertUrl('https://user:pass@example.com/a b'), 'https://example.com/a%20b');
    for (const text of ['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'nonsense']) {
      assert.equal(inertUrl(text), undefined);
    }
  });
});

describe('redact', () => {
  it('removes tokens, passwords and authorization values', () => {
    const token = `eyJhbGciOiJSUzI1NiJ9.${'c'.repeat(40)}.${'d'.repeat(40)}`;
    for (const [text, secret] of [
      [`invalid identity token: ${token}`, 'cccc'],
      [`cut off ${token.slice(0, 50)}`, 'cccc'],
      ['Authorization: Bearer abc123def456ghi7', 'abc123'],
      [`npm_${'A1'.repeat(18)} refused`, 'A1A1'],
      ['//registry.example/:_authToken=s3cr3tvalue', 's3cr3t'],
      ['https://alice:hunter2@registry.example/', 'hunter2'],
      ['GET /callback?code=abcdef&state=1', 'abcdef'],
      ['{"password":"hunter2"}', 'hunter2'],
    ] as const) {
      assert.ok(!redact(text).includes(secret), `${text} -> ${redact(text)}`);
    }
  });

  it('removes secrets that are known by value', () => {
    assert.equal(redact('value opaque-secret-1 here', ['opaque-secret-1']), 'value [secret] here');
  });

  it('leaves ordinary sentences alone', () => {
    const text =
      'The bearer authentication of the token endpoint: password grant is not offered (basic responsibilities).';
    assert.equal(redact(text), text);
  });
});
