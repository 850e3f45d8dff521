import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { canonicalize, encodeRekorBody, type KeyDetails, toBase64, toHex } from '@signet/primitives/formats';
import { CheckpointText, plainArray } from '../../src/log/http/answer-text.ts';
import { hashedRekordBody } from '../../src/log/rekor/create-entry.ts';
import { CreatedAnswer } from '../../src/log/rekor-v1/created-answer.ts';
import { promisePayload } from '../../src/log/rekor-v1/rekor-v1-tree.ts';

const checkpoints = ['log.example\n1\nAAAA\n\n— log.example AAAA\n', '— "quoted" \u{1f512}\n', ''];

describe('the text of an answer', () => {
  it('has the checkpoint as JSON in ASCII, also when it changes', () => {
    const text = new CheckpointText();
    for (const checkpoint of [...checkpoints, ...checkpoints]) {
      const written = text.write(checkpoint);
      assert.match(written, /^[\x20-\x7e]*$/);
      assert.equal(JSON.parse(written), checkpoint);
    }
  });

  it('has lists as JSON has them', () => {
    for (const list of [[], ['aa'], ['aa', 'bb==']]) assert.equal(plainArray(list), JSON.stringify(list));
  });

  it('is for v1 what JSON says of the entry', () => {
    const text = new CreatedAnswer();
    for (const checkpoint of checkpoints) {
      const entry = {
        body: toBase64(randomBytes(100)),
        integratedTime: 1_700_000_000,
        logID: toHex(randomBytes(32)),
        logIndex: 17,
        verification: {
          inclusionProof: {
            checkpoint,
            hashes: [toHex(randomBytes(32)), toHex(randomBytes(32))],
            logIndex: 7,
            rootHash: toHex(randomBytes(32)),
            treeSize: 8,
          },
          signedEntryTimestamp: toBase64(randomBytes(70)),
        },
      };
      const written = text.write('abcd', entry);
      assert.match(written, /^[\x20-\x7e]*$/);
      assert.equal(JSON.stringify(JSON.parse(written)), JSON.stringify({ abcd: entry }));
    }
  });

  it('promises v1 entries in canonical form', () => {
    const promised = { body: toBase64(randomBytes(61)), integratedTime: 1, logID: toHex(randomBytes(32)), logIndex: 2 };
    assert.equal(Buffer.from(promisePayload(promised)).toString(), canonicalize(promised));
  });

  it('logs v2 entries in canonical form', () => {
    const cases = [
      { keyDetails: 'PKIX_ECDSA_P256_SHA_256', algorithm: 'sha256', kind: 'certificate' },
      { keyDetails: 'PKIX_ECDSA_P384_SHA_384', algorithm: 'sha384', kind: 'publicKey' },
      { keyDetails: 'PKIX_ED25519_PH', algorithm: 'sha512', kind: 'certificate' },
    ] as const satisfies readonly { readonly keyDetails: KeyDetails; readonly [name: string]: string }[];
    for (const { keyDetails, algorithm, kind } of cases) {
      const digest = { algorithm, value: randomBytes(32) };
      const signature = {
        signature: randomBytes(71),
        verifier: { kind, keyDetails, bytes: randomBytes(400) },
      };
      const expected = encodeRekorBody({ kind: 'hashedrekord', version: '0.0.2', digest, signature });
      assert.equal(Buffer.from(hashedRekordBody(digest, signature)).toString(), Buffer.from(expected).toString());
    }
  });
});
