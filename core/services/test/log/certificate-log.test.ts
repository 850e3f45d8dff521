import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importPublicKey, verifySignature } from '@signet/primitives/crypto';
import {
  Certificate,
  concat,
  equalBytes,
  hashLeaf,
  noteKeyHint,
  oids,
  parseCheckpoint,
  parseSignedNote,
  type SignedCertificateTimestamp,
  SignetError,
  sctSignedData,
  verifyInclusion,
} from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { type CertificateLog, ctRoutes, openCertificateLog } from '@signet/services/log';
import { Ajv2020 } from 'ajv/dist/2020.js';
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import {
  authority,
  codeSigning,
  extension,
  makeAuthority,
  makeCertificate,
  poison,
  type TestAuthority,
} from './test-certificates.ts';

const origin = 'log.example/-/signet/ct';
const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const fromB64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

describe('certificate log', () => {
  let directory: string;
  let log: CertificateLog;
  let app: FastifyInstance;
  let trusted: TestAuthority;
  const signer = generateSigner();

  const open = async (): Promise<void> => {
    log = await openCertificateLog({ directory, origin, signer, acceptedRoots: [trusted.root] });
    app = Fastify();
    await app.register(ctRoutes(log));
  };

  before(async () => {
    trusted = await makeAuthority();
  });

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-ct-'));
    await open();
  });

  afterEach(async () => {
    await app.close();
    await log.close();
    await rm(directory, { recursive: true, force: true });
  });

  function verifySct(sct: SignedCertificateTimestamp, precertificate: Uint8Array): void {
    const message = sctSignedData(sct, {
      type: 'precertificate',
      issuerKeyHash: sha256(Certificate.parse(trusted.intermediate).publicKey.spki),
      tbs: Certificate.parse(precertificate).tbsWithoutExtension(oids.precertificatePoison),
    });
    const key = importPublicKey(signer.publicKey);
    assert.ok(verifySignature({ key, message, signature: sct.signature }));
    assert.ok(equalBytes(sct.logId, sha256(signer.publicKey.spki)));
  }

  it('gives a precertificate a promise with its place in the log', async () => {
    for (const index of [0, 1]) {
      const precertificate = await trusted.issue([codeSigning, poison]);
      const sct = await log.addPreChain([precertificate, trusted.intermediate, trusted.root]);
      verifySct(sct, precertificate);
      assert.ok(equalBytes(sct.extensions, Uint8Array.of(0, 0, 5, 0, 0, 0, 0, index)));
    }
    assert.equal(log.size, 2n);
  });

  it('gives the same precertificate the same promise, also after a restart and without the root', async () => {
    const precertificate = await trusted.issue([codeSigning, poison]);
    const first = await log.addPreChain([precertificate, trusted.intermediate, trusted.root]);
    await log.addPreChain([await trusted.issue([codeSigning, poison]), trusted.intermediate]);
    await app.close();
    await log.close();
    await open();
    const again = await log.addPreChain([precertificate, trusted.intermediate]);
    verifySct(again, precertificate);
    assert.deepEqual(again.timestamp, first.timestamp);
    assert.ok(equalBytes(again.extensions, first.extensions));
    assert.equal(log.size, 2n);
  });

  it('answers add-pre-chain as RFC 6962 has it and serves the entry as static-ct has it', async () => {
    const precertificate = await trusted.issue([codeSigning, poison]);
    const chain = [precertificate, trusted.intermediate, trusted.root].map(b64);
    const answer = await app.inject({ method: 'POST', url: '/ct/v1/add-pre-chain', payload: { chain } });
    assert.equal(answer.statusCode, 200);
    const sct = answer.json();
    assert.equal(sct.sct_version, 0);
    assert.deepEqual(fromB64(sct.signature).subarray(0, 2), Uint8Array.of(4, 3));

    // TileLeaf, by hand.
    const tbs = Certificate.parse(precertificate).tbsWithoutExtension(oids.precertificatePoison);
    const timestamp = Buffer.alloc(8);
    timestamp.writeBigUInt64BE(BigInt(sct.timestamp));
    const timestampedEntry = concat(
      timestamp,
      Uint8Array.of(0, 1),
      sha256(Certificate.parse(trusted.intermediate).publicKey.spki),
      Uint8Array.of(0, tbs.length >> 8, tbs.length & 0xff),
      tbs,
      Uint8Array.of(0, 8),
      fromB64(sct.extensions),
    );
    const data = await app.inject('/tile/data/000.p/1');
    assert.equal(data.statusCode, 200);
    assert.deepEqual(
      new Uint8Array(data.rawPayload),
      concat(
        timestampedEntry,
        Uint8Array.of(0, precertificate.length >> 8, precertificate.length & 0xff),
        precertificate,
        Uint8Array.of(0, 64),
        sha256(trusted.intermediate),
        sha256(trusted.root),
      ),
    );
    const tile = await app.inject('/tile/0/000.p/1');
    const leafHash = hashLeaf(concat(Uint8Array.of(0, 0), timestampedEntry));
    assert.ok(equalBytes(tile.rawPayload, leafHash));

    const issuer = await app.inject(`/issuer/${Buffer.from(sha256(trusted.intermediate)).toString('hex')}`);
    assert.equal(issuer.headers['content-type'], 'application/pkix-cert');
    assert.deepEqual(new Uint8Array(issuer.rawPayload), trusted.intermediate);
    assert.equal((await app.inject(`/issuer/${'0'.repeat(64)}`)).statusCode, 404);
  });

  it('signs the same tree head as checkpoint and as get-sth', async () => {
    const precertificate = await trusted.issue([codeSigning, poison]);
    await log.addPreChain([precertificate, trusted.intermediate]);
    const { text, signatures } = parseSignedNote((await app.inject('/checkpoint')).body);
    const head = parseCheckpoint(text);
    const [line] = signatures;
    assert.ok(line !== undefined);
    assert.equal(head.origin, origin);
    assert.equal(line.name, origin);
    assert.deepEqual(line.keyHint, noteKeyHint(origin, 5, log.logId));

    const sth = (await app.inject('/ct/v1/get-sth')).json();
    assert.equal(sth.tree_size, 1);
    assert.equal(sth.sha256_root_hash, b64(head.rootHash));
    const time = Buffer.alloc(16);
    time.writeBigUInt64BE(BigInt(sth.timestamp), 0);
    time.writeBigUInt64BE(1n, 8);
    assert.deepEqual(new Uint8Array(line.signature.subarray(0, 8)), new Uint8Array(time.subarray(0, 8)));
    const message = concat(Uint8Array.of(0, 1), time, head.rootHash);
    const signature = fromB64(sth.tree_head_signature).subarray(4);
    assert.ok(verifySignature({ key: importPublicKey(signer.publicKey), message, signature }));
    const leafHash = new Uint8Array((await app.inject('/tile/0/000.p/1')).rawPayload);
    verifyInclusion({ index: 0n, treeSize: 1n, leafHash, hashes: log.inclusionProof(0n), rootHash: head.rootHash });
  });

  it('logs final certificates too, and lists the roots it accepts', async () => {
    const certificate = await trusted.issue([codeSigning]);
    const sct = await log.addChain([certificate, trusted.intermediate]);
    const message = sctSignedData(sct, { type: 'x509', certificate });
    assert.ok(verifySignature({ key: importPublicKey(signer.publicKey), message, signature: sct.signature }));
    assert.deepEqual((await app.inject('/ct/v1/get-roots')).json(), { certificates: [b64(trusted.root)] });
    assert.equal((await app.inject('/healthz')).json().status, 'SERVING');
  });

  it('counts what it promises and refuses, and describes itself as OpenAPI', async () => {
    const chain = [await trusted.issue([codeSigning, poison]), trusted.intermediate, trusted.root].map(b64);
    const post = (payload: object): Promise<LightMyRequestResponse> =>
      app.inject({ method: 'POST', url: '/ct/v1/add-pre-chain', payload: JSON.stringify(payload) });
    const answer = await post({ chain });
    assert.equal(answer.statusCode, 200, answer.body);
    assert.equal((await post({ chain: [] })).statusCode, 400);
    const { body } = await app.inject('/metrics');
    assert.match(body, /^signet_ct_promises_total\{kind="precertificate"\} 1$/m);
    assert.match(body, /^signet_ct_refused_total\{reason="ERR_CT_CHAIN"\} 1$/m);
    assert.match(body, /^signet_ct_size 1$/m);
    const { paths } = (await app.inject('/openapi.json')).json();
    assert.deepEqual(Object.keys(paths).sort(), [
      '/checkpoint',
      '/ct/v1/add-chain',
      '/ct/v1/add-pre-chain',
      '/ct/v1/get-roots',
      '/ct/v1/get-sth',
      '/healthz',
      '/issuer/{fingerprint}',
      '/metrics',
      '/tile/{path}',
    ]);
    const { responses, requestBody } = paths['/ct/v1/add-pre-chain'].post;
    const ajv = new Ajv2020({ strict: true });
    for (const [schema, value] of [
      [requestBody.content['application/json'].schema, { chain }],
      [responses[200].content['application/json'].schema, answer.json()],
      [
        paths['/ct/v1/get-sth'].get.responses[200].content['application/json'].schema,
        (await app.inject('/ct/v1/get-sth')).json(),
      ],
    ]) {
      assert.ok(ajv.validate(schema, value), ajv.errorsText());
    }
  });

  it('keeps several kinds of entries apart when it derives its files again', async () => {
    const certificates = await Promise.all(Array.from({ length: 40 }, () => trusted.issue([codeSigning])));
    const precertificates = await Promise.all(Array.from({ length: 40 }, () => trusted.issue([codeSigning, poison])));
    await Promise.all([
      ...certificates.map((certificate) => log.addChain([certificate, trusted.intermediate])),
      ...precertificates.map((precertificate) => log.addPreChain([precertificate, trusted.intermediate])),
    ]);
    const data = await log.readEntryBundle(0, 80);
    await app.close();
    await log.close();
    for (const name of ['derived.json', 'L0.dat', 'entries.idx', 'keys.dat']) await rm(join(directory, name));
    await open();
    assert.equal(log.size, 80n);
    assert.deepEqual(await log.readEntryBundle(0, 80), data);
    for (const certificate of certificates) await log.addChain([certificate, trusted.intermediate]);
    assert.equal(log.size, 80n);
  });

  describe('refuses', () => {
    const cases: Record<string, () => Promise<Uint8Array[]>> = {
      'an empty chain': async () => [],
      'a chain to another root': async () => {
        const other = await makeAuthority();
        return [await other.issue([codeSigning, poison]), other.intermediate, other.root];
      },
      'an intermediate of another root with the same name': async () => {
        const other = await makeAuthority();
        return [await other.issue([codeSigning, poison]), other.intermediate, trusted.root];
      },
      'a precertificate without poison': async () => [await trusted.issue([codeSigning]), trusted.intermediate],
      'poison that is not critical': async () => [
        await trusted.issue([codeSigning, extension(oids.precertificatePoison, Uint8Array.of(5, 0))]),
        trusted.intermediate,
      ],
      'poison with a value': async () => [
        await trusted.issue([codeSigning, extension(oids.precertificatePoison, Uint8Array.of(4, 0), true)]),
        trusted.intermediate,
      ],
      'a certificate for another purpose': async () => [await trusted.issue([poison]), trusted.intermediate],
      'a leaf that acts as authority': async () => {
        const key = generateSigner();
        const leaf = await trusted.issue([codeSigning], key);
        const below = await makeCertificate({
          issuer: 'leaf',
          subject: 'below',
          key: generateSigner(),
          signedBy: key,
          extensions: [codeSigning, poison],
        });
        return [below, leaf, trusted.intermediate];
      },
      'an authority below one that allows none': async () => {
        const key = generateSigner();
        const sub = await trusted.issue([...authority(), codeSigning], key);
        const below = await makeCertificate({
          issuer: 'leaf',
          subject: 'below',
          key: generateSigner(),
          signedBy: key,
          extensions: [codeSigning, poison],
        });
        return [below, sub, trusted.intermediate];
      },
      'the wrong order': async () => [await trusted.issue([codeSigning, poison]), trusted.root, trusted.intermediate],
      'a root alone': async () => [trusted.root],
      'bytes that are no certificate': async () => [Uint8Array.of(1, 2, 3), trusted.intermediate],
      'eleven certificates': async () => [
        await trusted.issue([codeSigning, poison]),
        ...Array.from({ length: 10 }, () => trusted.intermediate),
      ],
    };
    for (const [what, chain] of Object.entries(cases)) {
      it(what, async () => {
        const payload = { chain: (await chain()).map(b64) };
        const answer = await app.inject({ method: 'POST', url: '/ct/v1/add-pre-chain', payload });
        assert.equal(answer.statusCode, 400, answer.body);
        assert.match(answer.json().message, /does not take the chain/);
        assert.equal(log.size, 0n);
      });
    }

    it('a precertificate that is submitted as final certificate', async () => {
      const precertificate = await trusted.issue([codeSigning, poison]);
      await assert.rejects(log.addChain([precertificate, trusted.intermediate]), code('ERR_CT_CHAIN'));
    });

    for (const [what, payload] of Object.entries({
      'no JSON': '{',
      'a JSON array': '[]',
      'no chain': '{}',
      'a chain of numbers': '{"chain":[1]}',
      'base64 with blanks': '{"chain":["AA =="]}',
      'a repeated key': '{"chain":[],"chain":[]}',
    })) {
      it(`${what}, with 400`, async () => {
        const answer = await app.inject({ method: 'POST', url: '/ct/v1/add-chain', payload });
        assert.equal(answer.statusCode, 400, answer.body);
        assert.equal(answer.json().code, 3);
      });
    }

    it('a request beyond its limit, naming the limit', async () => {
      const payload = JSON.stringify({ chain: ['A'.repeat(300_000)] });
      const answer = await app.inject({ method: 'POST', url: '/ct/v1/add-chain', payload });
      assert.equal(answer.statusCode, 413);
      assert.match(answer.json().message, /262144/);
    });

    it('a key that is not P-256', async () => {
      const ed25519 = generateSigner('PKIX_ED25519');
      const opened = openCertificateLog({ directory, origin, signer: ed25519, acceptedRoots: [] });
      await assert.rejects(opened, code('ERR_KEY_UNSUPPORTED'));
    });

    it('to start with a damaged issuer file', async () => {
      await log.addPreChain([await trusted.issue([codeSigning, poison]), trusted.intermediate]);
      await app.close();
      await log.close();
      const name = Buffer.from(sha256(trusted.root)).toString('hex');
      await writeFile(join(directory, 'issuers', name), 'x');
      await assert.rejects(open(), code('ERR_LOG_CORRUPT'));
      await writeFile(join(directory, 'issuers', name), trusted.root);
      await open();
    });
  });
});

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof SignetError && error.code === expected;
}
