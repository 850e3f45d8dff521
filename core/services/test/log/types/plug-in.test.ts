import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { generateSigner } from '@signet/primitives/keys';
import { EntryTypes, RekorV1Tree, reindexLog, rekorV1Routes } from '@signet/services/log';
import Fastify, { type FastifyInstance } from 'fastify';
import { base64, makeKey, type Proposal, sha256 } from '../rekor-v1/proposals.ts';

const plugIn = new URL('./checksums.ts', import.meta.url);
const keyPlugIn = new URL('./raw-ed25519.ts', import.meta.url);
const guide = new URL('../../../../../docs/operator/log-types.md', import.meta.url);

describe('an entry type of a third party', () => {
  let directory: string;
  let tree: RekorV1Tree;
  let app: FastifyInstance;
  const signer = generateSigner();
  const key = makeKey();
  const list = `${sha256('one')}  one.tgz\n${sha256('another')} *another.tgz\n`;

  async function serve(workers = 0, entryTypes = [plugIn.href]): Promise<void> {
    tree = await RekorV1Tree.open({ directory, host: 'log.example', signer, entryTypes });
    app = Fastify();
    await app.register(rekorV1Routes(tree, { workers }));
  }

  function checksums(text: string, signed = text): Proposal {
    const content = base64(sign('sha256', Buffer.from(signed), key.privateKey));
    const signature = { format: 'x509', content, publicKey: base64(key.pem) };
    return { apiVersion: '0.0.1', kind: 'checksums', spec: { list: base64(text), signature } };
  }

  const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload });
  const search = async (hash: string): Promise<string[]> => (await post('/api/v1/index/retrieve', { hash })).json();

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-plug-in-'));
    await serve();
  });
  afterEach(async () => {
    await app.close();
    await tree.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('is verified, logged and found, without a line of the log being changed', async () => {
    const answer = await post('/api/v1/log/entries', checksums(list));
    assert.equal(answer.statusCode, 201, answer.body);
    const [[id, entry] = []] = Object.entries(answer.json() as Record<string, { body: string }>);
    const { kind, spec } = JSON.parse(Buffer.from(entry?.body ?? '', 'base64').toString());
    assert.equal(kind, 'checksums');
    assert.deepEqual(spec.files, [
      { name: 'another.tgz', sha256: sha256('another') },
      { name: 'one.tgz', sha256: sha256('one') },
    ]);
    assert.deepEqual(await search(sha256('one')), [id]);
    assert.deepEqual(await search(sha256('another')), [id]);
    const described = (await app.inject('/')).json().types;
    assert.deepEqual(described.at(-1), { kind: 'checksums', version: '0.0.1' });
    assert.equal((await app.inject('/api/v1/types/checksums/0.0.1')).json().required.length, 2);
  });

  it('refuses by its schema and by its own rules, in the words of the log', async () => {
    for (const [proposal, message] of [
      [checksums(list, `${list}more`), /does not verify/],
      [checksums('nonsense\n'), /"nonsense" is not a line of sha256sum/],
      [{ ...checksums(list), spec: { list: base64(list) } }, /must have required property 'signature'/],
    ] as const) {
      const answer = await post('/api/v1/log/entries', proposal);
      assert.equal(answer.statusCode, 400, answer.body);
      assert.match(answer.json().message, message);
    }
  });

  it('works in threads too, and in an index that is built again', async () => {
    await app.close();
    await tree.close();
    await serve(2);
    const lists = Array.from({ length: 20 }, (_, i) => `${sha256(`file ${i}`)}  file\n`);
    const answers = await Promise.all(lists.map((text) => post('/api/v1/log/entries', checksums(text))));
    const ids = answers.map((answer) => Object.keys(answer.json())[0]);
    await app.close();
    await tree.close();
    assert.equal(await reindexLog(directory, [plugIn.href]), 20);
    await serve();
    for (const [i, id] of ids.entries()) assert.deepEqual(await search(sha256(`file ${i}`)), [id]);
  });

  it('takes keys of a format that a third party has added', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const hex = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
    const content = base64(sign(null, Buffer.from(list), privateKey));
    const proposal = (key: string) => {
      const signature = { format: 'ed25519-hex', content, publicKey: base64(key) };
      return { apiVersion: '0.0.1', kind: 'checksums', spec: { list: base64(list), signature } };
    };
    const refused = await post('/api/v1/log/entries', proposal(hex));
    assert.equal(refused.statusCode, 400);
    assert.match(refused.json().message, /keys of the format "ed25519-hex" are unknown; known are x509, pgp, /);

    await app.close();
    await tree.close();
    await serve(1, [plugIn.href, keyPlugIn.href]);
    const answers = await Promise.all(
      [hex, `${hex.toUpperCase()}\n`, hex].map((key) => post('/api/v1/log/entries', proposal(key))),
    );
    const ids = answers.map((answer) => Object.keys(answer.json()).join());
    assert.deepEqual(ids, Array(3).fill(ids[0]), 'one key has one canonical form');
    const query = { publicKey: { format: 'ed25519-hex', content: base64(hex) } };
    assert.deepEqual((await post('/api/v1/index/retrieve', query)).json(), [ids[0]]);
    const forged = await post('/api/v1/log/entries', proposal(`00${hex.slice(2)}`));
    assert.equal(forged.statusCode, 400, forged.body);
  });

  it('is refused when its formats of keys are none, or have the name of another', async () => {
    for (const [source, reason] of [
      ['export const pkiFormats = [{ name: "x" }];', /pkiFormats of .* is not an array of formats of keys/],
      ['export const pkiFormats = {};', /pkiFormats of .* is not an array of formats of keys/],
      ['export const pkiFormats = [{ name: "ssh", readPublicKey() {} }];', /there are two formats of keys "ssh"/],
      ['export const other = 1;', /the default export of .* is not an entry type/],
    ] as const) {
      const path = join(directory, `${Math.random()}.mjs`);
      await writeFile(path, source);
      await assert.rejects(EntryTypes.load([pathToFileURL(path).href]), { code: 'ERR_LOG_TYPE', message: reason });
    }
  });

  it('stands in the guide as it is tested here', async () => {
    const text = await readFile(guide, 'utf8');
    for (const url of [plugIn, keyPlugIn]) {
      const source = await readFile(url, 'utf8');
      assert.ok(text.includes(source.trim()), `docs/operator/log-types.md shows another ${url}`);
    }
  });
});
