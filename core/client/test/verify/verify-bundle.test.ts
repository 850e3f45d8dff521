import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { decidedByPolicy, TrustMaterial, type VerifyOptions, verifyBundle } from '@signet/client/verify';
import { der, type ErrorCode, fromBase64, oids, toBase64, toHex, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import {
  artifact,
  defaultStatement,
  type EntryKind,
  identities,
  issuer,
  Lab,
  type Recipe,
  signingTime,
  subject,
} from './lab.ts';

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest());

describe('verifyBundle', () => {
  let lab: Lab;

  before(async () => {
    lab = await Lab.create();
  });

  async function verify(recipe: Recipe, options: Partial<VerifyOptions> = {}) {
    const { json } = await lab.bundle(recipe);
    return verifyBundle(JSON.stringify(json), { trust: lab.trust(), identities, artifact, ...options });
  }

  async function refuses(code: ErrorCode, recipe: Recipe, options: Partial<VerifyOptions> = {}): Promise<void> {
    await assert.rejects(verify(recipe, options), { name: 'SignetError', code });
  }

  const messageEntries: EntryKind[] = ['hashedrekord 0.0.1', 'hashedrekord 0.0.2'];
  const dsseEntries: EntryKind[] = [...messageEntries, 'dsse 0.0.1', 'dsse 0.0.2', 'intoto 0.0.1', 'intoto 0.0.2'];
  for (const entry of messageEntries) {
    it(`verifies a message signature logged as ${entry}`, async () => {
      const verified = await verify({ entry });
      assert.equal(verified.signer.kind, 'certificate');
      assert.deepEqual(verified.message !== undefined && verified.statement === undefined, true);
      assert.equal(verified.logEntries[0]?.index, entry.endsWith('2') ? 1n : 1001n);
      assert.equal(verified.timestamps[0]?.time.getTime(), signingTime.getTime());
    });

    it(`verifies a message signature logged as ${entry} from the digest alone`, async () => {
      const digest = { algorithm: 'sha256', digest: sha256(artifact) } as const;
      await verify({ entry }, { artifact: digest });
    });
  }
  for (const entry of dsseEntries) {
    it(`verifies an envelope logged as ${entry}`, async () => {
      const verified = await verify({ content: 'dsse', entry });
      assert.equal(verified.statement?.predicateType, 'https://predicate.example/v1');
      assert.deepEqual(verified.statement?.subject[0]?.name, 'artifact');
    });

    it(`refuses an envelope whose ${entry} entry names another key of the same signature`, async () => {
      const other = await generateSigner('PKIX_ECDSA_P256_SHA_256');
      const verifier = { kind: 'publicKey', bytes: other.publicKey.spki } as const;
      await refuses('ERR_LOG_ENTRY_MISMATCH', {
        content: 'dsse',
        entry,
        body: (body) => {
          const swap = <T extends { verifier: object }>(one: T) => ({
            ...one,
            verifier: { ...one.verifier, ...verifier },
          });
          if (body.kind === 'hashedrekord') return { ...body, signature: swap(body.signature) };
          if (body.kind === 'intoto' && body.version === '0.0.1') return { ...body, verifier };
          return { ...body, signatures: body.signatures.map(swap) } as typeof body;
        },
      });
    });

    it(`refuses an envelope whose ${entry} entry is about another payload`, async () => {
      const value = sha256(utf8('something else'));
      await refuses('ERR_LOG_ENTRY_MISMATCH', {
        content: 'dsse',
        entry,
        body: (body) => {
          if (body.kind === 'hashedrekord') return { ...body, digest: { ...body.digest, value } };
          const changed = { ...body, payloadHash: { algorithm: 'sha256', value } as const };
          return changed as typeof body;
        },
      });
    });
  }

  for (const signer of [
    'PKIX_ECDSA_P384_SHA_384',
    'PKIX_ECDSA_P521_SHA_512',
    'PKIX_RSA_PKCS1V15_2048_SHA256',
  ] as const) {
    it(`verifies signatures by ${signer} from bytes and from their digest`, async () => {
      await verify({ signer, entry: 'hashedrekord 0.0.2' });
      const { json } = await lab.bundle({ signer, entry: 'hashedrekord 0.0.2' });
      const digests = (['sha256', 'sha384', 'sha512'] as const).map((algorithm) => ({
        algorithm,
        digest: new Uint8Array(createHash(algorithm).update(artifact).digest()),
      }));
      verifyBundle(json, { trust: lab.trust(), identities, artifact: digests });
    });
  }

  it('verifies Ed25519 envelopes', async () => {
    await verify({ content: 'dsse', signer: 'PKIX_ED25519', entry: 'dsse 0.0.1' });
  });

  for (const tsa of [
    'PKIX_ECDSA_P384_SHA_384',
    'PKIX_ECDSA_P521_SHA_512',
    'PKIX_RSA_PKCS1V15_2048_SHA256',
    'PKIX_ED25519',
  ] as const) {
    it(`verifies timestamps by ${tsa}, with and without the certificate in the token`, async () => {
      const other = await Lab.create(tsa);
      for (const embedCertificate of [true, false]) {
        const { json } = await other.bundle({ entry: 'hashedrekord 0.0.2', embedCertificate });
        const verified = verifyBundle(json, { trust: other.trust(), identities, artifact });
        assert.equal(verified.timestamps[0]?.source, 'tsa');
      }
    });
  }

  it('takes the timestamp certificate from the token where the trusted root names only its authority', async () => {
    const root = lab.trustedRoot();
    root.timestampAuthorities[0]?.certChain.certificates.shift();
    const trust = TrustMaterial.fromTrustedRoot(root);
    const verified = await verify({ entry: 'hashedrekord 0.0.2', embedCertificate: true }, { trust });
    assert.equal(verified.timestamps.length, 1);
    await refuses('ERR_TIMESTAMP_UNTRUSTED', { entry: 'hashedrekord 0.0.2', embedCertificate: false }, { trust });
  });

  describe('signer', () => {
    it('says who signed, as the certificate does', async () => {
      const { signer } = await verify({});
      assert.ok(signer.kind === 'certificate');
      assert.equal(signer.issuer, issuer);
      assert.deepEqual(signer.subject, { type: 'uri', value: subject });
      assert.equal(signer.claims.sourceRepositoryUri, 'https://git.example/acme/widgets');
    });

    it('knows e-mail addresses and user names', async () => {
      const email = await verify(
        { san: der.contextPrimitive(1, utf8('alice@acme.example')) },
        { identities: decidedByPolicy },
      );
      assert.ok(email.signer.kind === 'certificate');
      assert.deepEqual(email.signer.subject, { type: 'email', value: 'alice@acme.example' });
      const san = der.context(0, der.oid(oids.fulcioOtherName), der.context(0, der.utf8String('alice!acme')));
      const user = await verify({ san }, { identities: [{ issuer, subject: 'alice!acme' }] });
      assert.ok(user.signer.kind === 'certificate');
      assert.equal(user.signer.subject.type, 'otherName');
    });

    it('refuses a call that names no identity', async () => {
      await refuses('ERR_IDENTITY_REQUIRED', {}, { identities: [] });
      const { json } = await lab.bundle({});
      assert.throws(() => verifyBundle(json, { trust: lab.trust(), artifact }), { code: 'ERR_IDENTITY_REQUIRED' });
    });

    it('compares issuer and subject exactly', async () => {
      for (const identity of [
        { issuer: `${issuer}/`, subject },
        { issuer, subject: subject.slice(0, -1) },
        { issuer, subject: subject.toUpperCase() },
        { issuer, subject: '.*' },
      ]) {
        await refuses('ERR_IDENTITY_MISMATCH', {}, { identities: [identity] });
      }
    });

    it('takes a pattern for the whole subject only', async () => {
      const withPattern = (pattern: string) => ({ identities: [{ issuer, subject: { pattern } }] });
      await verify({}, withPattern('https://git\\.example/acme/.*'));
      await verify({}, withPattern('nothing|https://git\\.example/acme/widgets/.*'));
      for (const pattern of ['https://git\\.example/acme', 'acme', 'https://git.example/acme/.*\n']) {
        await refuses('ERR_IDENTITY_MISMATCH', {}, withPattern(pattern));
      }
      await refuses('ERR_IDENTITY_PATTERN', {}, withPattern('a)|(.*'));
      await refuses('ERR_IDENTITY_PATTERN', {}, withPattern('(?=a)'));
    });

    it('lets a trusted root vouch for its own issuers only', async () => {
      await verify({}, { trust: lab.trust({ issuers: [issuer] }) });
      await refuses('ERR_IDENTITY_MISMATCH', {}, { trust: lab.trust({ issuers: ['https://other.example'] }) });
    });
  });

  describe('certificate', () => {
    it('refuses a signature outside the validity of the certificate', async () => {
      const late = new Date(signingTime.getTime() + 3_600_000);
      await refuses('ERR_CERT_EXPIRED', { integratedTime: late });
      await refuses('ERR_CERT_EXPIRED', { entry: 'hashedrekord 0.0.2', timestamp: late });
      await refuses('ERR_CERT_EXPIRED', { timestamp: late }, {});
    });

    it('refuses an authority that the trusted root did not yet or no longer trust', async () => {
      for (const validFor of [
        { start: '2026-04-01T00:00:00Z' },
        { start: '2026-01-01T00:00:00Z', end: '2026-02-01T00:00:00Z' },
      ]) {
        const root = lab.trustedRoot();
        Object.assign(root.certificateAuthorities[0] ?? {}, { validFor });
        await refuses('ERR_CERT_EXPIRED', {}, { trust: TrustMaterial.fromTrustedRoot(root) });
      }
    });

    it('refuses a certificate of another authority with the same name', async () => {
      const other = await Lab.create();
      const root = other.trustedRoot();
      root.certificateAuthorities = lab.trustedRoot().certificateAuthorities;
      const { json } = await other.bundle({});
      const trust = TrustMaterial.fromTrustedRoot(root);
      assert.throws(() => verifyBundle(json, { trust, identities, artifact }), { code: 'ERR_CERT_UNTRUSTED' });
    });

    it('refuses certificates that are not for signing code', async () => {
      const critical = (oid: string, value: Uint8Array) =>
        der.sequence(der.oid(oid), der.boolean(true), der.octetString(value));
      const clientAuth = critical(oids.extendedKeyUsage, der.sequence(der.oid('1.3.6.1.5.5.7.3.2')));
      const authority = critical(oids.basicConstraints, der.sequence(der.boolean(true)));
      const poison = critical(oids.precertificatePoison, der.null());
      const noSigning = critical(oids.keyUsage, der.namedBits(5));
      for (const extensions of [
        { [oids.extendedKeyUsage]: clientAuth },
        { [oids.extendedKeyUsage]: undefined },
        { [oids.basicConstraints]: authority },
        { [oids.precertificatePoison]: poison },
        { [oids.keyUsage]: noSigning },
      ]) {
        await refuses('ERR_CERT_USAGE', { extensions });
      }
    });

    it('refuses a certificate without a promise of a trusted certificate log', async () => {
      await refuses('ERR_SCT_MISSING', { sct: 'none' });
      await refuses('ERR_SCT_MISSING', { sct: 'otherLog' });
      await refuses('ERR_SCT_INVALID', { sct: 'wrong' });
      const root = lab.trustedRoot();
      Object.assign(root.ctlogs[0]?.publicKey ?? {}, { validFor: { start: '2026-03-02T00:00:00Z' } });
      await refuses('ERR_SCT_INVALID', {}, { trust: TrustMaterial.fromTrustedRoot(root) });
    });
  });

  describe('time', () => {
    it('refuses a keyless signature without a trusted clock', async () => {
      await refuses('ERR_TIMESTAMP_MISSING', { entry: 'hashedrekord 0.0.2', timestamp: 'none' });
      await refuses('ERR_TIMESTAMP_MISSING', { integratedTime: 'none' });
      await refuses('ERR_TIMESTAMP_MISSING', {}, { thresholds: { timestamps: 2 } });
      await verify({ timestamp: signingTime }, { thresholds: { timestamps: 2 } });
    });

    it('refuses a timestamp of an authority that is not trusted then', async () => {
      const root = lab.trustedRoot();
      Object.assign(root.timestampAuthorities[0] ?? {}, {
        validFor: { start: '2026-01-01T00:00:00Z', end: '2026-02-28T00:00:00Z' },
      });
      await refuses(
        'ERR_TIMESTAMP_UNTRUSTED',
        { entry: 'hashedrekord 0.0.2' },
        { trust: TrustMaterial.fromTrustedRoot(root) },
      );
    });

    it('takes logs and authorities that stand twice, trusted at different times', async () => {
      const root = lab.trustedRoot();
      const twice = <T>(list: T[], set: (one: T, validFor: object) => void): void => {
        const earlier = structuredClone(list[0]) as T;
        set(earlier, { start: '2026-01-01T00:00:00Z', end: '2026-02-01T00:00:00Z' });
        list.unshift(earlier);
      };
      twice(root.tlogs, (log, validFor) => Object.assign(log.publicKey, { validFor }));
      root.tlogs.push(...root.tlogs.splice(2));
      twice(root.ctlogs, (log, validFor) => Object.assign(log.publicKey, { validFor }));
      twice(root.timestampAuthorities, (authority, validFor) => Object.assign(authority, { validFor }));
      twice(root.certificateAuthorities, (authority, validFor) => Object.assign(authority, { validFor }));
      const trust = TrustMaterial.fromTrustedRoot(root);
      await verify({}, { trust });
      await verify({ timestamp: signingTime, integratedTime: 'none' }, { trust });
      await verify({ entry: 'hashedrekord 0.0.2' }, { trust });
    });

    it('refuses a timestamp over another signature', async () => {
      const { json } = await lab.bundle({ entry: 'hashedrekord 0.0.2' });
      const { json: other } = await lab.bundle({ entry: 'hashedrekord 0.0.2' });
      const material = json.verificationMaterial as Record<string, unknown>;
      material.timestampVerificationData = (
        other.verificationMaterial as Record<string, unknown>
      ).timestampVerificationData;
      assert.throws(() => verifyBundle(json, { trust: lab.trust(), identities, artifact }), {
        code: 'ERR_TIMESTAMP_INVALID',
      });
    });
  });

  describe('log', () => {
    it('refuses a signature that no trusted log holds', async () => {
      await refuses('ERR_LOG_MISSING', { entry: 'none', timestamp: signingTime });
      await verify({ entry: 'none', timestamp: signingTime }, { thresholds: { logEntries: 0 } });
      const root = lab.trustedRoot();
      root.tlogs.shift();
      await refuses('ERR_LOG_UNTRUSTED', {}, { trust: TrustMaterial.fromTrustedRoot(root) });
    });

    it('holds a log to the time in which the trusted root trusts it, both ends included', async () => {
      const withEnd = (end: string, index: number) => {
        const root = lab.trustedRoot();
        Object.assign(root.tlogs[index]?.publicKey.validFor ?? {}, { end });
        return { trust: TrustMaterial.fromTrustedRoot(root) };
      };
      const at = signingTime.toISOString();
      const before = new Date(signingTime.getTime() - 1).toISOString();
      await verify({}, withEnd(at, 0));
      await verify({ entry: 'hashedrekord 0.0.2' }, withEnd(at, 1));
      await refuses('ERR_LOG_UNTRUSTED', {}, withEnd(before, 0));
      await refuses('ERR_LOG_UNTRUSTED', { entry: 'hashedrekord 0.0.2' }, withEnd(before, 1));
    });

    it('refuses a promise, a proof or a checkpoint that does not verify', async () => {
      type Entry = Record<string, Record<string, unknown>>;
      const change = async (edit: (entry: Entry) => void, code: ErrorCode, recipe: Recipe = {}) => {
        const { json } = await lab.bundle(recipe);
        edit(((json.verificationMaterial as Record<string, unknown>).tlogEntries as Entry[])[0] ?? {});
        assert.throws(() => verifyBundle(json, { trust: lab.trust(), identities, artifact }), {
          name: 'SignetError',
          code,
        });
      };
      await change((entry) => Object.assign(entry, { logIndex: '1002' }), 'ERR_LOG_PROMISE');
      await change((entry) => Object.assign(entry, { integratedTime: '1772366401' }), 'ERR_LOG_PROMISE');
      await change((entry) => Object.assign(entry.inclusionProof ?? {}, { logIndex: '0' }), 'ERR_INCLUSION_PROOF');
      await change((entry) => Object.assign(entry.inclusionProof ?? {}, { treeSize: '4' }), 'ERR_CHECKPOINT_MISMATCH');
      await change((entry) => (entry.inclusionProof?.hashes as unknown[] | undefined)?.pop(), 'ERR_INCLUSION_PROOF');
      await change((entry) => Object.assign(entry.kindVersion ?? {}, { version: '0.0.3' }), 'ERR_LOG_ENTRY_MISMATCH');
      await change((entry) => Object.assign(entry, { logIndex: '2' }), 'ERR_LOG_ENTRY_FORMAT', {
        entry: 'hashedrekord 0.0.2',
      });
      const flip = (text: string) =>
        text.replace(/([A-Za-z0-9])(.{20})\n$/, (_, c, rest) => `${c === 'A' ? 'B' : 'A'}${rest}\n`);
      await change((entry) => {
        const checkpoint = entry.inclusionProof?.checkpoint as { envelope: string };
        checkpoint.envelope = flip(checkpoint.envelope);
      }, 'ERR_CHECKPOINT_SIGNATURE');
    });

    it("refuses a checkpoint of another log's origin", async () => {
      await refuses('ERR_CHECKPOINT_MISMATCH', {
        checkpoint: (text) => text.replace('rekor.example', 'other.example'),
      });
      await refuses('ERR_CHECKPOINT_MISMATCH', {
        entry: 'hashedrekord 0.0.2',
        checkpoint: (text) => text.replace('log.example/v2', 'log.example/v3'),
      });
    });

    it('ignores cosignatures of witnesses that it does not know', async () => {
      const cosignature = {
        name: 'witness.example',
        keyHint: new Uint8Array([1, 2, 3, 4]),
        signature: new Uint8Array(72),
      };
      await verify({ cosignatures: [cosignature] });
      await verify({ entry: 'hashedrekord 0.0.2', cosignatures: [cosignature] });
    });

    it('takes a v0.1 bundle with a promise alone', async () => {
      const { json } = await lab.bundle({ bundleVersion: '0.1', proof: false });
      const verified = verifyBundle(json, { trust: lab.trust(), identities, artifact });
      assert.equal(verified.logEntries[0]?.origin, undefined);
    });

    it('refuses the same entry twice', async () => {
      const { json } = await lab.bundle({});
      const material = json.verificationMaterial as { tlogEntries: unknown[] };
      material.tlogEntries.push(material.tlogEntries[0]);
      assert.throws(() => verifyBundle(json, { trust: lab.trust(), identities, artifact }), {
        code: 'ERR_BUNDLE_FORMAT',
      });
    });
  });

  describe('content', () => {
    it('refuses another artifact', async () => {
      await refuses('ERR_ARTIFACT_MISMATCH', {}, { artifact: utf8('other') });
      await refuses('ERR_ARTIFACT_MISMATCH', {}, { artifact: { algorithm: 'sha256', digest: sha256(utf8('other')) } });
      await refuses('ERR_ARTIFACT_MISMATCH', { content: 'dsse' }, { artifact: utf8('other') });
    });

    it('refuses a message signature without an artifact', async () => {
      const { json } = await lab.bundle({});
      assert.throws(() => verifyBundle(json, { trust: lab.trust(), identities }), { code: 'ERR_ARTIFACT_REQUIRED' });
    });

    it('says which digest it needs', async () => {
      const digest = { algorithm: 'sha512', digest: new Uint8Array(64) } as const;
      await refuses('ERR_ARTIFACT_DIGEST', {}, { artifact: digest });
      const sha1 = { algorithm: 'sha1', digest: new Uint8Array(20) } as const;
      await refuses('ERR_ARTIFACT_DIGEST', {}, { artifact: sha1 });
    });

    it('refuses a wrong signature even where the log entry agrees', async () => {
      const wrong = fromBase64('MAYCAQECAQE=');
      const { json } = await lab.bundle({
        body: (body) =>
          body.kind === 'hashedrekord' ? { ...body, signature: { ...body.signature, signature: wrong } } : body,
      });
      (json.messageSignature as Record<string, unknown>).signature = toBase64(wrong);
      assert.throws(() => verifyBundle(json, { trust: lab.trust(), identities, artifact }), { code: 'ERR_SIGNATURE' });
    });

    it('refuses an envelope with something else than a statement', async () => {
      await refuses('ERR_PAYLOAD_TYPE', { content: 'dsse', payloadType: 'text/plain' });
      await refuses('ERR_STATEMENT_FORMAT', { content: 'dsse', statement: { ...defaultStatement(), _type: 'x' } });
    });

    it('wants all comparable digests of a subject to be the artifact', async () => {
      const digest = { sha256: toHex(sha256(artifact)), sha512: 'ab'.repeat(64) };
      const contradicting = { ...defaultStatement(), subject: [{ name: 'a', digest }] };
      await refuses('ERR_ARTIFACT_MISMATCH', { content: 'dsse', statement: contradicting });
      const empty = { ...defaultStatement(), subject: [] };
      await refuses('ERR_ARTIFACT_MISMATCH', { content: 'dsse', statement: empty });
      const unknown = { ...defaultStatement(), subject: [{ name: 'a', digest: { md5: '00' } }] };
      await refuses('ERR_ARTIFACT_MISMATCH', { content: 'dsse', statement: unknown });
    });
  });

  describe('with a public key', () => {
    async function verifyKey(recipe: Recipe, change: (options: VerifyOptions) => VerifyOptions = (options) => options) {
      const { json, signer } = await lab.bundle({ managedKey: true, ...recipe });
      return verifyBundle(json, change({ trust: lab.trust(), artifact, key: { publicKey: signer.publicKey } }));
    }

    it('verifies messages and envelopes, with and without a clock', async () => {
      const verified = await verifyKey({});
      assert.ok(verified.signer.kind === 'key');
      assert.equal(verified.signer.hint, 'lab key');
      await verifyKey({ content: 'dsse', entry: 'dsse 0.0.1' });
      await verifyKey({ entry: 'hashedrekord 0.0.2', timestamp: 'none' });
    });

    it('refuses a bundle without the key, and a key without its bundle', async () => {
      const { json } = await lab.bundle({ managedKey: true });
      assert.throws(() => verifyBundle(json, { trust: lab.trust(), artifact, identities }), {
        code: 'ERR_KEY_REQUIRED',
      });
      const { publicKey } = await generateSigner('PKIX_ECDSA_P256_SHA_256');
      await refuses('ERR_KEY_MISMATCH', {}, { key: { publicKey } });
      await assert.rejects(
        verifyKey({}, (options) => ({ ...options, key: { publicKey } })),
        { code: 'ERR_LOG_ENTRY_MISMATCH' },
      );
    });

    it('holds the key to its validity', async () => {
      const validFor = { start: new Date('2026-01-01'), end: new Date('2026-02-01') };
      const expired = (options: VerifyOptions) => ({
        ...options,
        ...(options.key && { key: { ...options.key, validFor } }),
      });
      await assert.rejects(verifyKey({}, expired), { code: 'ERR_KEY_EXPIRED' });
      await assert.rejects(verifyKey({ entry: 'hashedrekord 0.0.2', timestamp: 'none' }, expired), {
        code: 'ERR_TIMESTAMP_MISSING',
      });
    });

    it('wants the key hints of bundle and envelope to be the same', async () => {
      const { json, signer } = await lab.bundle({ managedKey: true, content: 'dsse', entry: 'dsse 0.0.1' });
      (json.verificationMaterial as Record<string, unknown>).publicKey = { hint: 'other' };
      const options = { trust: lab.trust(), key: { publicKey: signer.publicKey } };
      assert.throws(() => verifyBundle(json, options), { code: 'ERR_KEY_MISMATCH' });
    });
  });
});
