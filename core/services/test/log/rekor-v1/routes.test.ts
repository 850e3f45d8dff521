import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digest, importPublicKey, verifySignature } from '@signet/primitives/crypto';
import {
  canonicalize,
  der,
  fromBase64,
  fromHex,
  fulcioExtensions,
  hashLeaf,
  oids,
  parseCheckpoint,
  parsePem,
  parseSignedNote,
  toHex,
  toPem,
  utf8,
  verifyConsistency,
  verifyInclusion,
} from '@signet/primitives/formats';
import { generateSigner, type Signer, signerFromPrivateKey } from '@signet/primitives/keys';
import { checkLog, LogShards, RekorV1Tree, reindexLog, rekorV1Routes } from '@signet/services/log';
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import type { RekorV1Options } from '../../../src/log/rekor-v1/index.ts';
import { codeSigning, extension, makeAuthority, makeCertificate } from '../test-certificates.ts';
import { base64, dsse, envelope, hashedRekord, makeKey, type Proposal } from './proposals.ts';

const host = 'log.example';
const base = '/-/signet/log-v1';
const unknownHash = '0'.repeat(64);

interface Entry {
  readonly body: string;
  readonly integratedTime: number;
  readonly logID: string;
  readonly logIndex: number;
  readonly verification: {
    readonly inclusionProof: {
      readonly checkpoint: string;
      readonly hashes: string[];
      readonly logIndex: number;
      readonly rootHash: string;
      readonly treeSize: number;
    };
    readonly signedEntryTimestamp: string;
  };
}

describe("Rekor's v1 API", () => {
  let directory: string;
  let trees: { tree: RekorV1Tree; signer: Signer }[];
  let app: FastifyInstance;
  const key = makeKey();

  /** Opens so many trees, of which the last takes entries. */
  async function open(count = 1, options: RekorV1Options = {}): Promise<void> {
    directory = await mkdtemp(join(tmpdir(), 'signet-rekor-v1-'));
    trees = [];
    for (let i = 0; i < count; i++) {
      const signer = generateSigner('PKIX_ECDSA_P256_SHA_256');
      trees.push({ tree: await RekorV1Tree.open({ directory: join(directory, String(i)), host, signer }), signer });
    }
    await serve(
      trees.map(({ tree }) => tree),
      options,
    );
  }

  async function serve(all: readonly RekorV1Tree[], options: RekorV1Options = {}): Promise<void> {
    app = Fastify();
    const place = { directory: '', openedAt: new Date(), frozenAt: undefined };
    const shards = { all: all.map((log, i) => ({ ...place, number: i + 1, log })) };
    await app.register(rekorV1Routes(shards, { workers: 0, ...options }), { prefix: base });
  }

  afterEach(async () => {
    await app.close();
    for (const { tree } of trees) await tree.close();
    await rm(directory, { recursive: true, force: true });
  });

  const get = (path: string, headers = {}): Promise<LightMyRequestResponse> =>
    app.inject({ url: `${base}${path}`, headers });
  const post = (path: string, body: unknown): Promise<LightMyRequestResponse> =>
    app.inject({
      method: 'POST',
      url: `${base}${path}`,
      headers: { 'content-type': 'application/json' },
      payload: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const create = (proposal: Proposal): Promise<LightMyRequestResponse> => post('/api/v1/log/entries', proposal);

  /** What rekor-cli and sigstore-go check before they believe an entry. */
  function verifyEntry(
    entries: Record<string, Entry>,
    { tree, signer }: { tree: RekorV1Tree; signer: Signer },
  ): [string, Entry] {
    const [[id, entry] = []] = Object.entries(entries);
    assert.ok(id !== undefined && entry !== undefined && Object.keys(entries).length === 1);
    const { body, integratedTime, logID, logIndex, verification } = entry;
    const leafHash = hashLeaf(fromBase64(body));
    assert.equal(id, tree.treeId.toString(16).padStart(16, '0') + toHex(leafHash));
    assert.equal(logID, toHex(digest('sha256', signer.publicKey.spki)));
    assert.ok(Math.abs(Date.now() / 1000 - integratedTime) < 600);
    const verificationKey = importPublicKey(signer.publicKey);
    const promised = utf8(canonicalize({ body, integratedTime, logID, logIndex }));
    const promise = fromBase64(verification.signedEntryTimestamp);
    assert.ok(verifySignature({ key: verificationKey, message: promised, signature: promise }));

    const { checkpoint, hashes, rootHash, treeSize, logIndex: index } = verification.inclusionProof;
    const { text, signatures } = parseSignedNote(checkpoint);
    const [first, ...others] = signatures;
    assert.deepEqual(others, [], 'a v1 checkpoint has one signature');
    assert.equal(first?.name, host);
    assert.deepEqual(Buffer.from(first.keyHint), Buffer.from(fromHex(logID)).subarray(0, 4));
    assert.ok(verifySignature({ key: verificationKey, message: utf8(text), signature: first.signature }));
    const head = parseCheckpoint(text);
    assert.equal(head.origin, `${host} - ${tree.treeId}`);
    assert.equal(Number(head.treeSize), treeSize);
    assert.equal(toHex(head.rootHash), rootHash);
    verifyInclusion({
      index: BigInt(index),
      treeSize: head.treeSize,
      leafHash,
      hashes: hashes.map((hash) => fromHex(hash)),
      rootHash: head.rootHash,
    });
    return [id, entry];
  }

  const only = (): { tree: RekorV1Tree; signer: Signer } => trees[0] as { tree: RekorV1Tree; signer: Signer };

  it('logs an entry and answers with its place, a promise and a proof', async () => {
    await open();
    const answer = await create(hashedRekord('hello', key));
    assert.equal(answer.statusCode, 201, answer.body);
    const [id, entry] = verifyEntry(answer.json(), only());
    assert.equal(entry.logIndex, 0);
    assert.equal(answer.headers.location, `${base}/api/v1/log/entries/${id}`);
    assert.equal(answer.headers.etag, id);
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    const { spec } = hashedRekord('hello', key);
    const body = JSON.parse(Buffer.from(entry.body, 'base64').toString());
    assert.deepEqual(Object.keys(body), ['apiVersion', 'kind', 'spec']);
    assert.deepEqual(body.spec.data, spec.data);
  });

  it('answers a repeated request with the entry that is there and a fresh proof, and never with 409', async () => {
    await open();
    const proposal = hashedRekord('hello', key);
    const first = (await create(proposal)).json();
    await create(hashedRekord('another', key));
    const again = await create(proposal);
    assert.equal(again.statusCode, 201);
    const [id, entry] = verifyEntry(again.json(), only());
    assert.equal(id, Object.keys(first)[0]);
    assert.equal(entry.verification.inclusionProof.treeSize, 2);
    assert.equal(entry.integratedTime, first[id].integratedTime);
    const many = await Promise.all(Array.from({ length: 20 }, () => create(hashedRekord('at once', key))));
    // ECDSA signatures differ, so these are twenty entries; the same bytes twenty times are one.
    assert.equal(new Set(many.map((one) => Object.keys(one.json())[0])).size, 20);
    const same = hashedRekord('the same', key);
    const equal = await Promise.all(Array.from({ length: 20 }, () => create(same)));
    assert.equal(new Set(equal.map((one) => Object.keys(one.json())[0])).size, 1);
  });

  it('finds entries by index and by either form of id, with a promise that is as good as the first', async () => {
    await open();
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push(Object.keys((await create(hashedRekord(`entry ${i}`, key))).json())[0] ?? '');
    for (const [i, id] of ids.entries()) {
      for (const path of [`?logIndex=${i}`, `/${id}`, `/${id.slice(16)}`, `/${id.toUpperCase()}`]) {
        const answer = await get(`/api/v1/log/entries${path}`);
        assert.equal(answer.statusCode, 200, path);
        const [found, entry] = verifyEntry(answer.json(), only());
        assert.equal(found, id);
        assert.equal(entry.logIndex, i);
        assert.equal(entry.verification.inclusionProof.treeSize, 3);
        assert.equal(answer.headers['cache-control'], 'no-cache');
      }
    }
  });

  it('has no body where there is no entry, and names what is wrong with a request', async () => {
    await open();
    await create(hashedRekord('hello', key));
    const otherTree = '00000000000000ff';
    for (const path of ['?logIndex=1', `/${unknownHash}`, `/${otherTree}${unknownHash}`]) {
      const answer = await get(`/api/v1/log/entries${path}`);
      assert.equal(answer.statusCode, 404, path);
      assert.equal(answer.body, '');
    }
    for (const [path, code] of [
      ['', 602],
      ['?logIndex=x', 601],
      ['?logIndex=-1', 609],
      ['/abc', 605],
    ] as const) {
      const answer = await get(`/api/v1/log/entries${path}`);
      assert.equal(answer.statusCode, 422, path);
      assert.equal(answer.json().code, code);
    }
    assert.equal((await get(`/api/v1/log/entries/${'f'.repeat(16)}${unknownHash}`)).statusCode, 400);
    assert.deepEqual((await get('/nothing')).json().code, 404);
  });

  it('retrieves up to ten entries by ids, indices and proposals, and leaves out what is not there', async () => {
    await open();
    const proposals = ['a', 'b', 'c'].map((message) => hashedRekord(message, key));
    const ids: string[] = [];
    for (const proposal of proposals) ids.push(Object.keys((await create(proposal)).json())[0] ?? '');
    const answer = await post('/api/v1/log/entries/retrieve', {
      entryUUIDs: [ids[0], ids[1]?.slice(16), unknownHash],
      logIndexes: [2, 77],
      entries: [proposals[1], hashedRekord('never logged', key)],
    });
    assert.equal(answer.statusCode, 200, answer.body);
    const found = answer.json().map((entries: Record<string, Entry>) => verifyEntry(entries, only())[0]);
    assert.deepEqual(found, [ids[0], ids[1], ids[1], ids[2]]);
    const body = JSON.parse(
      Buffer.from(
        Object.values((await get('/api/v1/log/entries?logIndex=0')).json() as Record<string, Entry>)[0]?.body ?? '',
        'base64',
      ).toString(),
    );
    assert.equal((await post('/api/v1/log/entries/retrieve', { entries: [body] })).json().length, 1, 'by its own body');
    assert.deepEqual((await post('/api/v1/log/entries/retrieve', {})).json(), []);

    const tooMany = await post('/api/v1/log/entries/retrieve', {
      logIndexes: [0, 1, 2, 3, 4, 5],
      entryUUIDs: ids.concat(ids),
    });
    assert.equal(tooMany.statusCode, 422);
    assert.match(tooMany.json().message, /more than max allowed 10 entries/);
    assert.equal((await post('/api/v1/log/entries/retrieve', { logIndexes: Array(11).fill(0) })).json().code, 611);
    assert.equal((await post('/api/v1/log/entries/retrieve', { logIndexes: ['0'] })).json().code, 601);
    assert.equal((await post('/api/v1/log/entries/retrieve', { entryUUIDs: ['x'] })).json().code, 605);
    assert.equal((await post('/api/v1/log/entries/retrieve', '{')).statusCode, 400);
  });

  it('tells its state, proves its growth and gives its key', async () => {
    await open();
    for (let i = 0; i < 5; i++) await create(hashedRekord(`entry ${i}`, key));
    const { tree, signer } = only();
    const info = (await get('/api/v1/log')).json();
    assert.deepEqual(Object.keys(info).sort(), ['inactiveShards', 'rootHash', 'signedTreeHead', 'treeID', 'treeSize']);
    assert.deepEqual(info.inactiveShards, []);
    assert.equal(info.treeID, String(tree.treeId));
    assert.equal(info.treeSize, 5);
    assert.equal(parseCheckpoint(parseSignedNote(info.signedTreeHead).text).treeSize, 5n);

    const proof = (await get('/api/v1/log/proof?firstSize=3&lastSize=5')).json();
    assert.equal(proof.rootHash, info.rootHash);
    verifyConsistency({
      oldSize: 3n,
      newSize: 5n,
      oldRoot: tree.log.rootAt(3n),
      newRoot: fromHex(proof.rootHash),
      hashes: proof.hashes.map((hash: string) => fromHex(hash)),
    });
    assert.equal((await get('/api/v1/log/proof?lastSize=5')).statusCode, 200, 'firstSize is 1 by default');
    assert.equal((await get('/api/v1/log/proof?firstSize=1&lastSize=6')).statusCode, 400);
    assert.equal((await get('/api/v1/log/proof?firstSize=4&lastSize=3')).statusCode, 400);
    assert.equal((await get('/api/v1/log/proof?firstSize=0&lastSize=3')).json().code, 609);
    assert.equal((await get('/api/v1/log/proof')).json().code, 602);
    assert.equal((await get('/api/v1/log/proof?lastSize=5&treeID=12')).statusCode, 400);
    assert.equal((await get('/api/v1/log/proof?lastSize=5&treeID=x')).json().code, 605);

    for (const path of ['/api/v1/log/publicKey', `/api/v1/log/publicKey?treeID=${tree.treeId}`]) {
      const answer = await get(path);
      assert.equal(answer.headers['content-type'], 'application/x-pem-file');
      assert.deepEqual(Buffer.from(parsePem(answer.body)[0]?.bytes ?? ''), Buffer.from(signer.publicKey.spki));
    }
    assert.equal((await get('/ping')).body, '.');
    assert.deepEqual((await get('/healthz')).json(), { status: 'SERVING' });
    const { body: metrics } = await get('/metrics');
    assert.match(metrics, /signet_log_entries_total\{result="new"\} 5/);
    for (const stage of ['parse', 'verify', 'sequence', 'sync', 'answer'])
      assert.match(metrics, new RegExp(`signet_log_stage_entries_total\\{stage="${stage}"\\} 5`));
  });

  it('counts indices through all trees, and writes into the last', async () => {
    await open(3);
    const [first, second, third] = trees.map(({ tree }) => tree);
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    const everywhere: Proposal[] = [];
    for (const [shards, count] of [
      [[first], 2],
      [[first, second], 3],
      [[first, second, third], 1],
    ] as const) {
      await app.close();
      await serve(shards);
      for (let i = 0; i < count; i++) {
        const proposal = hashedRekord(`entry ${everywhere.length}`, key);
        const [[, entry] = []] = Object.entries((await create(proposal)).json() as Record<string, Entry>);
        assert.equal(entry?.logIndex, everywhere.length);
        assert.equal(entry.verification.inclusionProof.logIndex, i);
        everywhere.push(proposal);
      }
    }
    for (const [i, proposal] of everywhere.entries()) {
      const place = trees[i < 2 ? 0 : i < 5 ? 1 : 2] as { tree: RekorV1Tree; signer: Signer };
      const [id, entry] = verifyEntry((await get(`/api/v1/log/entries?logIndex=${i}`)).json(), place);
      assert.equal(entry.logIndex, i);
      for (const name of [id, id.slice(16)]) {
        assert.equal(verifyEntry((await get(`/api/v1/log/entries/${name}`)).json(), place)[1].logIndex, i);
      }
      // A repeated request finds the entry in whichever tree it is.
      assert.equal(verifyEntry((await create(proposal)).json(), place)[0], id);
    }
    assert.equal((await get('/api/v1/log/entries?logIndex=6')).statusCode, 404);
    const info = (await get('/api/v1/log')).json();
    assert.equal(info.treeID, String(third.treeId));
    assert.deepEqual(
      info.inactiveShards.map(({ treeID, treeSize }: { treeID: string; treeSize: number }) => [treeID, treeSize]),
      [
        [String(first.treeId), 2],
        [String(second.treeId), 3],
      ],
    );
    const proof = await get(`/api/v1/log/proof?firstSize=1&lastSize=3&treeID=${second.treeId}`);
    assert.equal(proof.json().rootHash, info.inactiveShards[1].rootHash);
    const found = await post('/api/v1/index/retrieve', { publicKey: { format: 'x509', content: base64(key.pem) } });
    assert.equal(found.json().length, 6);
    const part = await post('/api/v1/index/retrieve', {
      publicKey: { format: 'x509', content: base64(key.pem) },
      limit: 4,
    });
    const rest = await post('/api/v1/index/retrieve', {
      publicKey: { format: 'x509', content: base64(key.pem) },
      limit: 4,
      from: Number(part.headers['signet-next']),
    });
    assert.deepEqual([...part.json(), ...rest.json()], found.json());
    assert.equal(rest.headers['signet-next'], undefined);
  });

  it('finds DSSE entries by key as well, which upstream does not', async () => {
    await open();
    const text = envelope('{"_type":"https://in-toto.io/Statement/v1"}', [key]);
    const id = Object.keys((await create(dsse(text, [key]))).json())[0];
    const search = async (query: object): Promise<string[]> => (await post('/api/v1/index/retrieve', query)).json();
    assert.deepEqual(await search({ publicKey: { format: 'x509', content: base64(key.pem) } }), [id]);
    assert.deepEqual(await search({ hash: `sha256:${toHex(digest('sha256', utf8(text)))}` }), [id]);
    assert.deepEqual(await search({ hash: toHex(digest('sha256', utf8(text))), email: 'nobody@example.com' }), [id]);
    assert.deepEqual(
      await search({ hash: toHex(digest('sha256', utf8(text))), email: 'nobody@example.com', operator: 'and' }),
      [],
    );
  });

  it('finds hashes and envelopes by what their certificate says', async () => {
    await open();
    const authority = await makeAuthority();
    const ids: (string | undefined)[] = [];
    for (const repository of ['17', '18']) {
      const identity = makeKey();
      const subject = extension(
        oids.subjectAlternativeName,
        der.sequence(der.tlv(0x86, utf8(`https://ci.example/${repository}`))),
      );
      const claims = fulcioExtensions({ issuer: 'https://issuer.example', sourceRepositoryIdentifier: repository });
      const certificate = await authority.issue(
        [codeSigning, subject, ...claims],
        signerFromPrivateKey(identity.privateKey),
      );
      const certified = { ...identity, pem: toPem('CERTIFICATE', certificate) };
      const text = envelope('{"_type":"https://in-toto.io/Statement/v1"}', [certified]);
      for (const proposal of [hashedRekord(repository, certified), dsse(text, [certified])])
        ids.push(Object.keys((await create(proposal)).json())[0]);
    }
    const search = async (query: object): Promise<unknown> => (await post('/api/v1/index/retrieve', query)).json();
    assert.deepEqual(await search({ issuer: 'https://issuer.example' }), ids);
    assert.deepEqual(await search({ subject: 'https://ci.example/17' }), ids.slice(0, 2));
    assert.deepEqual(await search({ claims: { sourceRepositoryIdentifier: '18' } }), ids.slice(2));
    const both = { issuer: 'https://issuer.example', claims: { sourceRepositoryIdentifier: '18' }, operator: 'and' };
    assert.deepEqual(await search(both), ids.slice(2));
    assert.deepEqual(await search({ claims: { sourceRepositoryIdentifier: '1' } }), []);
  });

  it('finds what a statement is about by its digests and package URLs, also when the index is built again', async () => {
    await open();
    const digests = { sha512: 'AB'.repeat(64), sha256: 'cd'.repeat(32), gitCommit: 'ef'.repeat(20) };
    const subject = [
      { name: 'pkg:npm/%40example/greeting@1.0.0', digest: digests },
      { name: 'a file', digest: {} },
    ];
    const statement = {
      _type: 'https://in-toto.io/Statement/v1',
      subject,
      predicateType: 'https://example.com/p',
      predicate: {},
    };
    const text = envelope(JSON.stringify(statement), [key]);
    const id = Object.keys((await create(dsse(text, [key]))).json())[0];
    const queries = [{ hash: digests.sha512 }, { hash: `sha256:${digests.sha256}` }, { purl: subject[0]?.name }];
    const search = async (query: object): Promise<unknown> => (await post('/api/v1/index/retrieve', query)).json();
    for (const query of queries) assert.deepEqual(await search(query), [id]);
    assert.deepEqual(await search({ purl: 'pkg:npm/%40example/greeting@1.0.1' }), []);
    const { tree, signer } = only();
    await app.close();
    await tree.close();
    assert.equal(await reindexLog(join(directory, '0')), 1);
    const reopened = await RekorV1Tree.open({ directory: join(directory, '0'), host, signer });
    trees = [{ tree: reopened, signer }];
    await serve([reopened]);
    for (const query of queries) assert.deepEqual(await search(query), [id]);
  });

  it('refuses searches for nothing, and malformed ones', async () => {
    await open();
    const status = async (query: unknown): Promise<[number, number]> => {
      const answer = await post('/api/v1/index/retrieve', query);
      return [answer.statusCode, answer.json().code];
    };
    assert.deepEqual(await status({}), [400, 400]);
    assert.deepEqual(await status({ email: '', hash: '' }), [400, 400]);
    assert.deepEqual(await status({ hash: 'abc' }), [422, 605]);
    assert.deepEqual(await status({ hash: 5 }), [422, 601]);
    assert.deepEqual(await status({ hash: unknownHash, operator: 'xor' }), [422, 606]);
    assert.deepEqual(await status({ publicKey: { content: '' } }), [422, 602]);
    assert.deepEqual(await status({ publicKey: { format: 'x509' } }), [422, 602]);
    assert.deepEqual(await status({ publicKey: { format: 'pkcs7', content: 'AAAA' } }), [400, 400]);
    assert.deepEqual(await status({ publicKey: { format: 'ssh', content: 'AAAA' } }), [400, 400]);
    // There was a URL for the server to fetch once (GHSA of 2024).
    assert.deepEqual(await status({ publicKey: { format: 'x509', url: 'http://127.0.0.1/' } }), [422, 602]);
    assert.deepEqual(await status({ something: 1 }), [422, 616]);
    assert.deepEqual(await status({ claims: { runInvocationUri: 'x' } }), [422, 616]);
    assert.deepEqual(await status({ claims: ['x'] }), [422, 601]);
    assert.deepEqual(await status({ claims: { sourceRepositoryUri: 1 } }), [422, 601]);
    assert.equal((await status({ claims: {} }))[0], 400);
    assert.deepEqual(await status([]), [422, 601]);
    assert.deepEqual(await status('nonsense'), [400, 400]);
  });

  it('refuses proposals that are malformed, unknown or not signed, in the words of the error model', async () => {
    await open();
    const proposal = hashedRekord('hello', key);
    const { spec } = proposal;
    const refused = async (body: unknown, message: RegExp): Promise<void> => {
      const answer = await post('/api/v1/log/entries', body);
      assert.equal(answer.statusCode, 400, answer.body);
      assert.deepEqual(Object.keys(answer.json()), ['code', 'message']);
      assert.match(answer.json().message, message);
    };
    await refused('', /not JSON/);
    await refused('{"kind":"hashedrekord","kind":"dsse"}', /twice/);
    await refused([], /not an object/);
    await refused({ ...proposal, more: 1 }, /unknown field "more"/);
    await refused({ ...proposal, kind: 'rpm' }, /"rpm 0.0.1" are not logged here/);
    await refused({ ...proposal, apiVersion: '0.0.9' }, /not logged here/);
    await refused({ ...proposal, spec: { ...spec, data: {} } }, /spec\.data must have required property 'hash'/);
    await refused({ ...proposal, spec: { ...spec, extra: 1 } }, /additional properties \("extra"\)/);
    await refused(hashedRekordOver('other', proposal), /does not verify/);
    assert.equal((await get('/api/v1/log')).json().treeSize, 0);
  });

  /** The same signature over another digest. */
  function hashedRekordOver(message: string, { apiVersion, kind, spec }: Proposal): Proposal {
    return {
      apiVersion,
      kind,
      spec: { ...spec, data: { hash: { algorithm: 'sha256', value: toHex(digest('sha256', utf8(message))) } } },
    };
  }

  it('says which limit a request is beyond', async () => {
    await open(1, { maximumRequestSize: 2048 });
    const large = await post('/api/v1/log/entries', { kind: 'x'.repeat(4000) });
    assert.equal(large.statusCode, 413);
    assert.match(large.json().message, /Limit set to 2048; this one has 4011 bytes/);
    await app.close();
    await serve(trees.map(({ tree }) => tree));
    const signer = generateSigner();
    const name = { issuer: 'a', subject: 'a', key: signer, signedBy: signer };
    const huge = await makeCertificate({ ...name, extensions: [extension('1.2.3.4', new Uint8Array(45_000))] });
    const content = base64(await signer.sign(utf8('hello')));
    const { spec, ...entry } = hashedRekord('hello', key);
    const signature = { content, publicKey: { content: base64(toPem('CERTIFICATE', huge)) } };
    const answer = await create({ ...entry, spec: { ...spec, signature } });
    assert.equal(answer.statusCode, 413, answer.body);
    assert.match(answer.json().message, /the entry has \d+ bytes; this log takes at most 65535/);
  });

  it('refuses more requests than may wait, with 503 and how many do', async () => {
    await open(1, { maximumWaiting: 3 });
    const answers = await Promise.all([1, 2, 3, 4, 5].map((i) => create(hashedRekord(`entry ${i}`, key))));
    const refused = answers.filter(({ statusCode }) => statusCode === 503);
    assert.equal(refused.length, 2);
    assert.equal(refused[0]?.headers['retry-after'], '1');
    assert.match(refused[0]?.json().message, /^3 requests are waiting/);
    assert.equal(only().tree.size, 3n);
  });

  it('limits how fast it is used', async () => {
    await open(1, { limits: { address: { perSecond: 0.01, burst: 2 }, search: { perSecond: 0.01, burst: 1 } } });
    for (const expected of [201, 201, 429]) {
      const answer = await create(hashedRekord(`x${expected}`, key));
      assert.equal(answer.statusCode, expected);
      if (expected === 429) assert.match(String(answer.headers['retry-after']), /^[1-9]\d*$/);
    }
    await post('/api/v1/index/retrieve', { hash: unknownHash });
    assert.equal((await post('/api/v1/index/retrieve', { hash: unknownHash })).statusCode, 429);
  });

  it('limits entries of one identity', async () => {
    await open(1, { limits: { identity: { perSecond: 0.01, burst: 1 } } });
    assert.equal((await create(hashedRekord('one', key))).statusCode, 201);
    assert.equal((await create(hashedRekord('two', key))).statusCode, 429);
    assert.equal((await create(hashedRekord('two', makeKey()))).statusCode, 201);
  });

  it('limits entries of one issuer, whichever thread has verified them', async () => {
    const { issue } = await makeAuthority();
    const certified = async (email: string, issuer: string): Promise<Proposal> => {
      const { privateKey } = makeKey();
      const name = extension(oids.subjectAlternativeName, der.sequence(der.tlv(0x81, utf8(email))));
      const extensions = [codeSigning, name, ...fulcioExtensions({ issuer })];
      const pem = toPem('CERTIFICATE', await issue(extensions, signerFromPrivateKey(privateKey)));
      return hashedRekord(email, { privateKey, pem });
    };
    await open(1, { workers: 1, limits: { issuer: { perSecond: 0.01, burst: 2 } } });
    const people = ['a', 'b', 'c', 'd', 'e'].map((name) => certified(`${name}@example.com`, 'https://issuer.example'));
    const answers = await Promise.all((await Promise.all(people)).map(create));
    assert.deepEqual(answers.map(({ statusCode }) => statusCode).sort(), [201, 201, 429, 429, 429]);
    const refused = answers.find(({ statusCode }) => statusCode === 429);
    assert.match(refused?.json().message, /^too many entries of this issuer/);
    assert.equal((await create(await certified('a@example.com', 'https://other.example'))).statusCode, 201);
  });

  it('lets only holders of a token read a private log', async () => {
    const token = 'a-token-of-some-length';
    await open(1, { readTokens: [token] });
    assert.equal((await create(hashedRekord('hello', key))).statusCode, 201);
    for (const path of ['/api/v1/log', '/api/v1/log/entries?logIndex=0', '/api/v1/log/publicKey', '/', '/metrics']) {
      assert.equal((await get(path)).statusCode, 401, path);
      assert.equal((await get(path, { authorization: `Bearer ${token}` })).statusCode, 200, path);
    }
    assert.equal((await post('/api/v1/log/entries/retrieve', { logIndexes: [0] })).statusCode, 401);
    assert.equal((await get('/', { authorization: `Bearer ${token}` })).json().readers, 'token');
    assert.equal((await get('/ping')).statusCode, 200);
  });

  it('verifies in threads when many come at once', async () => {
    await open(1, { workers: 2 });
    const proposals = Array.from({ length: 60 }, (_, i) => hashedRekord(`entry ${i}`, key));
    const spoilt = hashedRekordOver('other', proposals[0] as Proposal);
    const answers = await Promise.all([...proposals, spoilt].map(create));
    assert.deepEqual(
      answers.map(({ statusCode }) => statusCode),
      [...proposals.map(() => 201), 400],
    );
    for (const answer of answers.slice(0, -1)) verifyEntry(answer.json(), only());
    assert.match(answers.at(-1)?.json().message, /does not verify/);
  });

  it('describes itself: types, schemas, operations', async () => {
    await open();
    const description = (await get('/')).json();
    assert.deepEqual(description.types[0], { kind: 'hashedrekord', version: '0.0.1' });
    assert.equal(description.types.length, 8);
    assert.equal((await get('/api/v1/types/dsse/0.0.1')).json().type, 'object');
    assert.equal((await get('/api/v1/types/dsse/0.0.9')).statusCode, 404);
    const { paths } = (await get('/openapi.json')).json();
    assert.deepEqual(Object.keys(paths['/api/v1/log/entries']).sort(), ['get', 'post']);
    for (const path of [
      '/api/v1/log/entries/{entryUUID}',
      '/api/v1/log/entries/retrieve',
      '/api/v1/log',
      '/api/v1/log/proof',
      '/api/v1/log/publicKey',
      '/api/v1/index/retrieve',
      '/ping',
    ]) {
      assert.ok(paths[path] !== undefined, path);
    }
  });

  it('keeps everything over a restart, times too', async () => {
    await open();
    const before = (await create(hashedRekord('hello', key))).json() as Record<string, Entry>;
    const [id = ''] = Object.keys(before);
    await app.close();
    const { signer, tree } = only();
    await tree.close();
    const reopened = await RekorV1Tree.open({ directory: join(directory, '0'), host, signer });
    trees = [{ tree: reopened, signer }];
    await serve([reopened]);
    const [, entry] = verifyEntry((await get(`/api/v1/log/entries/${id}`)).json(), only());
    assert.equal(entry.integratedTime, before[id]?.integratedTime);
    assert.equal(entry.body, before[id]?.body);
  });

  it('goes over to a new tree without refusing an entry, and never gives an index twice', async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-rekor-v1-'));
    trees = [];
    const shards = await LogShards.open({
      directory,
      open: async (place) => {
        const signer = generateSigner('PKIX_ECDSA_P256_SHA_256');
        const tree = await RekorV1Tree.open({ directory: place.directory, host, signer });
        trees.push({ tree, signer });
        return tree;
      },
    });
    app = Fastify();
    await app.register(rekorV1Routes(shards), { prefix: base });
    const proposals = Array.from({ length: 60 }, (_, i) => hashedRekord(`entry ${i}`, key));
    const answers = proposals.map(async (proposal, i) => {
      await new Promise((resolve) => setTimeout(resolve, i));
      return create(proposal);
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    await shards.rotate();
    await new Promise((resolve) => setTimeout(resolve, 10));
    await shards.rotate();
    const entries = (await Promise.all(answers)).map((answer) => {
      assert.equal(answer.statusCode, 201, answer.body);
      const [id] = Object.keys(answer.json() as object);
      const place = trees.find(({ tree }) => id?.startsWith(tree.treeId.toString(16).padStart(16, '0')));
      assert.ok(place !== undefined);
      return verifyEntry(answer.json(), place)[1];
    });
    const indices = entries.map(({ logIndex }) => logIndex).sort((a, b) => a - b);
    assert.deepEqual(
      indices,
      proposals.map((_, i) => i),
    );
    assert.equal(trees.length, 3);
    for (const { logIndex, body } of entries) {
      const [found] = Object.values(
        (await get(`/api/v1/log/entries?logIndex=${logIndex}`)).json() as Record<string, Entry>,
      );
      assert.equal(found?.body, body);
    }
    await shards.close();
    trees = [];
  });

  it('can be checked byte for byte as every other log', async () => {
    await open();
    for (let i = 0; i < 3; i++) await create(hashedRekord(`entry ${i}`, key));
    await app.close();
    await only().tree.close();
    const { sound, damage, origin } = checkLog(join(directory, '0'));
    assert.deepEqual({ sound, damage }, { sound: true, damage: [] });
    assert.equal(origin, `${host} - ${only().tree.treeId}`);
    trees = [];
  });

  it('takes keys of P-256 alone', async () => {
    await open();
    const signer = generateSigner('PKIX_ED25519');
    await assert.rejects(RekorV1Tree.open({ directory: join(directory, 'x'), host, signer }), {
      code: 'ERR_KEY_UNSUPPORTED',
    });
  });
});
