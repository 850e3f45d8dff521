import assert from 'node:assert/strict';
import { verifyBundle } from '@signet/client/verify';
import { SignetError } from '@signet/primitives/formats';
import fc from 'fast-check';
import { artifact, identities, Lab } from './lab.ts';

/** All paths to values inside a JSON document. */
function paths(value: unknown, prefix: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [prefix];
  return [prefix, ...Object.entries(value).flatMap(([key, child]) => paths(child, [...prefix, key]))];
}

function replaceAt(document: unknown, path: readonly (string | number)[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(document)
    ? [...document]
    : { ...(document as object) };
  const target = copy as Record<string, unknown>;
  target[String(key)] = replaceAt(target[String(key)], rest, value);
  return copy;
}

function flip(text: string, position: number, by: number): string {
  const at = position % text.length;
  const code = text.charCodeAt(at) ^ (1 + (by % 127));
  return `${text.slice(0, at)}${String.fromCharCode(code)}${text.slice(at + 1)}`;
}

describe('verifyBundle with hostile input', () => {
  let lab: Lab;
  let documents: Record<string, unknown>[];

  before(async () => {
    lab = await Lab.create();
    const made = [
      await lab.bundle({}),
      await lab.bundle({ entry: 'hashedrekord 0.0.2', embedCertificate: true }),
      await lab.bundle({ content: 'dsse', entry: 'dsse 0.0.1' }),
      await lab.bundle({ content: 'dsse', entry: 'hashedrekord 0.0.2' }),
    ];
    documents = made.map(({ json }) => json);
  });

  const verify = (bundle: unknown) => verifyBundle(bundle, { trust: lab.trust(), identities, artifact });

  /** Facts that must stay what they are, whatever else of a bundle can be changed without breaking it. */
  const facts = (bundle: unknown) => {
    const verified = verify(bundle);
    const signer = verified.signer.kind === 'certificate' ? verified.signer.subject.value : '';
    return JSON.stringify([
      [signer, verified.statement?.subject, verified.statement?.predicate],
      verified.timestamps.map(({ time, authority }) => [time.getTime(), authority]),
      verified.logEntries.map(({ baseUrl, index }) => [baseUrl, String(index)]),
    ]);
  };

  function refusesOrAgrees(original: unknown, changed: unknown): void {
    let found: string;
    try {
      found = facts(changed);
    } catch (error) {
      assert.ok(error instanceof SignetError, `an error of ours, not ${String(error)}`);
      return;
    }
    assert.equal(found, facts(original));
  }

  it('survives any value in any place of a bundle', () => {
    const anything = fc.oneof(
      fc.constantFrom(null, '', 0, -1, true, [], {}, [[]], 'AAAA', '9223372036854775808', '1e3', ' 1', '\u0000'),
      fc.jsonValue({ maxDepth: 3 }),
    );
    const choice = fc.record({ document: fc.nat(3), place: fc.nat(), value: anything });
    fc.assert(
      fc.property(choice, ({ document, place, value }) => {
        const original = documents[document];
        const all = paths(original);
        const path = all[place % all.length] ?? [];
        refusesOrAgrees(original, replaceAt(original, path, value));
      }),
      { numRuns: 400 },
    );
  });

  it('survives any changed character of a bundle', () => {
    const choice = fc.record({ document: fc.nat(3), position: fc.nat(), by: fc.nat(126) });
    fc.assert(
      fc.property(choice, ({ document, position, by }) => {
        const text = JSON.stringify(documents[document]);
        refusesOrAgrees(text, flip(text, position, by));
      }),
      { numRuns: 400 },
    );
  });

  it('survives arbitrary text and bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.uint8Array()), (input) => {
        assert.throws(() => verify(input), SignetError);
      }),
    );
  });

  it('refuses ten megabytes before reading them', () => {
    const large = JSON.stringify({ ...documents[0], padding: 'A'.repeat(10_000_000) });
    assert.throws(() => verify(large), { code: 'ERR_INPUT_TOO_LARGE' });
    const many = { ...documents[0], verificationMaterial: { tlogEntries: new Array(1_000_000).fill({}) } };
    assert.throws(() => verify(many), { code: 'ERR_BUNDLE_FORMAT' });
  });

  it('refuses nesting that would exhaust a stack', () => {
    for (const text of ['['.repeat(1_000_000), `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`]) {
      assert.throws(() => verify(text), { code: 'ERR_JSON' });
    }
  });

  it('refuses a key twice, also where it is spelled differently', () => {
    const text = JSON.stringify(documents[0]);
    assert.throws(() => verify(text.replace('{"mediaType"', '{"mediaType":"x","mediaType"')), { code: 'ERR_JSON' });
    assert.throws(() => verify(text.replace('{"mediaType"', '{"media\\u0054ype":"x","mediaType"')), {
      code: 'ERR_JSON',
    });
  });

  it('is not touched by names of the prototype', () => {
    const text = JSON.stringify(documents[0]);
    for (const name of ['__proto__', 'constructor', 'toString']) {
      assert.throws(() => verify(text.replace('{"mediaType"', `{"${name}":{"mediaType":"x"},"mediaType"`)), {
        code: 'ERR_BUNDLE_FORMAT',
      });
    }
    assert.equal(Object.hasOwn(Object.prototype, 'mediaType'), false);
    const inherited = Object.create(documents[0] ?? null) as unknown;
    assert.throws(() => verify(inherited), { code: 'ERR_BUNDLE_FORMAT' });
  });

  it('does not take a JSON imitation of a parsed bundle for one', () => {
    const imitation = {
      version: '0.3',
      key: { kind: 'publicKey', hint: '' },
      content: { kind: 'message' },
      tlogEntries: [],
    };
    assert.throws(() => verify(imitation), { code: 'ERR_BUNDLE_FORMAT' });
  });
});
