import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import {
  formatCheckpoint,
  formatSignedNote,
  fromBase64,
  logKeyId,
  noteKeyHint,
  noteKeyId,
  parseCheckpoint,
  parseSignedNote,
  SignetError,
  utf8,
} from '@signet/primitives/formats';

// The example of golang.org/x/mod/sumdb/note: a note of PeterNeumann's Ed25519 key.
const key = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const note =
  'If you think cryptography is the answer to your problem,\n' +
  "then you don't know what your problem is.\n\n" +
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';

// c2sp.org/tlog-checkpoint's example.
const checkpoint =
  'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n' +
  '— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n';

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof SignetError && error.code === expected;
}

describe('signed note', () => {
  it('is taken apart so that a real signature verifies over its text', () => {
    const { text, signatures } = parseSignedNote(note);
    const [signature] = signatures;
    assert.equal(signatures.length, 1);
    assert.equal(signature?.name, 'PeterNeumann');
    const encoded = fromBase64(key.split('+').slice(2).join('+'));
    assert.equal(encoded[0], 1);
    assert.deepEqual(noteKeyHint('PeterNeumann', 1, encoded.subarray(1)), signature?.keyHint);
    const x = Buffer.from(encoded.subarray(1)).toString('base64url');
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    assert.ok(verify(null, utf8(text), publicKey, signature?.signature ?? new Uint8Array()));
  });

  it('is written as it was read', () => {
    assert.equal(formatSignedNote(parseSignedNote(note)), note);
    assert.equal(formatSignedNote(parseSignedNote(checkpoint)), checkpoint);
  });

  it('keeps empty lines in its text and splits at the last one', () => {
    const { text } = parseSignedNote(note.replace('\n', '\n\n'));
    assert.ok(text.includes('problem,\n\nthen'));
  });

  it('names a P-256 log key by the hash of its SPKI and an Ed25519 key by name and key', () => {
    const spki = new Uint8Array([1, 2, 3]);
    const keyBytes = new Uint8Array(32);
    const ed25519 = { algorithm: 'ed25519', spki, keyBytes };
    assert.deepEqual(logKeyId('a.example', ed25519), noteKeyId('a.example', 1, keyBytes));
    assert.equal(logKeyId('a.example', { ...ed25519, algorithm: 'ecdsa' })[0], 0x03);
    assert.throws(() => logKeyId('a.example', { ...ed25519, algorithm: 'rsa' }), code('ERR_KEY_UNSUPPORTED'));
  });

  for (const [what, text] of Object.entries({
    'no blank line': note.replace('\n\n', '\n'),
    'no final newline': note.slice(0, -1),
    'no signature': 'text\n\n',
    'a hyphen for the em dash': note.replace('—', '-'),
    'a name with a plus': note.replace('— Peter', '— Peter+'),
    'an empty name': note.replace('PeterNeumann', ''),
    'a third field': note.replace('BwJnAM=', 'BwJnAM= x'),
    'base64 that is not canonical': note.replace('BwJnAM=', 'BwJnAM'),
    'a signature of four bytes': note.replace(/— .*\n$/, '— PeterNeumann x08gow==\n'),
    'a control character': note.replace('If', 'I\tf'),
    'half a surrogate pair': note.replace('If', 'I\ud800f'),
    'a hundred and one signatures': note + (note.split('\n\n')[1] ?? '').repeat(100),
    'a million characters': `${'x'.repeat(1_000_000)}${note}`,
  })) {
    it(`is refused with ${what}`, () => {
      assert.throws(
        () => parseSignedNote(text),
        (error: unknown) => {
          return error instanceof SignetError && ['ERR_NOTE_FORMAT', 'ERR_ENCODING'].includes(error.code);
        },
      );
    });
  }
});

describe('checkpoint', () => {
  it('reads origin, size and root, and is written as it was read', () => {
    const { text } = parseSignedNote(checkpoint);
    const parsed = parseCheckpoint(text);
    assert.equal(parsed.origin, 'example.com/behind-the-sofa');
    assert.equal(parsed.treeSize, 20852163n);
    assert.equal(parsed.rootHash.length, 32);
    assert.deepEqual(parsed.extensions, []);
    assert.equal(formatCheckpoint(parsed), text);
  });

  it('keeps extension lines, such as Rekor v1 adds', () => {
    const { text } = parseSignedNote(checkpoint);
    assert.deepEqual(parseCheckpoint(`${text}Timestamp: 1\n`).extensions, ['Timestamp: 1']);
  });

  it('is signed with a fresh key and read back', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const text = formatCheckpoint({ origin: 'log.example/one', treeSize: 0n, rootHash: new Uint8Array(32) });
    const keyBytes = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32));
    const keyHint = noteKeyHint('log.example/one', 1, keyBytes);
    const signature = new Uint8Array(sign(null, utf8(text), privateKey));
    const read = parseSignedNote(
      formatSignedNote({ text, signatures: [{ name: 'log.example/one', keyHint, signature }] }),
    );
    assert.equal(parseCheckpoint(read.text).treeSize, 0n);
    assert.ok(verify(null, utf8(read.text), publicKey, read.signatures[0]?.signature ?? new Uint8Array()));
  });

  const root = 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=';
  for (const [what, text] of Object.entries({
    'no root': 'log.example\n5\n',
    'an empty origin': `\n5\n${root}\n`,
    'a size with a leading zero': `log.example\n05\n${root}\n`,
    'a negative size': `log.example\n-5\n${root}\n`,
    'a size of 2^63': `log.example\n9223372036854775808\n${root}\n`,
    'a root of 31 bytes': 'log.example\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n',
    'an empty extension line': `log.example\n5\n${root}\n\nx\n`,
    'no final newline': `log.example\n5\n${root}`,
  })) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => parseCheckpoint(text), code('ERR_CHECKPOINT_FORMAT'));
    });
  }
});
