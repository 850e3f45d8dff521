import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { formatCheckpoint, formatSignedNote, hashLeaf, toBase64, toHex, utf8 } from '@signet/primitives/formats';

interface Entry {
  readonly kindVersion: unknown;
  readonly integratedTime?: string;
  readonly inclusionPromise?: unknown;
}

/** A log of one entry, whatever that is: what a bundle could carry if a trusted log took anything. */
export class OwnLog {
  readonly #key: KeyObject;
  readonly #logId: Uint8Array;
  readonly #spki: Uint8Array;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = privateKey;
    this.#spki = publicKey.export({ format: 'der', type: 'spki' });
    this.#logId = createHash('sha256').update(this.#spki).digest();
  }

  /** The log as a member of `tlogs` in a trusted root. */
  get instance(): unknown {
    return {
      baseUrl: 'https://log.example',
      hashAlgorithm: 'SHA2_256',
      publicKey: {
        rawBytes: toBase64(this.#spki),
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        validFor: { start: '1970-01-01T00:00:00Z' },
      },
      logId: { keyId: toBase64(this.#logId) },
    };
  }

  /** The entry with another body, promised and proved by this log where it was promised and proved. */
  log(entry: Entry, body: Uint8Array): unknown {
    const rootHash = hashLeaf(body);
    const text = formatCheckpoint({ origin: 'log.example', treeSize: 1n, rootHash });
    const own = { name: 'log.example', keyHint: this.#logId.subarray(0, 4), signature: this.#sign(text) };
    const integratedTime = entry.integratedTime ?? '0';
    const promise =
      `{"body":"${toBase64(body)}","integratedTime":${integratedTime},` +
      `"logID":"${toHex(this.#logId)}","logIndex":0}`;
    return {
      logIndex: '0',
      logId: { keyId: toBase64(this.#logId) },
      kindVersion: entry.kindVersion,
      integratedTime,
      ...(entry.inclusionPromise === undefined
        ? {}
        : { inclusionPromise: { signedEntryTimestamp: toBase64(this.#sign(promise)) } }),
      inclusionProof: {
        logIndex: '0',
        rootHash: toBase64(rootHash),
        treeSize: '1',
        hashes: [],
        checkpoint: { envelope: formatSignedNote({ text, signatures: [own] }) },
      },
      canonicalizedBody: toBase64(body),
    };
  }

  #sign(text: string): Uint8Array {
    return sign('sha256', utf8(text), this.#key);
  }
}
