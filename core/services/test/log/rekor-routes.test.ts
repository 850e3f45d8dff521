import assert from 'node:assert/strict';
import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  equalBytes,
  hashLeaf,
  type KeyDetails,
  parseCheckpoint,
  parseRekorBody,
  parseSignedNote,
  parseTlogEntry,
  preAuthenticationEncoding,
  utf8,
  verifyInclusion,
} from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { openTransparencyLog, rekorV2Routes, type TransparencyLog } from '@signet/services/log';
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { codeSigning, makeAuthority } from './test-certificates.ts';

const origin = 'log.example/-/signet/log';
const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const sha = (name: string, bytes: Uint8Array): Uint8Array => new Uint8Array(createHash(name).update(bytes).digest());

interface HashedRekord {
  readonly digest: string;
  readonly signature: { readonly content: string; readonly verifier: Record<string, unknown> };
}

/** A request for a signature over `message` with a bare key. */
async function hashedRekord(message: string, signer: Signer, hash = 'sha256'): Promise<HashedRekord> {
  return {
    digest: b64(sha(hash, utf8(message))),
    signature: {
      content: b64(await signer.sign(utf8(message))),
      verifier: { keyDetails: signer.keyDetails, publicKey: { rawBytes: b64(signer.publicKey.spki) } },
    },
  };
}

describe("Rekor's v2 API", () => {
  let directory: string;
  let log: TransparencyLog;
  let app: FastifyInstance;
  const signer = generateSigner();

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-rekor-'));
    log = await openTransparencyLog({ directory, origin, signer: generateSigner('PKIX_ED25519') });
    app = Fastify();
    await app.register(rekorV2Routes(log), { prefix: '/-/signet/log' });
  });

  afterEach(async () => {
    await app.close();
    await log.close();
    await rm(directory, { recursive: true, force: true });
  });

  const get = (path: string): Promise<LightMyRequestResponse> => app.inject(`/-/signet/log${path}`);
  const post = (payload: unknown, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> =>
    app.inject({
      method: 'POST',
      url: '/-/signet/log/api/v2/log/entries',
      headers: { 'content-type': 'application/json', ...headers },
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    });

  /** What a client checks before it believes an answer. */
  function verifyAnswer(answer: LightMyRequestResponse): ReturnType<typeof parseRekorBody> {
    assert.equal(answer.statusCode, 201, answer.body);
    const entry = parseTlogEntry(answer.json());
    const { inclusionProof, canonicalizedBody } = entry;
    assert.ok(inclusionProof?.checkpoint !== undefined);
    assert.ok(equalBytes(entry.logId, log.keyId));
    const head = parseCheckpoint(parseSignedNote(inclusionProof.checkpoint).text);
    assert.equal(head.treeSize, inclusionProof.treeSize);
    const { hashes, treeSize } = inclusionProof;
    const leafHash = hashLeaf(canonicalizedBody);
    verifyInclusion({ index: entry.logIndex, treeSize, hashes, leafHash, rootHash: head.rootHash });
    return parseRekorBody(canonicalizedBody);
  }

  it('logs a signed digest and answers as upstream does', async () => {
    const request = await hashedRekord('hello', signer);
    const answer = await post({ hashedRekordRequestV002: request });
    const body = verifyAnswer(answer);
    assert.equal(body.kind, 'hashedrekord');
    const json = answer.json();
    assert.deepEqual(Object.keys(json).sort(), [
      'canonicalizedBody',
      'inclusionPromise',
      'inclusionProof',
      'integratedTime',
      'kindVersion',
      'logId',
      'logIndex',
    ]);
    assert.equal(json.logIndex, '0');
    assert.equal(json.integratedTime, '0');
    assert.equal(json.inclusionPromise, null);
    assert.deepEqual(json.kindVersion, { kind: 'hashedrekord', version: '0.0.2' });
    assert.equal(json.inclusionProof.treeSize, '1');
    // The entry itself is JCS (RFC 8785) of the message that rekor-tiles writes.
    const { content } = request.signature;
    assert.equal(
      Buffer.from(json.canonicalizedBody, 'base64').toString(),
      `{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","digest":"${request.digest}"},` +
        `"signature":{"content":"${content}","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{"rawBytes":"${b64(signer.publicKey.spki)}"}}}}}}`,
    );
  });

  it('takes certificates as verifiers', async () => {
    const { issue } = await makeAuthority();
    const certificate = await issue([codeSigning], signer);
    const request = await hashedRekord('hello', signer);
    const verifier = { keyDetails: signer.keyDetails, x509Certificate: { rawBytes: b64(certificate) } };
    const signature = { content: request.signature.content, verifier };
    const body = verifyAnswer(await post({ hashedRekordRequestV002: { ...request, signature } }));
    assert.equal(body.kind === 'hashedrekord' && body.signature.verifier.kind, 'certificate');
  });

  it("takes what protobuf's JSON mapping allows: names of the .proto file, numbers for enums, URL base64, null", async () => {
    const request = await hashedRekord('hello', signer);
    const { content } = request.signature;
    const url = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    const answer = await post({
      dsse_request_v002: null,
      hashed_rekord_request_v002: {
        digest: url(request.digest),
        signature: {
          content: url(content),
          verifier: {
            key_details: 5,
            x509_certificate: null,
            public_key: { raw_bytes: url(b64(signer.publicKey.spki)) },
          },
        },
      },
    });
    verifyAnswer(answer);
    const again = await post({ hashedRekordRequestV002: request });
    assert.equal(again.json().logIndex, '0');
    assert.equal(again.json().canonicalizedBody, answer.json().canonicalizedBody);
  });

  for (const [details, hash] of [
    ['PKIX_ECDSA_P384_SHA_384', 'sha384'],
    ['PKIX_ECDSA_P521_SHA_512', 'sha512'],
    ['PKIX_RSA_PKCS1V15_2048_SHA256', 'sha256'],
  ] as const satisfies readonly (readonly [KeyDetails, string])[]) {
    it(`takes ${details}`, async () => {
      const other = generateSigner(details);
      const body = verifyAnswer(await post({ hashedRekordRequestV002: await hashedRekord('hello', other, hash) }));
      assert.equal(body.kind === 'hashedrekord' && body.digest.algorithm, hash);
    });
  }

  it('answers a duplicate with the existing entry and a fresh proof', async () => {
    const request = { hashedRekordRequestV002: await hashedRekord('hello', signer) };
    const first = await post(request);
    await post({ hashedRekordRequestV002: await hashedRekord('other', signer) });
    const again = await post(request);
    verifyAnswer(again);
    assert.equal(again.json().logIndex, first.json().logIndex);
    assert.equal(again.json().inclusionProof.treeSize, '2');
  });

  it('tells the good from the bad among many at once', async () => {
    const requests = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const request = await hashedRekord(`entry ${i}`, signer);
        return i % 3 === 0 ? { ...request, digest: b64(sha('sha256', utf8('other'))) } : request;
      }),
    );
    const answers = await Promise.all(requests.map((request) => post({ hashedRekordRequestV002: request })));
    for (const [i, answer] of answers.entries()) {
      if (i % 3 === 0) {
        assert.equal(answer.statusCode, 400);
        assert.match(answer.json().message, /does not verify/);
      } else {
        const body = verifyAnswer(answer);
        assert.ok(body.kind === 'hashedrekord' && equalBytes(body.digest.value, sha('sha256', utf8(`entry ${i}`))));
      }
    }
    assert.equal(log.size, 40n);
  });

  describe('with the older request for envelopes', () => {
    const payloadType = 'application/vnd.in-toto+json';
    const payload = utf8('{"_type":"https://in-toto.io/Statement/v1"}');
    const envelope = async (...signers: Signer[]): Promise<Record<string, unknown>> => ({
      payload: b64(payload),
      payloadType,
      signatures: await Promise.all(
        signers.map(async (one) => ({
          sig: b64(await one.sign(preAuthenticationEncoding(payloadType, payload))),
          keyid: '',
        })),
      ),
    });
    const verifier = (one: Signer): object => ({
      keyDetails: one.keyDetails,
      publicKey: { rawBytes: b64(one.publicKey.spki) },
    });

    it('logs the hash of the payload with its signatures', async () => {
      const body = verifyAnswer(
        await post({ dsseRequestV002: { envelope: await envelope(signer), verifiers: [verifier(signer)] } }),
      );
      assert.ok(body.kind === 'dsse');
      assert.ok(equalBytes(body.payloadHash.value, sha('sha256', payload)));
      assert.equal(body.signatures.length, 1);
    });

    it('logs several signatures, each with the key that verifies it', async () => {
      const other = generateSigner();
      const request = { envelope: await envelope(other, signer), verifiers: [verifier(signer), verifier(other)] };
      const body = verifyAnswer(await post({ dsseRequestV002: request }));
      assert.ok(body.kind === 'dsse');
      assert.deepEqual(
        body.signatures.map((one) => b64(one.verifier.bytes)),
        [other, signer].map((one) => b64(one.publicKey.spki)),
      );
    });

    it('refuses a signature without its key, a key without its signature, and another payload type', async () => {
      const other = generateSigner();
      for (const request of [
        { envelope: await envelope(signer, other), verifiers: [verifier(signer)] },
        { envelope: await envelope(signer), verifiers: [verifier(signer), verifier(other)] },
        { envelope: { ...(await envelope(signer)), payloadType: 'text/plain' }, verifiers: [verifier(signer)] },
        { envelope: { ...(await envelope(signer)), signatures: [] }, verifiers: [verifier(signer)] },
        { envelope: await envelope(signer), verifiers: [] },
        { envelope: await envelope(signer) },
        { verifiers: [verifier(signer)] },
      ]) {
        const answer = await post({ dsseRequestV002: request });
        assert.equal(answer.statusCode, 400, answer.body);
      }
      assert.equal(log.size, 0n);
    });

    it('is refused where the operator says so', async () => {
      const strict = Fastify();
      await strict.register(rekorV2Routes(log, { dsse: false }));
      const payloadJson = { dsseRequestV002: { envelope: await envelope(signer), verifiers: [verifier(signer)] } };
      const answer = await strict.inject({ method: 'POST', url: '/api/v2/log/entries', payload: payloadJson });
      assert.equal(answer.statusCode, 400);
      assert.match(answer.json().message, /submit hashedrekord/);
      await strict.close();
    });
  });

  describe('refuses', () => {
    type Change = (request: HashedRekord) => unknown;
    const wrap = (request: unknown): unknown => ({ hashedRekordRequestV002: request });
    const changes: Record<string, Change> = {
      'another digest': (request) => wrap({ ...request, digest: b64(sha('sha256', utf8('other'))) }),
      'a digest of another length': (request) => wrap({ ...request, digest: b64(sha('sha512', utf8('hello'))) }),
      'no digest': ({ signature }) => wrap({ signature }),
      'no signature': ({ digest }) => wrap({ digest }),
      'a null signature': ({ digest }) => wrap({ digest, signature: null }),
      'an empty signature': (request) => wrap({ ...request, signature: { ...request.signature, content: '' } }),
      'a signature that is not base64': (request) =>
        wrap({ ...request, signature: { ...request.signature, content: '*' } }),
      'base64 of an impossible length': (request) => wrap({ ...request, digest: 'AAAAA' }),
      'a number for bytes': (request) => wrap({ ...request, digest: 5 }),
      'an unknown field': (request) => wrap({ ...request, extra: 1 }),
      'an unknown field at the top': (request) => ({ hashedRekordRequestV002: request, extra: 1 }),
      'a field under both of its names': (request) => ({
        hashedRekordRequestV002: request,
        hashed_rekord_request_v002: request,
      }),
      'no kind': () => ({}),
      'two kinds': (request) => ({ hashedRekordRequestV002: request, dsseRequestV002: {} }),
      'an array': (request) => [request],
      'no verifier': (request) => wrap({ ...request, signature: { content: request.signature.content } }),
      'a verifier of both kinds': (request) => {
        const { content, verifier } = request.signature;
        return wrap({
          ...request,
          signature: { content, verifier: { ...verifier, x509Certificate: verifier.publicKey } },
        });
      },
      'a key in the place of a certificate': (request) => {
        const { content, verifier } = request.signature;
        const { keyDetails, publicKey } = verifier;
        return wrap({ ...request, signature: { content, verifier: { keyDetails, x509Certificate: publicKey } } });
      },
      'an algorithm that is not named': (request) => {
        const { content, verifier } = request.signature;
        return wrap({ ...request, signature: { content, verifier: { publicKey: verifier.publicKey } } });
      },
      'an algorithm of another key': (request) => {
        const { content, verifier } = request.signature;
        const other = { ...verifier, keyDetails: 'PKIX_ECDSA_P384_SHA_384' };
        return wrap({ ...request, signature: { content, verifier: other } });
      },
      'pure Ed25519, which signs no digests': (request) => {
        const { content, verifier } = request.signature;
        return wrap({ ...request, signature: { content, verifier: { ...verifier, keyDetails: 'PKIX_ED25519' } } });
      },
      'text that is no JSON': () => '{',
      'nothing at all': () => '',
      'a repeated key': (request) =>
        `{"hashedRekordRequestV002":${JSON.stringify(request)},"hashedRekordRequestV002":${JSON.stringify(request)}}`,
      'a hundred levels of nesting': () => `${'['.repeat(100)}${']'.repeat(100)}`,
    };
    for (const [what, change] of Object.entries(changes)) {
      it(`${what}, with 400 and a reason`, async () => {
        const answer = await post(change(await hashedRekord('hello', signer)));
        assert.equal(answer.statusCode, 400, answer.body);
        const { code, message, details } = answer.json();
        assert.equal(code, 3);
        assert.equal(typeof message, 'string');
        assert.deepEqual(details, []);
        assert.equal(log.size, 0n);
      });
    }

    it('a curve that is not NIST P', async () => {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
      const content = b64(
        sign('sha256', utf8('hello'), createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' }))),
      );
      const rawBytes = b64(publicKey.export({ format: 'der', type: 'spki' }));
      const signature = { content, verifier: { keyDetails: 'PKIX_ECDSA_P256_SHA_256', publicKey: { rawBytes } } };
      const answer = await post({ hashedRekordRequestV002: { digest: b64(sha('sha256', utf8('hello'))), signature } });
      assert.equal(answer.statusCode, 400);
    });

    it('a request beyond its limit, naming limit and size', async () => {
      const answer = await post(`"${'x'.repeat(5 << 20)}"`);
      assert.equal(answer.statusCode, 413);
      assert.match(answer.json().message, /at most 4194304 bytes, and this one has 5242882/);
    });

    it('an entry beyond its limit, naming limit and size', async () => {
      const other = generateSigner();
      const payload = utf8('{}');
      const sig = b64(await other.sign(preAuthenticationEncoding('t', payload)));
      const { issue } = await makeAuthority();
      const { extension } = await import('./test-certificates.ts');
      const certificate = await issue([codeSigning, extension('1.2.3.4', new Uint8Array(60_000))], other);
      const answer = await post({
        dsseRequestV002: {
          envelope: { payload: b64(payload), payloadType: 't', signatures: [{ sig }] },
          verifiers: [{ keyDetails: other.keyDetails, x509Certificate: { rawBytes: b64(certificate) } }],
        },
      });
      assert.equal(answer.statusCode, 413, answer.body);
      assert.match(answer.json().message, /the entry has \d+ bytes; this log takes at most 65535/);
    });

    it('more requests than may wait, with 503 and how many do', async () => {
      const small = Fastify();
      await small.register(rekorV2Routes(log, { maximumWaiting: 3, workers: 0 }));
      const requests = await Promise.all([1, 2, 3, 4, 5].map((i) => hashedRekord(`entry ${i}`, signer)));
      const answers = await Promise.all(
        requests.map((hashedRekordRequestV002) =>
          small.inject({ method: 'POST', url: '/api/v2/log/entries', payload: { hashedRekordRequestV002 } }),
        ),
      );
      const refused = answers.filter(({ statusCode }) => statusCode === 503);
      assert.equal(refused.length, 2);
      assert.match(refused[0]?.json().message, /^3 requests are waiting/);
      assert.equal(log.size, 3n);
      await small.close();
    });

    it('entries once the log is closed, with 503', async () => {
      await log.close();
      const answer = await post({ hashedRekordRequestV002: await hashedRekord('hello', signer) });
      assert.equal(answer.statusCode, 503);
      assert.equal(answer.json().code, 14);
      assert.equal(answer.headers['retry-after'], '1');
    });
  });

  describe('reads', () => {
    beforeEach(async () => {
      for (let i = 0; i < 3; i++) await post({ hashedRekordRequestV002: await hashedRekord(`entry ${i}`, signer) });
    });

    it('full tiles and bundles, the second time as the first, wherever they are read', async () => {
      await Promise.all(Array.from({ length: 254 }, (_, i) => log.append(utf8(`full ${i}`))));
      for (const path of ['tile/0/000', 'tile/entries/000']) {
        const answers = [];
        for (const prefix of ['', '', '/api/v2']) answers.push(await get(`${prefix}/${path}`));
        const expected = path === 'tile/0/000' ? log.readTile(0, 0) : await log.readEntryBundle(0);
        for (const answer of answers) {
          assert.equal(answer.statusCode, 200);
          assert.equal(answer.headers['content-type'], 'application/octet-stream');
          assert.equal(answer.headers['cache-control'], 'public, max-age=31536000, immutable');
          assert.equal(answer.headers['access-control-allow-origin'], '*');
          assert.deepEqual(answer.rawPayload, Buffer.from(expected ?? []));
        }
      }
      // A tile that is not there yet is not remembered as missing.
      assert.equal((await get('/tile/0/001.p/2')).statusCode, 404);
      await log.append(utf8('one more'));
      assert.equal((await get('/tile/0/001.p/2')).rawPayload.length, 64);
    });

    for (const prefix of ['', '/api/v2']) {
      it(`checkpoint, tiles and entry bundles below ${prefix || 'the base URL'}`, async () => {
        const checkpoint = await get(`${prefix}/checkpoint`);
        assert.equal(checkpoint.statusCode, 200);
        assert.equal(checkpoint.headers['content-type'], 'text/plain; charset=utf-8');
        assert.equal(checkpoint.headers['cache-control'], 'no-cache');
        assert.equal(checkpoint.headers['access-control-allow-origin'], '*');
        assert.equal(checkpoint.body, log.checkpoint());
        const tile = await get(`${prefix}/tile/0/000.p/3`);
        assert.equal(tile.headers['content-type'], 'application/octet-stream');
        assert.match(String(tile.headers['cache-control']), /immutable/);
        assert.equal(tile.rawPayload.length, 96);
        const bundle = await get(`${prefix}/tile/entries/000.p/2`);
        assert.ok(equalBytes(bundle.rawPayload, (await log.readEntryBundle(0, 2)) ?? new Uint8Array()));
      });
    }

    for (const path of [
      '/tile/0/000',
      '/tile/0/000.p/4',
      '/tile/1/000.p/1',
      '/tile/0/000.p/0',
      '/tile/0/0',
      '/tile/data/000.p/1',
      '/tile/',
      '/nothing',
    ]) {
      it(`answer ${path} with 404`, async () => {
        const answer = await get(path);
        assert.equal(answer.statusCode, 404);
        assert.equal(answer.json().code, 5);
      });
    }

    it('give a proof of an entry for offline use', async () => {
      const answer = await get('/api/v2/proof/1');
      assert.equal(answer.statusCode, 200);
      assert.match(answer.body, /^c2sp\.org\/tlog-proof@v1\nindex 1\n/);
      assert.equal((await get('/api/v2/proof/3')).statusCode, 404);
      assert.equal((await get('/api/v2/proof/-1')).statusCode, 400);
      assert.equal((await get('/api/v2/proof/01')).statusCode, 400);
    });

    it('tell health', async () => {
      assert.deepEqual((await get('/healthz')).json(), { status: 'SERVING' });
    });
  });

  it('works over a socket', async () => {
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    const response = await fetch(`${url}/-/signet/log/api/v2/log/entries`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: JSON.stringify({ hashedRekordRequestV002: await hashedRekord('hello', signer) }),
    });
    assert.equal(response.status, 201);
    const tile = await fetch(`${url}/-/signet/log/tile/0/000.p/1`);
    assert.equal((await tile.arrayBuffer()).byteLength, 32);
  });
});
