import assert from 'node:assert/strict';
import { importPublicKey, verifySignature } from '@signet/primitives/crypto';
import {
  equalBytes,
  fromBase64,
  hashLeaf,
  parseCheckpoint,
  parseSignedNote,
  parseTrustedRoot,
  utf8,
  verifyConsistency,
  verifyInclusion,
} from '@signet/primitives/formats';
import { Instance, succeed } from '../scene/instance.ts';
import { Workshop } from '../scene/workshop.ts';

interface LogEntry {
  readonly logIndex: string;
  readonly canonicalizedBody: string;
  readonly inclusionProof: {
    readonly logIndex: string;
    readonly treeSize: string;
    readonly rootHash: string;
    readonly hashes: string[];
    readonly checkpoint: { readonly envelope: string };
  };
}

describe('a log of a Signet instance that is restarted', () => {
  let workshop: Workshop;
  let instance: Instance;

  before(async () => {
    workshop = await Workshop.open();
    instance = await Instance.create(workshop);
  });
  after(async () => {
    await instance?.stop();
    await workshop?.close();
  });

  async function publish(version: string): Promise<LogEntry> {
    const folder = await workshop.copyExample('greeting', `greeting-${version}`, (manifest) => ({
      ...manifest,
      version,
    }));
    await succeed(
      workshop.signet(
        ['publish', folder, '--registry', instance.urls.registry, '--trusted-root', instance.urls.trustedRoot],
        {
          env: { SIGSTORE_ID_TOKEN: await instance.token() },
        },
      ),
    );
    const response = await fetch(`${instance.urls.registry}-/npm/v1/attestations/@example%2fgreeting@${version}`);
    const { attestations } = (await response.json()) as {
      attestations: { bundle: { verificationMaterial: { tlogEntries: LogEntry[] } } }[];
    };
    const [entry] = attestations.flatMap(({ bundle }) => bundle.verificationMaterial.tlogEntries);
    assert.ok(entry);
    return entry;
  }

  const checkpoint = async () => (await fetch(`${instance.urls.log}/api/v2/checkpoint`)).text();

  async function entryAt(index: bigint, size: bigint): Promise<Uint8Array> {
    const bundle = index / 256n;
    const width = size - bundle * 256n;
    const partial = width < 256n ? `.p/${width}` : '';
    const response = await fetch(`${instance.urls.log}/tile/entries/${String(bundle).padStart(3, '0')}${partial}`);
    assert.equal(response.status, 200);
    const bytes = new Uint8Array(await response.arrayBuffer());
    let offset = 0;
    for (let position = 0n; ; position++) {
      const length = (bytes[offset] ?? 0) * 256 + (bytes[offset + 1] ?? 0);
      if (position === index % 256n) return bytes.subarray(offset + 2, offset + 2 + length);
      offset += 2 + length;
    }
  }

  it('keeps every entry at its index, with proofs that still verify and a checkpoint that grew from the old one', async () => {
    await instance.logIn('alice');
    const first = await publish('1.0.0');
    const second = await publish('1.0.1');
    const before = await checkpoint();
    await instance.restart();
    assert.equal(await checkpoint(), before, 'the same tree has the same checkpoint');
    const third = await publish('1.0.2');
    await instance.crash();
    const after = await checkpoint();

    const [tlog] = parseTrustedRoot(await instance.readTrustedRoot()).tlogs;
    assert.ok(tlog);
    for (const text of [before, after]) {
      const note = parseSignedNote(text);
      const [signature] = note.signatures;
      assert.ok(signature);
      assert.ok(
        verifySignature({
          key: importPublicKey(tlog.publicKey),
          message: utf8(note.text),
          signature: signature.signature,
        }),
      );
    }
    const [oldTree, newTree] = [before, after].map((text) => parseCheckpoint(parseSignedNote(text).text));
    assert.ok(oldTree && newTree);
    assert.ok(newTree.treeSize > oldTree.treeSize);

    for (const entry of [first, second, third]) {
      const index = BigInt(entry.logIndex);
      const body = fromBase64(entry.canonicalizedBody);
      assert.ok(equalBytes(await entryAt(index, newTree.treeSize), body));
      const proof = entry.inclusionProof;
      verifyInclusion({
        index,
        treeSize: BigInt(proof.treeSize),
        leafHash: hashLeaf(body),
        hashes: proof.hashes.map((hash) => fromBase64(hash)),
        rootHash: fromBase64(proof.rootHash),
      });
    }
    // The registry logs its policy when the first publisher asks for it, so there are more entries than packages.
    const [oldSize, newSize] = [oldTree.treeSize, newTree.treeSize];
    assert.equal(newSize - oldSize, 1n, 'one more entry for one more package');
    const proof = await fetch(`${instance.urls.log}/api/v2/consistency/${oldSize}/${newSize}`);
    const { hashes } = (await proof.json()) as { hashes: string[] };
    verifyConsistency({
      oldSize,
      newSize,
      oldRoot: oldTree.rootHash,
      newRoot: newTree.rootHash,
      hashes: hashes.map((hash) => fromBase64(hash)),
    });
  });
});
