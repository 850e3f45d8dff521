import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  emptyTreeRoot,
  equalBytes,
  hashChildren,
  hashLeaf,
  parseCheckpoint,
  parseEntryBundle,
  parseSignedNote,
  parseTlogEntry,
  tilePath,
  utf8,
  verifyInclusion,
} from '@signet/primitives/formats';
import { createKeyFile, generateSigner } from '@signet/primitives/keys';
import { tearFiles } from './torn-files.ts';

const rounds = Number(process.env.SIGNET_CRASH_ROUNDS ?? 20);
const program = fileURLToPath(new URL('log-server.ts', import.meta.url));
const clients = 24;

/** An entry that the log has answered for. */
interface Acknowledged {
  readonly request: string;
  readonly body: Uint8Array;
}

/** Root hashes of the tree at the given sizes. */
function rootsAt(leafHashes: readonly Uint8Array[], sizes: ReadonlySet<number>): Map<number, Uint8Array> {
  const roots = new Map<number, Uint8Array>([[0, emptyTreeRoot]]);
  // Complete subtrees from left to right, as the binary digits of the size have them.
  const subtrees: Uint8Array[] = [];
  for (const [i, leafHash] of leafHashes.entries()) {
    let node = leafHash;
    for (let size = i; size % 2 === 1; size = (size - 1) / 2) node = hashChildren(subtrees.pop() ?? node, node);
    subtrees.push(node);
    if (sizes.has(i + 1))
      roots.set(
        i + 1,
        subtrees.reduceRight((right, left) => hashChildren(left, right)),
      );
  }
  return roots;
}

describe('a log server that is killed under load', () => {
  let home: string;
  let keyFile: string;
  let directory: string;
  let journalFile: string;
  let server: ChildProcess | undefined;
  const signer = generateSigner();
  const acknowledged = new Map<number, Acknowledged>();
  const released = new Map<number, Uint8Array>();
  let counter = 0;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'signet-crash-'));
    directory = join(home, 'log');
    keyFile = join(home, 'key.json');
    journalFile = join(home, 'journal');
    await createKeyFile(keyFile, 'PKIX_ED25519');
  });

  after(async () => {
    server?.kill('SIGKILL');
    await rm(home, { recursive: true, force: true });
  });

  async function start(): Promise<string> {
    server = spawn(process.execPath, ['--conditions=@signet/source', program, directory, keyFile, journalFile], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    assert.ok(server.stdout !== null);
    const { value, done } = await createInterface({ input: server.stdout })[Symbol.asyncIterator]().next();
    assert.ok(done !== true, 'the server did not start');
    return value;
  }

  async function kill(): Promise<void> {
    assert.ok(server !== undefined);
    const exited = once(server, 'exit');
    server.kill('SIGKILL');
    await exited;
  }

  async function newRequest(): Promise<string> {
    const message = utf8(`message ${counter++}`);
    const verifier = {
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
      publicKey: { rawBytes: Buffer.from(signer.publicKey.spki).toString('base64') },
    };
    const content = Buffer.from(await signer.sign(message)).toString('base64');
    const digest = createHash('sha256').update(message).digest('base64');
    return JSON.stringify({ hashedRekordRequestV002: { digest, signature: { content, verifier } } });
  }

  async function submit(url: string, request: string): Promise<number> {
    const response = await fetch(`${url}/api/v2/log/entries`, { method: 'POST', body: request });
    const text = await response.text();
    assert.equal(response.status, 201, text);
    const { logIndex, inclusionProof, canonicalizedBody } = parseTlogEntry(JSON.parse(text));
    assert.ok(inclusionProof?.checkpoint !== undefined);
    remember(inclusionProof.checkpoint);
    const { treeSize, hashes, rootHash } = inclusionProof;
    verifyInclusion({ index: logIndex, treeSize, hashes, rootHash, leafHash: hashLeaf(canonicalizedBody) });
    const index = Number(logIndex);
    const known = acknowledged.get(index);
    if (known !== undefined) assert.equal(request, known.request, `index ${index} was given away twice`);
    acknowledged.set(index, { request, body: canonicalizedBody });
    return index;
  }

  /** Every checkpoint that ever left the server; two of one size must be the same. */
  function remember(checkpoint: string): void {
    const { treeSize, rootHash } = parseCheckpoint(parseSignedNote(checkpoint).text);
    const known = released.get(Number(treeSize));
    if (known !== undefined) assert.ok(equalBytes(known, rootHash), `two roots were released for size ${treeSize}`);
    released.set(Number(treeSize), rootHash);
  }

  async function load(url: string, stopped: { now: boolean }): Promise<void> {
    while (!stopped.now) {
      try {
        await submit(url, await newRequest());
      } catch (error) {
        // The server is dead or dying: what it did not answer, nobody was promised.
        if (error instanceof TypeError || (error as { code?: string }).code === 'ECONNRESET') return;
        throw error;
      }
    }
  }

  /** All leaves as the server has them now. */
  async function readLeaves(url: string): Promise<Uint8Array[]> {
    const checkpoint = await (await fetch(`${url}/checkpoint`)).text();
    remember(checkpoint);
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

  it(`keeps every promise over ${rounds} kills, with torn files`, async function () {
    this.timeout(rounds * 15_000);
    for (let round = 0; round < rounds; round++) {
      const url = await start();
      const stopped = { now: false };
      const working = Promise.all(Array.from({ length: clients }, () => load(url, stopped)));
      await sleep(randomInt(30, 400));
      await kill();
      stopped.now = true;
      await working;
      await tearFiles(directory, journalFile);

      const again = await start();
      const leaves = await readLeaves(again);
      for (const [index, { body }] of acknowledged) {
        const leaf = leaves[index];
        assert.ok(leaf !== undefined && equalBytes(leaf, body), `entry ${index} is lost after round ${round}`);
      }
      const roots = rootsAt(leaves.map(hashLeaf), new Set(released.keys()));
      for (const [size, rootHash] of released) {
        const root = roots.get(size);
        assert.ok(root !== undefined && equalBytes(root, rootHash), `the checkpoint of size ${size} was broken`);
      }
      const indices = [...acknowledged.keys()];
      for (let i = 0; i < 10 && indices.length > 0; i++) {
        const index = indices[randomInt(indices.length)] ?? 0;
        assert.equal(await submit(again, acknowledged.get(index)?.request ?? ''), index, 'a duplicate got a new place');
      }
      await kill();
    }
    assert.ok(acknowledged.size > rounds, `only ${acknowledged.size} entries were acknowledged`);
  });
});
