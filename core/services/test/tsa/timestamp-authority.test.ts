import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  Certificate,
  der,
  encodeTimestampRequest,
  oids,
  parseDer,
  parseTimestampResponse,
  toBase64,
  toHex,
  toPem,
} from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { createTimestampChain, TimestampAuthority, tsaRoutes } from '@signet/services/tsa';
import fastify, { type FastifyInstance } from 'fastify';
import { ClockGuard } from '../../src/tsa/clock-guard.ts';

const run = promisify(execFile);
const message = Buffer.from('what is stamped');
const queryType = 'application/timestamp-query';

function imprint(algorithm: 'sha1' | 'sha256' | 'sha384' | 'sha512') {
  return { algorithm, digest: new Uint8Array(createHash(algorithm).update(message).digest()) };
}

/** Status and failure bits of a TimeStampResp. */
function statusOf(response: Uint8Array): { status: bigint; text?: string; failure?: number[] } {
  const [statusInfo] = parseDer(response).sequence();
  const [status, text, failure] = statusInfo?.sequence() ?? [];
  assert(status);
  if (text === undefined || failure === undefined) return { status: status.integer() };
  const bit = failure.namedBits();
  const set = Array.from({ length: 26 }, (_, index) => index).filter((index) => bit(index));
  return { status: status.integer(), text: text.sequence()[0]?.text() ?? '', failure: set };
}

for (const keyDetails of [
  'PKIX_ECDSA_P256_SHA_256',
  'PKIX_ECDSA_P384_SHA_384',
  'PKIX_RSA_PKCS1V15_2048_SHA256',
] as const) {
  describe(`timestamp authority with ${keyDetails}`, () => {
    let app: FastifyInstance;
    let folder: string;
    let chain: { root: Uint8Array; leaf: Uint8Array };

    before(async () => {
      const signer = generateSigner(keyDetails);
      const rootSigner = generateSigner('PKIX_ECDSA_P384_SHA_384');
      chain = await createTimestampChain({ name: 'tsa.test', rootSigner, signer });
      const authority = new TimestampAuthority({ signer, chain: [chain.leaf, chain.root] });
      app = fastify();
      await app.register(tsaRoutes(authority), { prefix: '/-/signet/tsa' });
      folder = await mkdtemp(join(tmpdir(), 'signet-tsa-'));
      await writeFile(join(folder, 'message'), message);
      await writeFile(join(folder, 'root.pem'), toPem('CERTIFICATE', chain.root));
      await writeFile(join(folder, 'leaf.pem'), toPem('CERTIFICATE', chain.leaf));
    });

    after(async () => {
      await app.close();
      await rm(folder, { recursive: true });
    });

    const post = (payload: Uint8Array | string, type = queryType) =>
      app.inject({
        method: 'POST',
        url: '/-/signet/tsa/api/v1/timestamp',
        headers: { 'content-type': type },
        payload: typeof payload === 'string' ? payload : Buffer.from(payload),
      });

    for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
      for (const withCertificates of [true, false]) {
        it(`satisfies openssl ts over ${hash} ${withCertificates ? 'with' : 'without'} certificates`, async () => {
          const query = join(folder, 'query');
          const reply = join(folder, 'reply');
          const arguments_ = ['ts', '-query', '-data', join(folder, 'message'), `-${hash}`, '-out', query];
          await run('openssl', withCertificates ? [...arguments_, '-cert'] : arguments_);
          const response = await post(await readFile(query));
          assert.equal(response.statusCode, 200);
          assert.equal(response.headers['content-type'], 'application/timestamp-reply');
          await writeFile(reply, response.rawPayload);
          const verify = ['ts', '-verify', '-in', reply, '-queryfile', query, '-CAfile', join(folder, 'root.pem')];
          const { stdout } = await run('openssl', [...verify, '-untrusted', join(folder, 'leaf.pem')]);
          assert.match(stdout, /Verification: OK/);
          const token = parseTimestampResponse(new Uint8Array(response.rawPayload));
          assert.equal(token.certificates.length, withCertificates ? 1 : 0);
          assert.equal(token.policy, '1.3.6.1.4.1.57264.2');
        });
      }
    }

    it('answers a JSON request and keeps a nonce that no double can hold', async () => {
      const nonce = 0x1234567890abcdef1234567890abcdefn;
      const { digest } = imprint('sha256');
      const body = `{"artifactHash":"${toBase64(digest)}","hashAlgorithm":"sha256","certificates":true,"nonce":${nonce}}`;
      const response = await post(body, 'application/json');
      assert.equal(response.statusCode, 200);
      const token = parseTimestampResponse(new Uint8Array(response.rawPayload));
      assert.equal(token.nonce, nonce);
      assert.deepEqual(token.messageImprint.digest, digest);
      assert.deepEqual(token.certificates[0], chain.leaf);
    });
  });
}

describe('timestamp authority', () => {
  let authority: TimestampAuthority;
  let app: FastifyInstance;
  let chain: { root: Uint8Array; leaf: Uint8Array };
  const signer = generateSigner('PKIX_ECDSA_P256_SHA_256');
  const rootSigner = generateSigner('PKIX_ECDSA_P384_SHA_384');

  before(async () => {
    chain = await createTimestampChain({ name: 'tsa.test', rootSigner, signer });
    authority = new TimestampAuthority({ signer, chain: [chain.leaf, chain.root] });
    app = fastify();
    await app.register(tsaRoutes(authority));
  });

  after(() => app.close());

  const post = (payload: Uint8Array | string, type = queryType) =>
    app.inject({
      method: 'POST',
      url: '/api/v1/timestamp',
      headers: { 'content-type': type },
      payload: typeof payload === 'string' ? payload : Buffer.from(payload),
    });

  const refusals: [string, Uint8Array, number, RegExp][] = [
    ['SHA-1', encodeTimestampRequest({ messageImprint: imprint('sha1'), certificateRequested: false }), 0, /sha1/],
    [
      'another policy',
      encodeTimestampRequest({ messageImprint: imprint('sha256'), certificateRequested: false, policy: '1.2.3' }),
      15,
      /1\.2\.3/,
    ],
    [
      'extensions',
      der.sequence(
        der.integer(1),
        der.sequence(der.sequence(der.oid(oids.sha256), der.null()), der.octetString(imprint('sha256').digest)),
        der.context(0, der.sequence(der.oid('1.2.3'), der.octetString())),
      ),
      16,
      /[Ee]xtensions/,
    ],
    [
      'a digest of the wrong length',
      der.sequence(
        der.integer(1),
        der.sequence(der.sequence(der.oid(oids.sha256), der.null()), der.octetString(new Uint8Array(31))),
      ),
      5,
      /31 bytes/,
    ],
    ['bytes that are no request', new Uint8Array([1, 2, 3]), 5, /./],
  ];
  for (const [what, request, failure, text] of refusals) {
    it(`refuses ${what} with a status of the protocol`, async () => {
      const response = await post(request);
      assert.equal(response.statusCode, 200);
      assert.equal(response.headers['content-type'], 'application/timestamp-reply');
      const answer = statusOf(new Uint8Array(response.rawPayload));
      assert.equal(answer.status, 2n);
      assert.deepEqual(answer.failure, [failure]);
      assert.match(answer.text ?? '', text);
    });
  }

  const malformed: [string, string][] = [
    ['text that is no JSON', '{'],
    ['an unknown hash', `{"artifactHash":"","hashAlgorithm":"md5"}`],
    ['a weak hash', `{"artifactHash":"","hashAlgorithm":"sha1"}`],
    ['a digest of the wrong length', `{"artifactHash":"AAAA","hashAlgorithm":"sha256"}`],
    ['a negative nonce', `{"artifactHash":"${toBase64(new Uint8Array(32))}","hashAlgorithm":"sha256","nonce":-1}`],
    ['a fractional nonce', `{"artifactHash":"${toBase64(new Uint8Array(32))}","hashAlgorithm":"sha256","nonce":1.5}`],
    ['an array', '[]'],
  ];
  for (const [what, body] of malformed) {
    it(`answers 400 in JSON to ${what} in JSON`, async () => {
      const response = await post(body, 'application/json');
      assert.equal(response.statusCode, 400);
      assert.equal(response.json().code, 400);
    });
  }

  it('answers 415 to another content type and 413 to a body that is too large', async () => {
    assert.equal((await post('x', 'text/plain')).statusCode, 415);
    assert.equal((await post(' '.repeat(2000), 'application/json')).statusCode, 413);
    assert.equal((await post(new Uint8Array(8000))).statusCode, 413);
  });

  it('serves its chain, leaf first', async () => {
    const response = await app.inject('/api/v1/timestamp/certchain');
    const served = Certificate.listFromPem(response.body).map(({ bytes }) => bytes);
    assert.deepEqual(served, [chain.leaf, chain.root]);
  });

  it('counts what it did', async () => {
    await post(encodeTimestampRequest({ messageImprint: imprint('sha256'), certificateRequested: false }));
    await post(new Uint8Array([1]));
    const { body } = await app.inject('/metrics');
    assert.match(body, /^signet_tsa_requests_total\{result="granted"\} [1-9]\d*$/m);
    assert.match(body, /^signet_tsa_requests_total\{result="refused"\} [1-9]\d*$/m);
  });

  it('never repeats a serial number', async () => {
    const serials = new Set<string>();
    for (let count = 0; count < 50; count++) {
      const response = await authority.stamp({
        messageImprint: imprint('sha256'),
        certificateRequested: false,
        hasExtensions: false,
      });
      serials.add(toHex(parseTimestampResponse(response).serialNumber));
    }
    assert.equal(serials.size, 50);
  });

  it('writes the time in whole seconds, not after the clock', async () => {
    const now = new Date(Date.now() + 700);
    const stamped = new TimestampAuthority({ signer, chain: [chain.leaf, chain.root], clock: () => now });
    const response = await stamped.stamp({
      messageImprint: imprint('sha256'),
      certificateRequested: false,
      hasExtensions: false,
    });
    assert.equal(parseTimestampResponse(response).genTime.getTime(), Math.floor(now.getTime() / 1000) * 1000);
  });

  it('gives no time after its certificate has ended', async () => {
    let now = new Date();
    const stamped = new TimestampAuthority({ signer, chain: [chain.leaf, chain.root], clock: () => now });
    now = new Date('2050-01-01T00:00:00Z');
    const request = { messageImprint: imprint('sha256'), certificateRequested: false, hasExtensions: false };
    await assert.rejects(stamped.stamp(request), { code: 'ERR_TIMESTAMP_REFUSED', failure: 'timeNotAvailable' });
    const stale = fastify();
    await stale.register(tsaRoutes(stamped));
    const health = await stale.inject('/healthz');
    assert.equal(health.statusCode, 503);
    assert.deepEqual(health.json(), { status: 'NOT_SERVING' });
    assert.deepEqual((await app.inject('/healthz')).json(), { status: 'SERVING' });
  });

  it('makes a leaf whose only purpose is critical time-stamping', () => {
    const leaf = Certificate.parse(chain.leaf);
    assert.deepEqual(leaf.extendedKeyUsage, [oids.timeStamping]);
    assert.equal(leaf.extensions.get(oids.extendedKeyUsage)?.critical, true);
    assert.equal(leaf.basicConstraints?.ca, false);
  });

  it('does not start with a leaf whose purpose is not critical', async () => {
    const parts = parseDer(Certificate.parse(chain.leaf).tbs).sequence();
    const changed = parts.map((part) => {
      if (part.tag !== 0xa3) return part.bytes;
      const extensions = part.children()[0]?.sequence() ?? [];
      const relaxed = extensions.map((extension) => {
        const [oid, , value] = extension.sequence();
        return oid?.oid() === oids.extendedKeyUsage && value ? der.sequence(oid.bytes, value.bytes) : extension.bytes;
      });
      return der.context(3, der.sequence(...relaxed));
    });
    const tbs = der.sequence(...changed);
    const algorithm = der.sequence(der.oid(oids.ecdsaWithSha384));
    const leaf = der.sequence(tbs, algorithm, der.bitString(await rootSigner.sign(tbs)));
    assert.deepEqual(Certificate.parse(leaf).extendedKeyUsage, [oids.timeStamping]);
    assert.throws(() => new TimestampAuthority({ signer, chain: [leaf, chain.root] }), {
      code: 'ERR_AUTHORITY_CHAIN',
      message: /critical/,
    });
  });

  it('does not start with a chain that verifiers would refuse', async () => {
    const other = generateSigner('PKIX_ECDSA_P256_SHA_256');
    const foreign = await createTimestampChain({ name: 'other.test', rootSigner: other, signer });
    const expired = await createTimestampChain({ name: 'old', rootSigner, signer, notBefore: new Date('2000-01-01') });
    const cases: [readonly Uint8Array[], RegExp, typeof signer?][] = [
      [[chain.leaf], /at least one authority/],
      [[chain.leaf, chain.root], /another key/, other],
      [[chain.leaf, foreign.root], /not signed by/],
      [[chain.root, chain.root], /not timeStamping/, rootSigner],
      [[expired.leaf, expired.root], /valid from/],
    ];
    for (const [chainBytes, pattern, key] of cases) {
      assert.throws(
        () => new TimestampAuthority({ signer: key ?? signer, chain: chainBytes }),
        (error: Error & { code?: string }) => error.code === 'ERR_AUTHORITY_CHAIN' && pattern.test(error.message),
      );
    }
  });
});

describe('clock guard', () => {
  it('believes a clock that runs with the monotonic one, and not for a while one that jumps', () => {
    let wall = 1_700_000_000_000;
    let monotonic = 0;
    const guard = new ClockGuard(
      () => new Date(wall),
      () => monotonic,
    );
    const advance = (milliseconds: number, jump = 0) => {
      wall += milliseconds + jump;
      monotonic += milliseconds;
    };
    advance(500_000);
    assert.equal(guard.now()?.getTime(), wall);
    advance(1000, 3_600_000);
    assert.equal(guard.now(), undefined);
    advance(1000);
    assert.equal(guard.now(), undefined);
    advance(10_000);
    assert.equal(guard.now()?.getTime(), wall);
    advance(1000, -5000);
    assert.equal(guard.now(), undefined);
  });
});
