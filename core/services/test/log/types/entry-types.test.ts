import assert from 'node:assert/strict';
import { constants, createHash, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { canonicalize, hashLeaf, type JsonObject, SignetError, toHex, utf8 } from '@signet/primitives/formats';
import { EntryTypes } from '@signet/services/log';
import { entryTerms } from '../../../src/log/search/search-keys.ts';
import { base64, dsse, envelope, hashedRekord, makeKey, type Proposal, sha256 } from '../rekor-v1/proposals.ts';
import { needs, ToolBench } from '../tools.ts';
import { publicEntries } from './public-entries.ts';

const types = new EntryTypes();

function refused(code: string, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SignetError, String(error));
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}

const badSignature = refused('ERR_LOG_SIGNATURE');
const proposal = (kind: string, spec: Record<string, unknown>, apiVersion = '0.0.1'): Proposal => ({
  kind,
  apiVersion,
  spec,
});

/** The logged spec. */
async function logged(entry: Proposal): Promise<Record<string, never>> {
  const { kind, version, body } = await types.verify(entry);
  const { spec, ...rest } = JSON.parse(Buffer.from(body).toString());
  assert.deepEqual(rest, { kind, apiVersion: version });
  assert.equal(
    Buffer.from(body).toString(),
    canonicalize({ kind, apiVersion: version, spec }),
    'the entry is in canonical form',
  );
  return spec;
}

function rekord(format: string, key: Uint8Array, signature: Uint8Array, content: Uint8Array | string): Proposal {
  const parts = { format, content: base64(signature), publicKey: { content: base64(key) } };
  return proposal('rekord', { data: { content: base64(content) }, signature: parts });
}

describe('entries of a real Rekor', () => {
  for (const { name, kind, spec, leafHash, membersOf2021 } of publicEntries) {
    it(`${name}: leaf, key and search`, () => {
      // Entries of the first months were not yet in canonical JSON: their members stood in another order.
      const [version, named, inner] = ['"apiVersion":"0.0.1"', `"kind":"${kind}"`, `"spec":${canonicalize(spec)}`];
      const text = (membersOf2021 ? [version, inner, named] : [version, named, inner]).join(',');
      assert.equal(toHex(hashLeaf(utf8(`{${text}}`))), leafHash);
      const signature = spec.signature as
        | { format?: string; content: string; publicKey: { content: string } }
        | undefined;
      const key = signature?.publicKey.content ?? (spec.publicKey as string);
      const { canonical } = types.publicKey(signature?.format ?? 'x509', Buffer.from(key, 'base64'));
      assert.equal(base64(canonical), key, 'the key is in the form that Rekor logged');
      assert.ok(types.searchTerms(utf8(`{${text}}`)).length >= 2);
    });
  }

  it('are what comes out again when they are proposed: a signature over a digest', async () => {
    const entry = publicEntries.find(({ kind }) => kind === 'hashedrekord');
    assert.ok(entry !== undefined);
    const { body } = await types.verify(proposal(entry.kind, entry.spec));
    assert.equal(toHex(hashLeaf(body)), entry.leafHash);
  });

  it('are what comes out again when they are proposed: a file signed by signify', async () => {
    const key = utf8('untrusted comment: demo public key\nRWTOOX3k214/uH5EXGmApt6VJxqUIIg2+Zs+j9ED3S3VF9pGK6hX4KJc\n');
    const signature = utf8(
      'untrusted comment: verify with example.pub\nRWTOOX3k214/uCGEnAkGh/p8lB+j8fU4o3vhZsswnwdEx163dDPzQxMAUwTqAc+Z/hgrpgHINU4yEnxO9spJy2vffpwVIBHWygY=\n',
    );
    const { body } = await types.verify(rekord('minisign', key, signature, 'print("hello")\n'));
    assert.equal(toHex(hashLeaf(body)), publicEntries.find(({ name }) => name.includes('signify'))?.leafHash);
  });
});

describe('entry types', () => {
  const [key, other] = [makeKey(), makeKey()];

  describe('hashedrekord 0.0.1', () => {
    it('logs digests of each length with the key that signs such', async () => {
      for (const [curve, hash] of [
        ['P-256', 'sha256'],
        ['P-384', 'sha384'],
        ['P-521', 'sha512'],
      ] as const) {
        const { privateKey, pem } = makeKey(curve);
        const value = createHash(hash).update('hello').digest('hex');
        const content = base64(sign(hash, utf8('hello'), privateKey));
        const spec = {
          data: { hash: { algorithm: hash, value } },
          signature: { content, publicKey: { content: base64(pem) } },
        };
        assert.deepEqual(await logged(proposal('hashedrekord', spec)), spec);
        const wrong = {
          ...spec,
          data: { hash: { algorithm: hash, value: value.replace(/^./, (c) => (c === '0' ? '1' : '0')) } },
        };
        await assert.rejects(types.verify(proposal('hashedrekord', wrong)), badSignature);
      }
    });

    it('keeps digits as they were written, as upstream does', async () => {
      const { spec } = hashedRekord('hello', key);
      const upper = structuredClone(spec) as { data: { hash: { value: string } } };
      upper.data.hash.value = upper.data.hash.value.toUpperCase();
      const { data } = (await logged(proposal('hashedrekord', upper as never))) as never as typeof upper;
      assert.equal(data.hash.value, upper.data.hash.value);
    });

    it('refuses digests that the key does not sign, and other lengths', async () => {
      const { spec } = hashedRekord('hello', makeKey('P-384'));
      await assert.rejects(
        types.verify(proposal('hashedrekord', spec)),
        refused('ERR_LOG_SIGNATURE', /signs a sha384 digest/),
      );
      const short = { ...hashedRekord('hello', key).spec, data: { hash: { algorithm: 'sha256', value: 'abcd' } } };
      await assert.rejects(
        types.verify(proposal('hashedrekord', short)),
        refused('ERR_LOG_REQUEST', /not a sha256 digest/),
      );
    });
  });

  describe('dsse 0.0.1', () => {
    it('logs hashes and every signature with its key, sorted', async () => {
      const text = envelope('{"a":1}', [key, other]);
      const spec = await logged(dsse(text, [other, key]));
      const { signatures, envelopeHash, payloadHash } = spec as never as {
        signatures: { signature: string; verifier: string }[];
        envelopeHash: object;
        payloadHash: object;
      };
      assert.deepEqual(envelopeHash, { algorithm: 'sha256', value: sha256(text) });
      assert.deepEqual(payloadHash, { algorithm: 'sha256', value: sha256('{"a":1}') });
      const submitted = JSON.parse(text).signatures.map(({ sig }: { sig: string }) => sig);
      assert.deepEqual(
        signatures.map(({ signature }) => signature),
        [...submitted].sort(),
      );
      const byKey = new Map(signatures.map(({ signature, verifier }) => [signature, verifier]));
      assert.equal(byKey.get(submitted[0]), base64(key.pem));
      assert.equal(byKey.get(submitted[1]), base64(other.pem));
    });

    it('refuses envelopes with a signature that none of the keys has made', async () => {
      const text = envelope('{}', [key, other]);
      await assert.rejects(
        types.verify(dsse(text, [key])),
        refused('ERR_LOG_SIGNATURE', /signature 1 .* none of the given keys/),
      );
      const changed = JSON.stringify({ ...JSON.parse(envelope('{}', [key])), payload: base64('{"changed":true}') });
      await assert.rejects(types.verify(dsse(changed, [key])), badSignature);
      const retyped = JSON.stringify({ ...JSON.parse(envelope('{}', [key])), payloadType: 'text/plain' });
      await assert.rejects(types.verify(dsse(retyped, [key])), badSignature);
      for (const bad of ['{}', 'no json', '{"payload":"e30=","payloadType":"x","signatures":[]}']) {
        await assert.rejects(types.verify(dsse(bad, [key])), refused('ERR_LOG_REQUEST'));
      }
    });
  });

  describe('the number of signature checks', () => {
    const proposed = (signatures: number, keys: number) =>
      dsse(envelope('{}', Array(signatures).fill(key)), Array(keys).fill(key));

    it('is bounded for one envelope, not the number of signatures or of keys', async () => {
      for (const [signatures, keys] of [
        [16, 1],
        [1, 16],
        [4, 4],
      ] as const) {
        await types.verify(proposed(signatures, keys));
      }
      for (const [signatures, keys] of [
        [5, 4],
        [16, 2],
        [16, 16],
      ] as const) {
        await assert.rejects(types.verify(proposed(signatures, keys)), refused('ERR_LOG_REQUEST', /16 checks/));
      }
      await assert.rejects(types.verify(proposed(17, 1)), refused('ERR_LOG_REQUEST'));
    });
  });

  describe('intoto', () => {
    it('0.0.1 logs hashes and the key', async () => {
      const text = envelope('{"a":1}', [key]);
      const spec = await logged(proposal('intoto', { content: { envelope: text }, publicKey: base64(key.pem) }));
      const hash = (value: string): object => ({ algorithm: 'sha256', value: sha256(value) });
      assert.deepEqual(spec, {
        content: { hash: hash(text), payloadHash: hash('{"a":1}') },
        publicKey: base64(key.pem),
      });
      const forged = proposal('intoto', { content: { envelope: text }, publicKey: base64(other.pem) });
      await assert.rejects(types.verify(forged), badSignature);
    });

    /** As @sigstore/sign writes it: base64 within base64. */
    function intotoV002(payload: string, signers: readonly (typeof key)[], named = signers): Proposal {
      const { payloadType, signatures } = JSON.parse(envelope(payload, signers));
      const list = signatures.map(({ sig }: { sig: string }, i: number) => ({
        sig: base64(sig),
        publicKey: base64(named[i]?.pem ?? ''),
        ...(i === 0 ? { keyid: 'a key' } : { keyid: '' }),
      }));
      const content = { envelope: { payloadType, payload: base64(base64(payload)), signatures: list } };
      const hash = { algorithm: 'sha256', value: 'ab'.repeat(32) };
      return proposal('intoto', { content: { ...content, hash } }, '0.0.2');
    }

    it('0.0.2 logs signatures with their keys and the hash of the payload, but not the payload', async () => {
      const { content } = (await logged(intotoV002('{"a":1}', [key, other]))) as never as {
        content: { envelope: Record<string, unknown>; payloadHash: { value: string }; hash: { value: string } };
      };
      assert.deepEqual(Object.keys(content.envelope), ['payloadType', 'signatures']);
      assert.equal(content.payloadHash.value, sha256('{"a":1}'));
      assert.equal(content.hash.value, 'ab'.repeat(32));
      const [first, second] = content.envelope.signatures as { keyid?: string; publicKey: string }[];
      assert.equal(first?.keyid, 'a key');
      assert.deepEqual(Object.keys(second ?? {}), ['publicKey', 'sig'], 'an empty key id is left out');
    });

    it('0.0.2 refuses signatures beside the key of another', async () => {
      await assert.rejects(types.verify(intotoV002('{}', [key, other], [other, key])), badSignature);
      await assert.rejects(types.verify(intotoV002('{}', [key], [other])), badSignature);
    });
  });

  describe('rekord 0.0.1', () => {
    let bench: ToolBench;
    before(() => {
      bench = new ToolBench();
      bench.file('artifact', 'an artifact\n');
    });
    after(() => bench.close());

    /** Whatever signed it: taken; over another artifact, with a wrong hash or as another format it is not. */
    async function check(format: string, publicKey: Uint8Array, signature: Uint8Array): Promise<void> {
      const entry = rekord(format, publicKey, signature, 'an artifact\n');
      const spec = (await logged(entry)) as never as { data: object; signature: { format: string; content: string } };
      assert.deepEqual(spec.data, { hash: { algorithm: 'sha256', value: sha256('an artifact\n') } });
      assert.equal(spec.signature.format, format);
      await assert.rejects(types.verify(rekord(format, publicKey, signature, 'another artifact\n')), badSignature);
      const data = { content: base64('an artifact\n'), hash: { algorithm: 'sha256', value: sha256('else') } };
      await assert.rejects(
        types.verify({ ...entry, spec: { ...entry.spec, data } }),
        refused('ERR_LOG_REQUEST', /SHA mismatch/),
      );
      for (const another of ['pgp', 'minisign', 'ssh', 'x509'].filter((one) => one !== format)) {
        await assert.rejects(
          types.verify(rekord(another, publicKey, signature, 'an artifact\n')),
          badSignature,
          another,
        );
      }
      // What is logged is what comes out when the canonical forms are proposed.
      const canonical = structuredClone(entry) as Proposal & { spec: { signature: object } };
      canonical.spec.signature = spec.signature;
      assert.deepEqual(await logged(canonical), spec);
      const { body } = await types.verify(entry);
      assert.ok(
        types.searchTerms(body).some((term) => term.kind === 'digest' && toHex(term.value) === sha256('an artifact\n')),
      );
      assert.ok(types.searchTerms(body).some((term) => term.kind === 'publicKey'));
    }

    it('takes what GnuPG signs', async function () {
      needs(this, 'gpg', 'gnupg');
      bench.folder('gnupg');
      bench.run('gpg', [
        '--batch',
        '--passphrase',
        '',
        '--quick-generate-key',
        'Who <who@example.com>',
        'ed25519',
        'sign',
        'never',
      ]);
      const exported = bench.run('gpg', ['--export', 'who@example.com']);
      for (const form of [[], ['--armor']]) {
        await check(
          'pgp',
          exported,
          bench.run('gpg', ['--batch', ...form, '--output', '-', '--detach-sign', 'artifact']),
        );
      }
      const entry = rekord(
        'pgp',
        exported,
        bench.run('gpg', ['--batch', '--output', '-', '--detach-sign', 'artifact']),
        'an artifact\n',
      );
      const terms = types.searchTerms((await types.verify(entry)).body);
      assert.ok(terms.some((term) => term.kind === 'email' && term.text === 'who@example.com'));
    });

    it('takes what minisign signs', async function () {
      needs(this, 'minisign');
      bench.run('minisign', ['-G', '-W', '-p', 'mine.pub', '-s', 'mine.key']);
      for (const mode of ['-l', '-H']) {
        bench.run('minisign', ['-S', mode, '-s', 'mine.key', '-m', 'artifact', '-x', 'artifact.minisig']);
        await check('minisign', readFileSync(bench.path('mine.pub')), readFileSync(bench.path('artifact.minisig')));
      }
    });

    it('takes what ssh-keygen signs', async function () {
      needs(this, 'ssh-keygen', 'openssh-client');
      bench.run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', 'id']);
      const signature = bench.run('ssh-keygen', ['-Y', 'sign', '-n', 'file', '-f', 'id'], 'an artifact\n');
      await check('ssh', readFileSync(bench.path('id.pub')), signature);
    });

    it('takes what OpenSSL signs', async function () {
      needs(this, 'openssl');
      bench.run('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'key.pem']);
      bench.run('openssl', ['pkey', '-in', 'key.pem', '-pubout', '-out', 'public.pem']);
      bench.run('openssl', ['dgst', '-sha256', '-sign', 'key.pem', '-out', 'artifact.sig', 'artifact']);
      await check('x509', readFileSync(bench.path('public.pem')), readFileSync(bench.path('artifact.sig')));
    });

    it('takes timestamps of an authority that OpenSSL is, as rfc3161 0.0.1', async function () {
      needs(this, 'openssl');
      const configuration = [
        ...['[req]', 'distinguished_name=dn', 'prompt=no', 'x509_extensions=ext', '[dn]', 'CN=Time', '[ext]'],
        ...[
          'extendedKeyUsage=critical,timeStamping',
          'keyUsage=critical,digitalSignature',
          '[tsa]',
          'default_tsa=t',
          '[t]',
        ],
        ...[`serial=${bench.path('serial')}`, 'default_policy=1.2.3.4', 'digests=sha256', 'signer_digest=sha256'],
        ...['ess_cert_id_alg=sha256', 'accuracy=secs:1', ''],
      ].join('\n');
      bench.file('tsa.cnf', configuration);
      bench.file('serial', '01\n');
      const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
      bench.run('openssl', [
        'req',
        '-x509',
        ...algorithm,
        '-config',
        'tsa.cnf',
        '-keyout',
        'tsa.key',
        '-out',
        'tsa.pem',
        '-days',
        '2',
      ]);
      const stamp = (...options: string[]): Buffer => {
        bench.run('openssl', ['ts', '-query', '-data', 'artifact', '-sha256', ...options, '-out', 'request.tsq']);
        const by = ['-signer', 'tsa.pem', '-inkey', 'tsa.key', '-out', 'response.tsr'];
        bench.run('openssl', [
          'ts',
          '-reply',
          '-config',
          'tsa.cnf',
          '-section',
          't',
          '-queryfile',
          'request.tsq',
          ...by,
        ]);
        return readFileSync(bench.path('response.tsr'));
      };
      const response = stamp('-cert');
      const entry = proposal('rfc3161', { tsr: { content: base64(response) } });
      assert.deepEqual(await logged(entry), { tsr: { content: base64(response) } });
      const terms = types.searchTerms((await types.verify(entry)).body);
      for (const digest of [sha256('an artifact\n'), sha256(response)]) {
        assert.ok(terms.some((term) => term.kind === 'digest' && toHex(term.value) === digest));
      }
      for (const at of [response.length - 1, response.indexOf(Buffer.from(sha256('an artifact\n'), 'hex'))]) {
        const forged = Buffer.from(response);
        forged[at] = (forged[at] ?? 0) ^ 1;
        await assert.rejects(types.verify(proposal('rfc3161', { tsr: { content: base64(forged) } })), badSignature);
      }
      const without = proposal('rfc3161', { tsr: { content: base64(stamp()) } });
      await assert.rejects(types.verify(without), refused('ERR_LOG_SIGNATURE', /certReq/));
      const large = proposal('rfc3161', { tsr: { content: base64(new Uint8Array(10_241)) } });
      await assert.rejects(types.verify(large), refused('ERR_LOG_REQUEST', /10240/));
      await assert.rejects(
        types.verify(proposal('rfc3161', { tsr: { content: base64('nothing') } })),
        refused('ERR_LOG_REQUEST'),
      );
    });
  });

  describe('cose 0.0.1', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const rsaPem = String(rsa.publicKey.export({ format: 'pem', type: 'spki' }));
    const bytes = (content: Uint8Array | string): Buffer => {
      const body = Buffer.from(content);
      assert.ok(body.length < 65_536);
      return Buffer.concat([
        Buffer.from(body.length < 24 ? [0x40 | body.length] : [0x59, body.length >> 8, body.length & 0xff]),
        body,
      ]);
    };
    const es256 = [0xa1, 0x01, 0x26];
    const ps256 = [0xa1, 0x01, 0x38, 0x24];

    /** A COSE_Sign1 by an encoder of its own. */
    function message(payload: string, header: number[], aad = '', unprotectedHeader = [0xa0]): Buffer {
      const protectedHeader = bytes(Uint8Array.from(header));
      const signed = Buffer.concat([
        Buffer.from([0x84, 0x6a]),
        utf8('Signature1'),
        protectedHeader,
        bytes(aad),
        bytes(payload),
      ]);
      const signature =
        header === ps256
          ? sign('sha256', signed, { key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 })
          : sign('sha256', signed, { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
      return Buffer.concat([
        Buffer.from([0xd2, 0x84]),
        protectedHeader,
        Buffer.from(unprotectedHeader),
        bytes(payload),
        bytes(signature),
      ]);
    }
    const cose = (content: Uint8Array, pem: string, aad?: string): Proposal =>
      proposal('cose', {
        message: base64(content),
        publicKey: base64(pem),
        data: aad === undefined ? {} : { aad: base64(aad) },
      });

    it('logs hashes of message and payload, signed with ES256 or PS256', async () => {
      for (const [header, pem] of [
        [es256, key.pem],
        [ps256, rsaPem],
      ] as const) {
        const sign1 = message('hello', header);
        const spec = await logged(cose(sign1, pem));
        assert.deepEqual(spec, {
          data: {
            envelopeHash: { algorithm: 'sha256', value: sha256(sign1) },
            payloadHash: { algorithm: 'sha256', value: sha256('hello') },
          },
          publicKey: base64(pem),
        });
      }
    });

    it('checks what was signed beside the message', async () => {
      await logged(cose(message('hello', es256, 'beside'), key.pem, 'beside'));
      await assert.rejects(types.verify(cose(message('hello', es256, 'beside'), key.pem)), badSignature);
      await assert.rejects(types.verify(cose(message('hello', es256), key.pem, 'beside')), badSignature);
    });

    it('refuses other keys, other algorithms, what is not understood and what is malformed', async () => {
      const good = message('hello', es256);
      await assert.rejects(types.verify(cose(good, other.pem)), badSignature);
      await assert.rejects(types.verify(cose(good, rsaPem)), refused('ERR_LOG_SIGNATURE', /algorithm -7 is not taken/));
      await assert.rejects(types.verify(cose(good, makeKey('P-384').pem)), badSignature);
      await assert.rejects(types.verify(cose(good.subarray(1), key.pem)), refused('ERR_LOG_SIGNATURE', /tagged/));
      await assert.rejects(types.verify(cose(good.subarray(0, -1), key.pem)), badSignature);
      await assert.rejects(types.verify(cose(Buffer.concat([good, Buffer.from([0])]), key.pem)), badSignature);
      await assert.rejects(
        types.verify(cose(message('hello', [0xa0]), key.pem)),
        refused('ERR_LOG_SIGNATURE', /no algorithm/),
      );
      const critical = message('hello', [0xa3, 0x01, 0x26, 0x02, 0x81, 0x18, 0x63, 0x18, 0x63, 0x00]);
      await assert.rejects(types.verify(cose(critical, key.pem)), refused('ERR_LOG_SIGNATURE', /critical/));
      const twice = message('hello', es256, '', [0xa1, 0x01, 0x26]);
      await assert.rejects(
        types.verify(cose(twice, key.pem)),
        refused('ERR_LOG_SIGNATURE', /protected and unprotected/),
      );
      const deep = Buffer.concat([Buffer.alloc(40, 0x81), Buffer.from([0])]);
      await assert.rejects(types.verify(cose(deep, key.pem)), refused('ERR_LOG_SIGNATURE', /nested/));
      for (const odd of [
        [0x5f, 0xff],
        [0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
        [0xa2, 1, 1, 1, 1],
        [0x9b, 255, 255, 255, 255, 255, 255, 255, 255],
      ]) {
        await assert.rejects(types.verify(cose(Uint8Array.from(odd), key.pem)), badSignature);
      }
    });
  });

  describe('tuf 0.0.1', () => {
    const ed25519 = generateKeyPairSync('ed25519');
    const keyval = { public: ed25519.publicKey.export({ format: 'der', type: 'spki' }).subarray(12).toString('hex') };
    const tufKey = { keytype: 'ed25519', scheme: 'ed25519', keyval };
    const keyid = sha256(canonicalize(tufKey));
    const role = { keyids: [keyid], threshold: 1 };
    const root = {
      _type: 'root',
      spec_version: '1.0.31',
      version: 4,
      expires: '2020-01-01T00:00:00Z',
      consistent_snapshot: true,
      keys: { [keyid]: tufKey },
      roles: { root: role, timestamp: role, snapshot: role, targets: role },
    };
    const timestamp = {
      _type: 'timestamp',
      spec_version: '1.0.31',
      version: 77,
      expires: '2020-01-01T00:00:00Z',
      meta: { 'snapshot.json': { version: 3 } },
    };
    const signed = (document: object): { signed: object; signatures: { keyid: string; sig: string }[] } => ({
      signed: document,
      signatures: [{ keyid, sig: sign(null, utf8(canonicalize(document)), ed25519.privateKey).toString('hex') }],
    });
    const tuf = (rootDocument: object, metadata: object): Proposal =>
      proposal('tuf', { root: { content: rootDocument }, metadata: { content: metadata } });

    it('logs metadata with the root that vouches for it, long after both have expired', async () => {
      const [rootDocument, metadata] = [signed(root), signed(timestamp)];
      const spec = await logged(tuf({ ...rootDocument, comment: 'dropped' }, metadata));
      assert.deepEqual(spec, {
        metadata: { content: base64(canonicalize(metadata)) },
        root: { content: base64(canonicalize(rootDocument)) },
        spec_version: '1.0.31',
      });
      const terms = types.searchTerms((await types.verify(tuf(rootDocument, metadata))).body);
      assert.ok(terms.some((term) => term.kind === 'subject' && term.text === 'timestamp'));
      assert.ok(terms.some((term) => term.kind === 'subject' && term.text === '77'));
      assert.ok(terms.some((term) => term.kind === 'digest' && toHex(term.value) === sha256(canonicalize(metadata))));
    });

    it('logs the root itself', () => logged(tuf(signed(root), signed(root))));

    it('writes signatures in lower case, as upstream', async () => {
      const upper = signed(timestamp);
      const shouting = {
        ...upper,
        signatures: upper.signatures.map(({ sig, ...rest }) => ({ ...rest, sig: sig.toUpperCase() })),
      };
      assert.deepEqual(await logged(tuf(signed(root), shouting)), await logged(tuf(signed(root), upper)));
    });

    it('refuses what the root does not vouch for', async () => {
      const forged = { ...signed(timestamp), signed: { ...timestamp, version: 78 } };
      await assert.rejects(types.verify(tuf(signed(root), forged)), badSignature);
      const unsigned = { signed: root, signatures: [] };
      await assert.rejects(types.verify(tuf(unsigned, signed(timestamp))), badSignature);
      await assert.rejects(types.verify(tuf(signed(root), unsigned)), badSignature);
      await assert.rejects(types.verify(tuf(signed(timestamp), signed(root))), badSignature);
      await assert.rejects(
        types.verify(tuf(signed(root), { signed: { _type: 'other' }, signatures: [] })),
        badSignature,
      );
    });
  });

  it('are found by the same terms as the index reads from entries of bundles', async () => {
    const terms = (list: readonly object[]): string[] => list.map((term) => JSON.stringify(term)).sort();
    const intoto = proposal('intoto', { content: { envelope: envelope('{}', [key]) }, publicKey: base64(key.pem) });
    for (const entry of [hashedRekord('hello', key), dsse(envelope('{}', [key, other]), [key, other]), intoto]) {
      const { body } = await types.verify(entry);
      assert.deepEqual(terms(types.searchTerms(body)), terms(entryTerms(body)));
    }
  });

  it('give no terms for what cannot be read, and never fail', () => {
    for (const body of [
      '',
      '{}',
      '{"kind":"rekord","apiVersion":"0.0.1","spec":{}}',
      '{"kind":"cose","apiVersion":"0.0.1","spec":{"data":5}}',
    ]) {
      assert.deepEqual(types.searchTerms(utf8(body)), []);
    }
  });

  it('are refused when two have one name, or a schema or a module cannot be used', async () => {
    const type = {
      kind: 'mine',
      version: '0.0.1',
      schema: { type: 'object' } as JsonObject,
      verify: () => ({}),
      searchTerms: () => [],
    };
    new EntryTypes([type]);
    assert.throws(() => new EntryTypes([type, type]), refused('ERR_LOG_TYPE', /two entry types mine 0\.0\.1/));
    assert.throws(() => new EntryTypes([{ ...type, kind: 'dsse' }]), refused('ERR_LOG_TYPE'));
    assert.throws(() => new EntryTypes([{ ...type, kind: 'Not a kind' }]), refused('ERR_LOG_TYPE'));
    assert.throws(() => new EntryTypes([{ ...type, version: 'one' }]), refused('ERR_LOG_TYPE'));
    assert.throws(
      () => new EntryTypes([{ ...type, schema: { type: 'nothing' } }]),
      refused('ERR_LOG_TYPE', /schema of mine/),
    );
    await assert.rejects(EntryTypes.load(['./no-such-module.js']), refused('ERR_LOG_TYPE', /cannot be loaded/));
    await assert.rejects(EntryTypes.load(['node:path']), refused('ERR_LOG_TYPE', /not an entry type/));
  });
});
