import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { type VerifyOptions, verifyBundle } from '@signet/client/verify';
import {
  concat,
  cosignedMessage,
  formatVerifierKey,
  type NoteSignature,
  noteKeyHint,
  parseCheckpoint,
  parsePublicKeyInfo,
  parseTlogPolicy,
} from '@signet/primitives/formats';
import { artifact, identities, Lab, type Recipe, signingTime } from './lab.ts';

class Witness {
  readonly name: string;
  readonly type: 4 | 6;
  readonly #privateKey: KeyObject;
  readonly #key: Uint8Array;

  constructor(name: string, type: 4 | 6 = 4) {
    this.name = `witness.example/${name}`;
    this.type = type;
    const { privateKey, publicKey } = type === 4 ? generateKeyPairSync('ed25519') : generateKeyPairSync('ml-dsa-44');
    this.#privateKey = privateKey;
    this.#key = parsePublicKeyInfo(new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }))).keyBytes;
  }

  get key(): string {
    return formatVerifierKey(this.name, this.type, this.#key);
  }

  /** @param signedText what it saw, where that is not what the note says */
  cosign(noteText: string, time = signingTime, signedText = noteText): NoteSignature {
    const timestamp = BigInt(time.getTime() / 1000);
    const checkpoint = parseCheckpoint(signedText);
    const fields = { type: this.type, witness: this.name, timestamp, noteText: signedText, checkpoint };
    const seconds = new Uint8Array(8);
    new DataView(seconds.buffer).setBigUint64(0, timestamp);
    const signature = concat(seconds, sign(null, cosignedMessage(fields), this.#privateKey));
    return { name: this.name, keyHint: noteKeyHint(this.name, this.type, this.#key), signature };
  }
}

const hasMlDsa = (() => {
  try {
    return generateKeyPairSync('ml-dsa-44') !== undefined;
  } catch {
    return false;
  }
})();

describe('verifyBundle with a policy of witnesses', () => {
  let lab: Lab;
  const [a, b, c] = [new Witness('a'), new Witness('b'), new Witness('c')];
  const keys = [a, b, c].map((one, index) => `witness ${'abc'[index]} ${one.key}\n`).join('');
  const twoOfThree = parseTlogPolicy(`${keys}group two 2 a b c\nquorum two\n`);

  before(async () => {
    lab = await Lab.create();
  });

  async function verify(recipe: Recipe, options: Partial<VerifyOptions> = {}) {
    const { json } = await lab.bundle({ entry: 'hashedrekord 0.0.2', ...recipe });
    return verifyBundle(json, { trust: lab.trust(), artifact, identities, witnesses: twoOfThree, ...options });
  }

  const refused = (recipe: Recipe, code: string, options?: Partial<VerifyOptions>) =>
    assert.rejects(verify(recipe, options), { code });

  it('accepts a checkpoint that enough of them have cosigned, and tells who and when', async () => {
    const verified = await verify({ cosignatures: (text) => [a.cosign(text), c.cosign(text)] });
    assert.deepEqual(verified.logEntries[0]?.cosignatures, [
      { witness: a.name, time: signingTime },
      { witness: c.name, time: signingTime },
    ]);
    assert.ok(verified.checks.includes('enough witnesses have cosigned the checkpoint of the log'));
  });

  it('refuses one that too few have cosigned, however often', async () => {
    await refused({}, 'ERR_WITNESS_QUORUM');
    await refused({ cosignatures: (text) => [b.cosign(text)] }, 'ERR_WITNESS_QUORUM');
    const later = new Date(signingTime.getTime() + 1000);
    await refused({ cosignatures: (text) => [b.cosign(text), b.cosign(text, later)] }, 'ERR_WITNESS_QUORUM');
  });

  it('counts no unknown witness, and none that borrows a name or a key id', async () => {
    const stranger = new Witness('stranger');
    const namesake = new Witness('b');
    await refused({ cosignatures: (text) => [a.cosign(text), stranger.cosign(text)] }, 'ERR_WITNESS_QUORUM');
    await refused({ cosignatures: (text) => [a.cosign(text), namesake.cosign(text)] }, 'ERR_WITNESS_QUORUM');
    const borrowed = (text: string) => ({ ...stranger.cosign(text), keyHint: b.cosign(text).keyHint });
    await refused({ cosignatures: (text) => [a.cosign(text), borrowed(text)] }, 'ERR_WITNESS_QUORUM');
  });

  it('refuses a cosignature of a known witness that does not verify, even where there are enough others', async () => {
    const enough = (text: string) => [a.cosign(text), c.cosign(text)];
    const forms: ((text: string) => NoteSignature)[] = [
      (text) => b.cosign(text, signingTime, text.replace('\n3\n', '\n4\n')),
      (text) => ({ ...b.cosign(text), signature: b.cosign(text, new Date(0)).signature.fill(1, 0, 8) }),
      (text) => ({ ...b.cosign(text), signature: b.cosign(text).signature.subarray(8) }),
      (text) => ({ ...a.cosign(text), name: b.name, keyHint: b.cosign(text).keyHint }),
      (text) => b.cosign(text, new Date(Date.now() - (Date.now() % 1000) + 3_600_000)),
    ];
    for (const form of forms)
      await refused({ cosignatures: (text) => [...enough(text), form(text)] }, 'ERR_COSIGNATURE');
  });

  it('does not look at cosignatures where no policy is given', async () => {
    const { json } = await lab.bundle({
      cosignatures: (text) => [{ ...a.cosign(text), signature: new Uint8Array(72) }],
    });
    const verified = verifyBundle(json, { trust: lab.trust(), artifact, identities });
    assert.equal(verified.logEntries[0]?.cosignatures, undefined);
  });

  it('needs a checkpoint: a promise is no proof that a witness could have seen', async () => {
    const recipe: Recipe = { entry: 'hashedrekord 0.0.1', bundleVersion: '0.1', proof: false };
    await refused(recipe, 'ERR_WITNESS_QUORUM');
    await refused(recipe, 'ERR_WITNESS_QUORUM', { thresholds: { logEntries: 0 } });
  });

  it('holds the log to those of the policy, by key and by origin', async () => {
    const cosignatures = (text: string) => [a.cosign(text), c.cosign(text)];
    const policy = (...logs: string[]) => parseTlogPolicy(`${logs.join('')}${keys}group two 2 a b c\nquorum two\n`);
    const { keyBytes } = lab.rekorV2.publicKey;
    const right = `log ${formatVerifierKey('log.example/v2', 1, keyBytes)}\n`;
    const otherName = `log ${formatVerifierKey('log.example', 1, keyBytes)}\n`;
    const otherKey = `log ${formatVerifierKey('log.example/v2', 1, new Uint8Array(32))}\n`;
    await verify({ cosignatures }, { witnesses: policy(otherKey, right) });
    await refused({ cosignatures }, 'ERR_WITNESS_QUORUM', { witnesses: policy(otherName) });
    await refused({ cosignatures }, 'ERR_WITNESS_QUORUM', { witnesses: policy(otherKey) });
  });

  it('takes groups of groups, and no witness at all where the policy says none', async () => {
    const nested = parseTlogPolicy(`${keys}group ab any a b\ngroup all all ab c\nquorum all\n`);
    await verify({ cosignatures: (text) => [b.cosign(text), c.cosign(text)] }, { witnesses: nested });
    await refused({ cosignatures: (text) => [a.cosign(text), b.cosign(text)] }, 'ERR_WITNESS_QUORUM', {
      witnesses: nested,
    });
    await verify({}, { witnesses: parseTlogPolicy('quorum none\n') });
  });

  it('verifies cosignatures of ML-DSA-44, which bind the name of the witness', async function () {
    if (!hasMlDsa) this.skip();
    const quantum = new Witness('quantum', 6);
    const witnesses = parseTlogPolicy(`witness q ${quantum.key}\nquorum q\n`);
    const verified = await verify({ cosignatures: (text) => [quantum.cosign(text)] }, { witnesses });
    assert.deepEqual(verified.logEntries[0]?.cosignatures, [{ witness: quantum.name, time: signingTime }]);
    const timeless = await verify({ cosignatures: (text) => [quantum.cosign(text, new Date(0))] }, { witnesses });
    assert.deepEqual(timeless.logEntries[0]?.cosignatures, [{ witness: quantum.name }]);
    const other = (text: string) => quantum.cosign(text, signingTime, text.replace('\n3\n', '\n4\n'));
    await refused({ cosignatures: (text) => [other(text)] }, 'ERR_COSIGNATURE', { witnesses });
  });
});
