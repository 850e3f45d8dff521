import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  der,
  encodeRekorBody,
  fulcioExtensions,
  hashLeaf,
  oids,
  parseCheckpoint,
  parseSignedNote,
  parseTlogEntry,
  SignetError,
  toPem,
  utf8,
  verifyInclusion,
} from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { openTransparencyLog, reindexLog, rekorV2Routes, type TransparencyLog } from '@signet/services/log';
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { entryRequest } from './log-requests.ts';
import { codeSigning, extension, makeAuthority, type TestAuthority } from './test-certificates.ts';

const origin = 'log.example/-/signet/log';
const logSigner = generateSigner('PKIX_ED25519');
const sha256 = (text: string): Uint8Array => new Uint8Array(createHash('sha256').update(text).digest());
const b64 = (text: string): string => Buffer.from(text).toString('base64');

describe('search in the log', () => {
  let directory: string;
  let log: TransparencyLog;
  let app: FastifyInstance;
  let authority: TestAuthority;

  before(async () => {
    authority = await makeAuthority();
  });

  const open = async (): Promise<void> => {
    log = await openTransparencyLog({ directory, origin, signer: logSigner });
    app = Fastify();
    await app.register(rekorV2Routes(log));
  };
  const close = async (): Promise<void> => {
    await app.close();
    await log.close();
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-search-'));
    await open();
  });

  afterEach(async () => {
    await close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Logs an entry of somebody with a certificate. The log itself does not check who may say what. */
  async function add(
    artifact: string,
    email: string,
    repositoryId?: string,
    more: Uint8Array[] = [],
  ): Promise<Uint8Array> {
    const key = generateSigner();
    const names = extension(oids.subjectAlternativeName, der.sequence(der.tlv(0x81, utf8(email))));
    const claims = fulcioExtensions({
      issuer: 'https://issuer.example',
      ...(repositoryId === undefined ? {} : { sourceRepositoryIdentifier: repositoryId }),
    });
    const certificate = await authority.issue([codeSigning, names, ...claims, ...more], key);
    const signature = await key.sign(utf8(artifact));
    await log.append(
      encodeRekorBody({
        kind: 'hashedrekord',
        version: '0.0.2',
        digest: { algorithm: 'sha256', value: sha256(artifact) },
        signature: {
          signature,
          verifier: { kind: 'certificate', bytes: certificate, keyDetails: 'PKIX_ECDSA_P256_SHA_256' },
        },
      }),
    );
    return certificate;
  }

  const ask = (query: unknown): Promise<LightMyRequestResponse> =>
    app.inject({ method: 'POST', url: '/api/v2/index/retrieve', payload: JSON.stringify(query) });

  /** Indices of the answer, each of whose entries is checked with its proof. */
  async function found(query: unknown): Promise<number[]> {
    const answer = await ask(query);
    assert.equal(answer.statusCode, 200, answer.body);
    const { format, entries } = answer.json();
    assert.equal(format, 1);
    return entries.map((json: unknown) => {
      const { logIndex, inclusionProof, canonicalizedBody } = parseTlogEntry(json);
      assert.ok(inclusionProof?.checkpoint !== undefined);
      const { hashes, treeSize } = inclusionProof;
      const { rootHash } = parseCheckpoint(parseSignedNote(inclusionProof.checkpoint).text);
      verifyInclusion({ index: logIndex, treeSize, hashes, rootHash, leafHash: hashLeaf(canonicalizedBody) });
      return Number(logIndex);
    });
  }

  it('finds by digest, address, subject, issuer, key and claim what was acknowledged a moment ago', async () => {
    await add('a', 'Alice@Example.com', '42');
    const certificate = await add('b', 'bob@example.com', '42');
    await add('a', 'bob@example.com', '43');
    const hex = Buffer.from(sha256('a')).toString('hex');
    assert.deepEqual(await found({ hash: `sha256:${hex}` }), [0, 2]);
    assert.deepEqual(await found({ hash: hex.toUpperCase() }), [0, 2]);
    assert.deepEqual(await found({ email: 'alice@example.COM' }), [0]);
    assert.deepEqual(await found({ subject: 'bob@example.com' }), [1, 2]);
    assert.deepEqual(await found({ issuer: 'https://issuer.example' }), [0, 1, 2]);
    assert.deepEqual(await found({ claims: { sourceRepositoryIdentifier: '42' } }), [0, 1]);
    assert.deepEqual(
      await found({ publicKey: { format: 'x509', content: b64(toPem('CERTIFICATE', certificate)) } }),
      [1],
    );
    assert.deepEqual(await found({ email: 'nobody@example.com' }), []);
  });

  it('finds what matches any term or all of them', async () => {
    await add('a', 'alice@example.com', '42');
    await add('b', 'bob@example.com', '42');
    await add('c', 'bob@example.com', '43');
    const query = { email: 'bob@example.com', claims: { sourceRepositoryIdentifier: '42' } };
    assert.deepEqual(await found(query), [0, 1, 2]);
    assert.deepEqual(await found({ ...query, operator: 'or' }), [0, 1, 2]);
    assert.deepEqual(await found({ ...query, operator: 'and' }), [1]);
    assert.deepEqual(await found({ ...query, operator: 'and', issuer: 'https://other.example' }), []);
  });

  it('gives the results a page at a time', async () => {
    for (let i = 0; i < 7; i++) await add(`artifact ${i}`, 'alice@example.com', i % 2 === 0 ? '42' : '43');
    for (const [query, expected] of [
      [{ email: 'alice@example.com' }, [0, 1, 2, 3, 4, 5, 6]],
      [{ email: 'alice@example.com', claims: { sourceRepositoryIdentifier: '42' }, operator: 'and' }, [0, 2, 4, 6]],
      [
        { email: 'alice@example.com', claims: { sourceRepositoryIdentifier: '42' }, operator: 'or' },
        [0, 1, 2, 3, 4, 5, 6],
      ],
    ] as const) {
      const all: number[] = [];
      let from: string | null | undefined;
      while (from !== null) {
        const page: LightMyRequestResponse = await ask({ ...query, limit: 3, ...(from === undefined ? {} : { from }) });
        const { entries, next } = page.json();
        assert.ok(entries.length <= 3);
        all.push(...entries.map((entry: { logIndex: string }) => Number(entry.logIndex)));
        from = next;
      }
      assert.deepEqual(all, expected);
    }
  });

  it('finds what was logged before a restart, and after the index was deleted or was of an older state', async () => {
    await add('a', 'alice@example.com');
    assert.deepEqual(await found({ email: 'alice@example.com' }), [0]);
    await add('b', 'alice@example.com');
    await close();
    await open();
    assert.deepEqual(await found({ email: 'alice@example.com' }), [0, 1]);
    await close();
    for (const name of ['index.db', 'index.db-wal', 'index.db-shm']) await rm(join(directory, name), { force: true });
    await open();
    assert.deepEqual(await found({ email: 'alice@example.com' }), [0, 1]);
  });

  it('finds by the package that the submitter has named, also after a crash and without the old index', async () => {
    const purl = 'pkg:npm/%40acme/widgets@1.2.3';
    const submit = async (message: string, name?: string): Promise<LightMyRequestResponse> =>
      app.inject({
        method: 'POST',
        url: '/api/v2/log/entries',
        headers: name === undefined ? {} : { 'signet-package-url': name },
        payload: JSON.stringify(await entryRequest(message, generateSigner())),
      });
    assert.equal((await submit('a', `${purl}, pkg:npm/other@1`)).statusCode, 201);
    assert.equal((await submit('b')).statusCode, 201);
    assert.deepEqual(await found({ purl }), [0]);
    assert.equal((await submit('c', purl)).statusCode, 201);
    assert.deepEqual(await found({ purl }), [0, 2]);
    assert.deepEqual(await found({ purl: 'pkg:npm/%40acme/widgets@1.2.4' }), []);
    await close();
    await rm(join(directory, 'index.db'));
    await appendFile(join(directory, 'packages.txt'), '1 00000000 pkg:npm/wrong@1\n1 deadbeef pkg:npm/torn');
    await open();
    assert.deepEqual(await found({ purl }), [0, 2]);
    assert.deepEqual(await found({ purl: 'pkg:npm/wrong@1' }), []);
    assert.equal((await submit('d', 'pkg:npm/torn@1')).statusCode, 201);
    assert.deepEqual(await found({ purl: 'pkg:npm/torn@1' }), [3]);
  });

  it('takes an entry with a name that is none for a mistake', async () => {
    for (const name of ['widgets', 'pkg:npm/a b', 'pkg:npm/', Array(17).fill('pkg:npm/a@1').join(',')]) {
      const payload = JSON.stringify(await entryRequest('a', generateSigner()));
      const headers = { 'signet-package-url': name };
      const answer = await app.inject({ method: 'POST', url: '/api/v2/log/entries', headers, payload });
      assert.equal(answer.statusCode, 400);
      assert.match(answer.json().message, /signet-package-url/);
    }
    assert.equal(log.size, 0n);
  });

  it('is built again from the entries when its operator asks', async () => {
    await add('a', 'alice@example.com');
    await log.append(utf8('no JSON'), ['pkg:npm/named@1']);
    await assert.rejects(
      reindexLog(directory),
      (error) => error instanceof SignetError && error.code === 'ERR_LOG_LOCKED',
    );
    await close();
    await writeFile(join(directory, 'index.db'), 'damaged');
    assert.equal(await reindexLog(directory), 2);
    await open();
    assert.deepEqual(await found({ email: 'alice@example.com' }), [0]);
  });

  it('is not stopped by entries that it cannot read', async () => {
    await log.append(utf8('no JSON'));
    await log.append(utf8('{"kind":"unknown","apiVersion":"9","spec":{}}'));
    // A claim that is no UTF8String.
    await add('a', 'alice@example.com', undefined, [extension(`${oids.fulcio}.21`, Uint8Array.of(4, 1, 0))]);
    await add('b', 'alice@example.com');
    assert.deepEqual(await found({ email: 'alice@example.com' }), [2, 3]);
  });

  it('says so when the index is damaged, and does not answer half', async () => {
    await add('a', 'alice@example.com');
    await found({ email: 'alice@example.com' });
    await close();
    for (const name of ['index.db-wal', 'index.db-shm']) await rm(join(directory, name), { force: true });
    await writeFile(
      join(directory, 'index.db'),
      'this is no database, and long enough to look like something else'.repeat(99),
    );
    await open();
    const answer = await ask({ email: 'alice@example.com' });
    assert.equal(answer.statusCode, 503);
    assert.match(answer.json().message, /delete .*index\.db/);
    await add('b', 'alice@example.com');
    assert.equal(log.size, 2n);
  });

  it('is refused by a log that keeps no index', async () => {
    await close();
    log = await openTransparencyLog({ directory, origin, signer: logSigner, search: false });
    app = Fastify();
    await app.register(rekorV2Routes(log));
    assert.equal((await ask({ email: 'a@example.com' })).statusCode, 503);
  });

  for (const [what, query] of Object.entries({
    'no term': {},
    'an unknown field': { emial: 'a' },
    'an address that is no text': { email: 5 },
    'an empty address': { email: '' },
    'a hash of no known length': { hash: 'abcd' },
    'a hash with the name of another algorithm': { hash: `sha512:${'0'.repeat(64)}` },
    'an unknown operator': { email: 'a', operator: 'xor' },
    'a limit of none': { email: 'a', limit: 0 },
    'a limit beyond the limit': { email: 'a', limit: 101 },
    'a start that no answer has given': { email: 'a', from: '1-' },
    'a start that is a number': { email: 'a', from: 0 },
    'a key of another format': { publicKey: { format: 'pgp', content: 'AAAA' } },
    'a key that is no PEM': { publicKey: { format: 'x509', content: 'AAAA' } },
    'a key without content': { publicKey: {} },
    'a claim that is not indexed': { claims: { runnerEnvironment: 'x' } },
    'claims that are no object': { claims: [] },
    'an array': [],
    'a number': 5,
  })) {
    it(`refuses ${what} with 400`, async () => {
      const answer = await ask(query);
      assert.equal(answer.statusCode, 400, answer.body);
      assert.equal(answer.json().code, 3);
    });
  }
});
