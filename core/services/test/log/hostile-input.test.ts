import assert from 'node:assert/strict';
import {
  parseCheckpoint,
  parseEntryBundle,
  parseSignedNote,
  parseTilePath,
  SignetError,
  utf8,
} from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import fc from 'fast-check';
import { acceptChain } from '../../src/log/ct/submitted-chain.ts';
import { verifyCreateEntryRequest } from '../../src/log/rekor/create-entry.ts';
import { readSearchRequest } from '../../src/log/rekor/search-request.ts';
import { entryTerms } from '../../src/log/search/search-keys.ts';

/** Whatever comes in, it is answered or refused with an error of ours. */
function refusesInOrder(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof SignetError, String(error));
  }
}

describe('what a log reads from outside', () => {
  const signer = generateSigner();
  const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const request = {
    hashedRekordRequestV002: {
      digest: b64(new Uint8Array(32)),
      signature: {
        content: b64(new Uint8Array(70)),
        verifier: { keyDetails: signer.keyDetails, publicKey: { rawBytes: b64(signer.publicKey.spki) } },
      },
    },
  };

  /** JSON with some value of it replaced by anything. */
  const changed = (value: unknown): fc.Arbitrary<unknown> =>
    fc.tuple(fc.nat(), fc.jsonValue({ maxDepth: 3 })).map(([at, replacement]) => replaceNth(value, at, replacement));

  it('never breaks the reader of requests', () => {
    fc.assert(
      fc.property(fc.oneof(changed(request), fc.jsonValue()), (value) => {
        refusesInOrder(() => verifyCreateEntryRequest(utf8(JSON.stringify(value)), { dsse: true }));
      }),
      { numRuns: 400 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        refusesInOrder(() => verifyCreateEntryRequest(bytes, { dsse: true }));
      }),
    );
  });

  it('never breaks the reader of keys and signatures', () => {
    const { spki } = signer.publicKey;
    const bytes = fc.tuple(fc.nat(spki.length - 1), fc.nat(255)).map(([at, value]) => spki.with(at, value));
    fc.assert(
      fc.property(bytes, fc.uint8Array({ minLength: 1, maxLength: 80 }), (rawBytes, content) => {
        const { digest } = request.hashedRekordRequestV002;
        const verifier = { keyDetails: signer.keyDetails, publicKey: { rawBytes: b64(rawBytes) } };
        const value = { hashedRekordRequestV002: { digest, signature: { content: b64(content), verifier } } };
        assert.throws(
          () => verifyCreateEntryRequest(utf8(JSON.stringify(value)), { dsse: true }),
          (error) => error instanceof SignetError,
        );
      }),
      { numRuns: 200 },
    );
  });

  it('never breaks the reader of searches', () => {
    const query = { email: 'a@b.example', hash: '0'.repeat(64), publicKey: { content: 'AAAA' }, claims: {}, limit: 5 };
    fc.assert(
      fc.property(fc.oneof(changed(query), fc.jsonValue()), (value) => {
        refusesInOrder(() => readSearchRequest(utf8(JSON.stringify(value))));
      }),
      { numRuns: 400 },
    );
  });

  it('never breaks the readers of chains, of entries, notes, checkpoints, paths and bundles', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 }),
        fc.string({ unit: 'binary' }),
        (parts, text) => {
          refusesInOrder(() => acceptChain(parts, [], 'precertificate'));
          refusesInOrder(() => parseSignedNote(text));
          refusesInOrder(() => parseSignedNote(`${text}\n\n— ${text}\n`));
          refusesInOrder(() => parseCheckpoint(text));
          refusesInOrder(() => parseTilePath(text));
          for (const bytes of parts) {
            assert.deepEqual(entryTerms(bytes), []);
            refusesInOrder(() => parseEntryBundle(bytes));
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

/** A copy of `value` whose n-th value, in the order of reading, is another. */
function replaceNth(value: unknown, n: number, replacement: unknown): unknown {
  let count = 0;
  const total = countValues(value);
  const visit = (one: unknown): unknown => {
    if (count++ === n % total) return replacement;
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([key, inner]) => [key, visit(inner)]));
  };
  return visit(value);
}

function countValues(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, inner) => sum + countValues(inner), 1);
}
