import assert from 'node:assert/strict';
import { sign } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { checkLog, RekorV1Tree, rekorV1Routes } from '@signet/services/log';
import Fastify, { type FastifyInstance } from 'fastify';
import type { RekorV1Options } from '../../../src/log/rekor-v1/index.ts';
import { base64, dsse, envelope, hashedRekord, makeKey, type Proposal, sha256 } from './proposals.ts';

const entries = '/api/v1/log/entries';

describe('attestations of a v1 log', () => {
  let directory: string;
  let tree: RekorV1Tree;
  let app: FastifyInstance;
  const key = makeKey();
  const treeKey = generateSigner('PKIX_ECDSA_P256_SHA_256');

  async function open(options: RekorV1Options = { attestationBytes: 100 }): Promise<void> {
    tree = await RekorV1Tree.open({ directory, host: 'log.example', signer: treeKey });
    app = Fastify();
    await app.register(rekorV1Routes(tree, { workers: 0, ...options }));
  }

  async function close(): Promise<void> {
    await app.close();
    await tree.close();
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-attestations-'));
    await open();
  });

  afterEach(async () => {
    await close();
    await rm(directory, { recursive: true, force: true });
  });

  function intotoV001(payload: string): Proposal {
    const content = { envelope: envelope(payload, [key]) };
    return { apiVersion: '0.0.1', kind: 'intoto', spec: { content, publicKey: base64(key.pem) } };
  }

  /** As @sigstore/sign writes it: base64 within base64. */
  function intotoV002(payload: string): Proposal {
    const { payloadType, signatures } = JSON.parse(envelope(payload, [key]));
    const [{ sig }] = signatures;
    const signed = {
      payloadType,
      payload: base64(base64(payload)),
      signatures: [{ sig: base64(sig), publicKey: base64(key.pem) }],
    };
    const content = { envelope: signed, hash: { algorithm: 'sha256', value: 'ab'.repeat(32) } };
    return { apiVersion: '0.0.2', kind: 'intoto', spec: { content } };
  }

  /** COSE_Sign1 with ES256 over a payload of less than 24 bytes (RFC 9052 §4.2, §4.4). */
  function coseMessage(payload: string): Uint8Array {
    const short = (bytes: Uint8Array | string) =>
      Buffer.concat([Buffer.from([0x40 + bytes.length]), Buffer.from(bytes)]);
    const header = short(Uint8Array.of(0xa1, 0x01, 0x26));
    const context = Buffer.concat([Buffer.from([0x84, 0x6a]), utf8('Signature1'), header, short(''), short(payload)]);
    const signature = sign('sha256', context, { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
    const rest = [header, Buffer.from([0xa0]), short(payload), Buffer.from([0x58, 64]), signature];
    return Buffer.concat([Buffer.from([0xd2, 0x84]), ...rest]);
  }

  async function create(proposal: Proposal): Promise<string> {
    const answer = await app.inject({
      method: 'POST',
      url: entries,
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify(proposal),
    });
    assert.equal(answer.statusCode, 201, answer.body);
    const [[id, entry] = []] = Object.entries(answer.json() as Record<string, object>);
    assert.ok(id !== undefined && entry !== undefined);
    // As upstream, which gives it out where an entry is read.
    assert.ok(!('attestation' in entry));
    return id;
  }

  async function attestationOf(id: string): Promise<string | undefined> {
    const answer = await app.inject(`${entries}/${id}`);
    const [entry] = Object.values(answer.json() as Record<string, { attestation?: { data: string } }>);
    return entry?.attestation === undefined
      ? undefined
      : Buffer.from(entry.attestation.data, 'base64').toString('latin1');
  }

  it('are the payloads of intoto entries and COSE messages, given out wherever their entry is read', async () => {
    const message = coseMessage('cose');
    const cose = {
      apiVersion: '0.0.1',
      kind: 'cose',
      spec: { message: base64(message), publicKey: base64(key.pem), data: {} },
    };
    for (const [proposal, expected] of [
      [intotoV001('{"one":1}'), '{"one":1}'],
      [intotoV002('{"two":2}'), '{"two":2}'],
      [cose, Buffer.from(message).toString('latin1')],
    ] as const) {
      const id = await create(proposal);
      assert.equal(await attestationOf(id), expected);
    }
    const byIndex = await app.inject(`${entries}?logIndex=1`);
    assert.match(byIndex.body, /"attestation":\{"data":"eyJ0d28iOjJ9"\}/);
    const retrieved = await app.inject({
      method: 'POST',
      url: `${entries}/retrieve`,
      payload: JSON.stringify({ logIndexes: [0] }),
    });
    assert.match(retrieved.body, /"attestation"/);
    await close();
    await open();
    assert.match((await app.inject(`${entries}?logIndex=1`)).body, /"attestation"/);
  });

  it('are not there for other kinds, beyond the limit, and where none are kept', async () => {
    assert.equal(await attestationOf(await create(hashedRekord('a', key))), undefined);
    assert.equal(await attestationOf(await create(dsse(envelope('{}', [key]), [key]))), undefined);
    const long = JSON.stringify({ text: 'x'.repeat(100) });
    assert.equal(await attestationOf(await create(intotoV001(long))), undefined);
    await close();
    await open({});
    const unkept = intotoV001('{"unkept":true}');
    assert.equal(await attestationOf(await create(unkept)), undefined);
    assert.deepEqual((await readdir(directory)).includes('attestations'), false);
  });

  it('can be deleted, and do not come back with their entry', async () => {
    const proposal = intotoV001('{"personal":true}');
    const id = await create(proposal);
    const name = sha256('{"personal":true}');
    await rm(join(directory, 'attestations', name.slice(0, 2), name));
    assert.equal(await attestationOf(id), undefined);
    assert.equal(await create(proposal), id);
    assert.equal(await attestationOf(id), undefined);
    await close();
    assert.equal(checkLog(directory).sound, true);
    await open();
  });

  it('are checked against their entry: one that is damaged is not given out, and a check names it', async () => {
    const id = await create(intotoV001('{"one":1}'));
    const name = sha256('{"one":1}');
    const path = join(directory, 'attestations', name.slice(0, 2), name);
    assert.equal(await readFile(path, 'utf8'), '{"one":1}');
    await writeFile(path, '{"one":2}');
    assert.equal(await attestationOf(id), undefined);
    await close();
    assert.deepEqual(checkLog(directory).damage, [`attestation ${name} is not what its entry has logged`]);
    await open();
  });

  it('come before their entry: where one cannot be kept, nothing is logged', async () => {
    // The superuser may write everywhere; a file in the way stops everybody.
    await writeFile(join(directory, 'attestations'), '');
    const answer = await app.inject({
      method: 'POST',
      url: entries,
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify(intotoV001('{"one":1}')),
    });
    assert.equal(answer.statusCode, 500);
    assert.equal(tree.size, 0n);
    await rm(join(directory, 'attestations'));
    await create(intotoV001('{"one":1}'));
    assert.equal(tree.size, 1n);
  });

  it('are verified in threads, too', async () => {
    await close();
    await open({ attestationBytes: 100, workers: 1 });
    const ids = await Promise.all(Array.from({ length: 8 }, (_, i) => create(intotoV001(`{"n":${i}}`))));
    for (const [i, id] of ids.entries()) assert.equal(await attestationOf(id), `{"n":${i}}`);
  });
});
