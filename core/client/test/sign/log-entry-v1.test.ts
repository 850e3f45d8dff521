import assert from 'node:assert/strict';
import { toBase64, toHex, utf8 } from '@signet/primitives/formats';
import { readLogEntryV1 } from '../../src/sign/log-entry-v1.ts';

describe('an entry as Rekor’s v1 API gives it', () => {
  const hash = new Uint8Array(32).fill(7);

  function answer(body: string): Uint8Array {
    const entry = {
      body: toBase64(utf8(body)),
      integratedTime: 1,
      logID: toHex(hash),
      logIndex: 5,
      verification: {
        inclusionProof: { checkpoint: 'x', hashes: [toHex(hash)], logIndex: 4, rootHash: toHex(hash), treeSize: 6 },
      },
    };
    return utf8(JSON.stringify({ [toHex(hash)]: entry }));
  }

  it('is of the kind that its body says, whatever was read before', () => {
    // After the first document, V8's JSON.parse takes the escaped member of the second for another.
    JSON.parse('{"apiVersion":"0.0.1","kin\\\\":1}');
    const { kind, version, logIndex, inclusionProof } = readLogEntryV1(
      answer('{"apiVersion":"0.0.1","kin\\u0064":"hashedrekord","spec":{}}'),
    );
    assert.deepEqual([kind, version, logIndex], ['hashedrekord', '0.0.1', 5n]);
    assert.deepEqual([inclusionProof?.logIndex, inclusionProof?.treeSize], [4n, 6n]);
  });

  it('is refused where its body is no object, or says something twice', () => {
    for (const body of ['', '[]', 'null', '1', '{"apiVersion":"0.0.1","kind":"dsse","kind":"intoto"}']) {
      assert.throws(() => readLogEntryV1(answer(body)), { code: 'ERR_LOG_RESPONSE' }, body);
    }
  });
});
