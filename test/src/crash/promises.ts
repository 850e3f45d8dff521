import assert from 'node:assert/strict';
import { createHash, randomInt } from 'node:crypto';
import {
  equalBytes,
  fromBase64,
  fromHex,
  hashLeaf,
  parseCheckpoint,
  parseEntryBundle,
  parseSignedNote,
  parseTlogEntry,
  preAuthenticationEncoding,
  tilePath,
  toPem,
  utf8,
  verifyInclusion,
} from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { rootsAt } from './merkle-roots.ts';

/** What is sent to a log. */
export interface Submission {
  readonly body: string;
  /** The package that it is to be found by, if any. */
  readonly purl?: string;
  /** What the log is to keep beside the entry, if anything. */
  readonly attestation?: string;
}

/** An entry that the log has answered for. */
interface Acknowledged {
  readonly submission: Submission;
  readonly body: Uint8Array;
}

interface Answered {
  readonly index: number;
  readonly body: Uint8Array;
  readonly proof: {
    readonly treeSize: bigint;
    readonly hashes: readonly Uint8Array[];
    readonly rootHash: Uint8Array;
    readonly checkpoint: string;
  };
}

/** How one of Rekor's APIs is spoken to. */
export interface Api {
  readonly name: string;
  /** Below the server's URL. */
  readonly entries: string;
  readonly index: string;
  readonly tiles: string;
  /** Makes a request that was never sent before. */
  next(): Promise<Submission>;
  read(answer: unknown): Answered;
  /** How many entries a search has found. */
  found(answer: unknown): number;
}

const signer = generateSigner();
const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64');
let counter = 0;

/** Every third is to be found by a package. */
function withName(body: object, number: number): Submission {
  return { body: JSON.stringify(body), ...(number % 3 === 0 ? { purl: `pkg:npm/crashed@${number}` } : {}) };
}

export const rekorV2: Api = {
  name: 'v2',
  entries: '/api/v2/log/entries',
  index: '/api/v2/index/retrieve',
  tiles: '',
  async next() {
    const number = counter++;
    const message = utf8(`message ${number}`);
    const rawBytes = base64(signer.publicKey.spki);
    const verifier = { keyDetails: 'PKIX_ECDSA_P256_SHA_256', publicKey: { rawBytes } };
    const signature = { content: base64(await signer.sign(message)), verifier };
    const digest = createHash('sha256').update(message).digest('base64');
    return withName({ hashedRekordRequestV002: { digest, signature } }, number);
  },
  read(answer) {
    const { logIndex, inclusionProof, canonicalizedBody } = parseTlogEntry(answer);
    assert.ok(inclusionProof?.checkpoint !== undefined);
    const { treeSize, hashes, rootHash, checkpoint } = inclusionProof;
    return { index: Number(logIndex), body: canonicalizedBody, proof: { treeSize, hashes, rootHash, checkpoint } };
  },
  found: (answer) => (answer as { entries: unknown[] }).entries.length,
};

export const rekorV1: Api = {
  name: 'v1',
  entries: '/v1/api/v1/log/entries',
  index: '/v1/api/v1/index/retrieve',
  tiles: '/v1-tiles',
  async next() {
    const number = counter++;
    const pem = base64(toPem('PUBLIC KEY', signer.publicKey.spki));
    const message = utf8(`{"message":${number}}`);
    if (number % 4 === 0) {
      // Its payload is kept beside it.
      const payloadType = 'application/vnd.in-toto+json';
      const sig = base64(await signer.sign(preAuthenticationEncoding(payloadType, message)));
      const envelope = JSON.stringify({ payloadType, payload: base64(message), signatures: [{ sig, keyid: '' }] });
      const spec = { content: { envelope }, publicKey: pem };
      return { ...withName({ apiVersion: '0.0.1', kind: 'intoto', spec }, number), attestation: base64(message) };
    }
    const value = createHash('sha256').update(message).digest('hex');
    const signature = { content: base64(await signer.sign(message)), publicKey: { content: pem } };
    const spec = { data: { hash: { algorithm: 'sha256', value } }, signature };
    return withName({ apiVersion: '0.0.1', kind: 'hashedrekord', spec }, number);
  },
  read(answer) {
    const [entry] = Object.values(answer as Record<string, V1Entry>);
    assert.ok(entry !== undefined);
    const { logIndex, treeSize, hashes, rootHash, checkpoint } = entry.verification.inclusionProof;
    const proof = {
      treeSize: BigInt(treeSize),
      hashes: hashes.map((hash) => fromHex(hash)),
      rootHash: fromHex(rootHash),
      checkpoint,
    };
    return { index: logIndex, body: fromBase64(entry.body), proof };
  },
  found: (answer) => (answer as unknown[]).length,
};

interface V1Entry {
  readonly body: string;
  readonly attestation?: { readonly data: string };
  readonly verification: {
    readonly inclusionProof: {
      readonly logIndex: number;
      readonly treeSize: number;
      readonly hashes: readonly string[];
      readonly rootHash: string;
      readonly checkpoint: string;
    };
  };
}

/** All that a log has promised to somebody, whatever became of its process since. */
export class Promises {
  readonly api: Api;
  readonly acknowledged = new Map<number, Acknowledged>();
  readonly #released = new Map<number, Uint8Array>();

  constructor(api: Api) {
    this.api = api;
  }

  /** Sends an entry and remembers what is answered. @returns its index */
  async submit(url: string, submission: Submission): Promise<number> {
    const headers = {
      'content-type': 'application/json',
      ...(submission.purl === undefined ? {} : { 'signet-package-url': submission.purl }),
    };
    const response = await fetch(`${url}${this.api.entries}`, { method: 'POST', headers, body: submission.body });
    const text = await response.text();
    assert.equal(response.status, 201, text);
    const { index, body, proof } = this.api.read(JSON.parse(text));
    this.#remember(proof.checkpoint);
    verifyInclusion({ ...proof, index: BigInt(index), leafHash: hashLeaf(body) });
    const known = this.acknowledged.get(index);
    if (known !== undefined) {
      assert.equal(submission.body, known.submission.body, `${this.api.name}: index ${index} was given away twice`);
    }
    this.acknowledged.set(index, { submission, body });
    return index;
  }

  /** Holds the log to everything. */
  async check(url: string, round: number): Promise<void> {
    const leaves = await this.#readLeaves(`${url}${this.api.tiles}`);
    for (const [index, { body }] of this.acknowledged) {
      const leaf = leaves[index];
      assert.ok(
        leaf !== undefined && equalBytes(leaf, body),
        `${this.api.name}: entry ${index} is lost after round ${round}`,
      );
    }
    const roots = rootsAt(leaves.map(hashLeaf), new Set(this.#released.keys()));
    for (const [size, rootHash] of this.#released) {
      const root = roots.get(size);
      assert.ok(root !== undefined && equalBytes(root, rootHash), `the checkpoint of size ${size} was broken`);
    }
    const indices = [...this.acknowledged.keys()];
    for (let i = 0; i < 10 && indices.length > 0; i++) {
      const index = indices[randomInt(indices.length)] ?? 0;
      const submission = this.acknowledged.get(index)?.submission;
      assert.ok(submission !== undefined);
      assert.equal(await this.submit(url, submission), index, 'a duplicate got a new place');
      await this.#checkBeside(url, index, submission);
    }
  }

  /** What is not in the entry itself, and was promised with it. */
  async #checkBeside(url: string, index: number, { purl, attestation }: Submission): Promise<void> {
    if (purl !== undefined) {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ purl });
      const answer = await fetch(`${url}${this.api.index}`, { method: 'POST', headers, body });
      assert.equal(this.api.found(await answer.json()), 1, `${purl} does not lead to entry ${index}`);
    }
    if (attestation !== undefined) {
      const answer = await fetch(`${url}${this.api.entries}?logIndex=${index}`);
      const [entry] = Object.values((await answer.json()) as Record<string, V1Entry>);
      assert.equal(entry?.attestation?.data, attestation, `the attestation of entry ${index} is lost`);
    }
  }

  /** Every checkpoint that ever left the server; two of one size must be the same. */
  #remember(checkpoint: string): void {
    const { treeSize, rootHash } = parseCheckpoint(parseSignedNote(checkpoint).text);
    const known = this.#released.get(Number(treeSize));
    if (known !== undefined) assert.ok(equalBytes(known, rootHash), `two roots were released for size ${treeSize}`);
    this.#released.set(Number(treeSize), rootHash);
  }

  /** All leaves as the server has them now. */
  async #readLeaves(url: string): Promise<Uint8Array[]> {
    const checkpoint = await (await fetch(`${url}/checkpoint`)).text();
    this.#remember(checkpoint);
    const size = Number(parseCheckpoint(parseSignedNote(checkpoint).text).treeSize);
    const leaves: Uint8Array[] = [];
    for (let index = 0; index * 256 < size; index++) {
      const width = Math.min(256, size - index * 256);
      const response = await fetch(`${url}/${tilePath({ level: 'entries', index, width })}`);
      assert.equal(response.status, 200);
      const bundle = parseEntryBundle(new Uint8Array(await response.arrayBuffer()));
      assert.equal(bundle.length, width);
      leaves.push(...bundle);
      const tile = await fetch(`${url}/${tilePath({ level: 0, index, width })}`);
      const hashes = new Uint8Array(await tile.arrayBuffer());
      assert.ok(equalBytes(hashes, Buffer.concat(bundle.map(hashLeaf))), `tile ${index} is not that of its entries`);
    }
    return leaves;
  }
}
