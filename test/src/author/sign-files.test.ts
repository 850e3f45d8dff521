import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  assertPredicate,
  keySigner,
  predicateTypeOf,
  SigningSession,
  servicesFromSigningConfig,
  upgradeBundle,
} from '@signet/client/sign';
import { verifyBundle } from '@signet/client/verify';
import { digestStream } from '@signet/primitives/crypto';
import { type KeyDetails, parseSigningConfig, statementV1, toBase64, toPem } from '@signet/primitives/formats';
import { externalCommandSigner, generateSigner } from '@signet/primitives/keys';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { after, before, describe, it } from 'mocha';
import { AuthorScene, alice } from './author-scene.ts';
import { TamperingProxy } from './tampering-proxy.ts';

describe('signing files and statements', () => {
  let scene: AuthorScene;
  let proxy: TamperingProxy;
  let folder: string;

  before(async () => {
    scene = await AuthorScene.open();
    proxy = await TamperingProxy.open(scene.registry);
    folder = await mkdtemp(join(scene.directory, 'files-'));
  });
  after(async () => {
    await proxy.close();
    await scene.close();
  });

  const identities = () => [{ issuer: scene.instance.urls.oidc, subject: alice }];
  const artifact = new TextEncoder().encode('an artifact');
  const statement = statementV1({
    subject: [{ name: 'artifact', digest: { sha256: 'ab'.repeat(32) } }],
    predicateType: 'https://acme.example/review/v1',
    predicate: { approved: true },
  });

  async function session(keyDetails?: KeyDetails, more: Partial<Parameters<typeof SigningSession.open>[0]> = {}) {
    return await SigningSession.open({
      identityToken: await scene.token(),
      services: scene.services,
      trust: scene.trust,
      ...(keyDetails === undefined ? {} : { keyDetails }),
      ...more,
    });
  }

  /** The reference client's verifier, with the instance's trusted root. */
  async function stock(options: { timestampThreshold?: number } = {}): Promise<Verifier> {
    const root = TrustedRoot.fromJSON(JSON.parse(await scene.readTrustedRoot()));
    return new Verifier(toTrustMaterial(root), {
      tlogThreshold: 1,
      ctlogThreshold: 1,
      timestampThreshold: 1,
      ...options,
    });
  }

  async function stockAccepts(
    bundle: Readonly<Record<string, unknown>>,
    data?: Uint8Array,
    options = {},
  ): Promise<void> {
    const entity = toSignedEntity(bundleFromJSON(bundle), data === undefined ? undefined : Buffer.from(data));
    const { identity } = (await stock(options)).verify(entity);
    assert.equal(identity?.subjectAlternativeName, alice);
  }

  describe('with an ephemeral key', () => {
    for (const keyDetails of [
      'PKIX_ECDSA_P256_SHA_256',
      'PKIX_ECDSA_P384_SHA_384',
      'PKIX_ECDSA_P521_SHA_512',
      'PKIX_RSA_PKCS1V15_2048_SHA256',
    ] as const) {
      it(`of ${keyDetails} makes bundles of files and statements`, async () => {
        const signer = await session(keyDetails);
        const file = join(folder, keyDetails);
        await writeFile(file, artifact);
        const message = await signer.signFile(file);
        assert.equal(
          verifyBundle(message.bundle, { trust: scene.trust, artifact, identities: identities() }).logEntries.length,
          1,
        );
        const attested = await signer.signStatement(statement);
        // The reference verifier compares entries of Rekor v2 by SHA-256 alone.
        if (!/SHA_?256$/.test(keyDetails)) return;
        await stockAccepts(message.bundle, artifact);
        await stockAccepts(attested.bundle);
      });
    }

    it('of an algorithm that the authority does not take is refused before anything is signed', async () => {
      const size = await scene.logSize();
      await assert.rejects(session('ML_DSA_65'), (error: Error & { code?: string }) =>
        ['ERR_CA_REFUSED', 'ERR_KEY_UNSUPPORTED'].includes(error.code ?? ''),
      );
      assert.equal(await scene.logSize(), size);
    });
  });

  it('reads a file that is larger than memory should be piece by piece', async () => {
    const path = join(folder, 'large');
    const size = 320 * 1024 * 1024;
    const file = await open(path, 'w');
    // Sparse: it takes no room on the disk.
    await file.truncate(size);
    await file.close();
    const signer = await session();
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }, 20);
    const { bundle } = await signer.signFile(path);
    clearInterval(watch);
    assert.ok(most < 160 * 1024 * 1024, `${most} bytes were held at once`);
    const digest = await digestStream('sha256', createReadStream(path));
    verifyBundle(bundle, { trust: scene.trust, artifact: { algorithm: 'sha256', digest }, identities: identities() });
  });

  describe('with a lasting key', () => {
    for (const keyDetails of ['PKIX_ECDSA_P256_SHA_256', 'PKIX_ECDSA_P384_SHA_384'] as const) {
      it(`of ${keyDetails} makes bundles that verify with that key and no other`, async () => {
        const key = generateSigner(keyDetails);
        const signer = keySigner({ signer: key, services: scene.services, trust: scene.trust });
        const signed = [await signer.signMessage(artifact), await signer.signStatement(statement)];
        for (const { bundle } of signed) {
          const isMessage = 'messageSignature' in bundle;
          const options = { trust: scene.trust, ...(isMessage ? { artifact } : {}) };
          assert.equal(verifyBundle(bundle, { ...options, key }).signer.kind, 'key');
          assert.throws(() => verifyBundle(bundle, { ...options, key: generateSigner(keyDetails) }));
          if (keyDetails !== 'PKIX_ECDSA_P256_SHA_256') continue;
          const publicKey = createPublicKey({ key: Buffer.from(key.publicKey.spki), format: 'der', type: 'spki' });
          const root = TrustedRoot.fromJSON(JSON.parse(await scene.readTrustedRoot()));
          const material = toTrustMaterial(root, () => ({ publicKey, validFor: () => true }));
          const verifier = new Verifier(material, { tlogThreshold: 1, ctlogThreshold: 0, timestampThreshold: 1 });
          verifier.verify(toSignedEntity(bundleFromJSON(bundle), isMessage ? Buffer.from(artifact) : undefined));
        }
      });
    }

    it('behind a program signs through that program', async () => {
      const { privateKey, publicKey } = await makeProgram(folder);
      const command = [process.execPath, join(folder, 'hsm.mjs'), privateKey];
      const key = externalCommandSigner({ command, publicKey, keyDetails: 'PKIX_ECDSA_P256_SHA_256' });
      const signer = keySigner({ signer: key, services: scene.services, trust: scene.trust });
      const file = join(folder, 'by-program');
      await writeFile(file, artifact);
      const { bundle } = await signer.signFile(file);
      verifyBundle(bundle, { trust: scene.trust, artifact, key });
    });
  });

  describe('with a log of Rekor’s first version', () => {
    const v1 = () =>
      ({ ...scene.services, tsaUrls: [], logUrls: [`${scene.registry}-/signet/log-v1`], rekorVersion: 1 }) as const;

    it('makes bundles whose time is the log’s, which the reference verifier accepts', async () => {
      const signer = await session(undefined, { services: v1() });
      const message = await signer.signMessage(artifact);
      assert.equal(message.verified.timestamps[0]?.source, 'log');
      await stockAccepts(message.bundle, artifact, { timestampThreshold: 1 });
      const attested = await signer.signStatement(statement);
      assert.deepEqual(
        [attested.verified.logEntries[0]?.kind, attested.verified.logEntries[0]?.version],
        ['dsse', '0.0.1'],
      );
      await stockAccepts(attested.bundle);
    });

    it('fetches the entry that a 409 points to', async () => {
      const [logUrl = ''] = v1().logUrls;
      const signer = await session(undefined, { services: { ...v1(), logUrls: [proxy.through(logUrl)] } });
      proxy.tamper = async (passing) => {
        const answer = await passing.forward();
        if (passing.method !== 'POST') return answer;
        const [id = ''] = Object.keys(JSON.parse(answer.body.toString()));
        const headers = { location: `http://log.internal/api/v1/log/entries/${id}` };
        return { status: 409, headers, body: Buffer.from('{"message":"an equivalent entry already exists"}') };
      };
      const { verified } = await signer.signMessage(artifact);
      assert.equal(verified.logEntries.length, 1);
      proxy.tamper = async (passing) =>
        passing.method === 'POST' ? { status: 409, headers: {}, body: Buffer.from('{}') } : await passing.forward();
      await assert.rejects(signer.signMessage(new Uint8Array(3)), {
        code: 'ERR_HTTP_STATUS',
        message: /does not say where/,
      });
      proxy.tamper = (passing) => passing.forward();
    });

    it('refuses the entry of another signature', async () => {
      const [logUrl = ''] = v1().logUrls;
      const signer = await session(undefined, { services: { ...v1(), logUrls: [proxy.through(logUrl)] } });
      let first: Buffer | undefined;
      proxy.tamper = async (passing) => {
        const answer = await passing.forward();
        first ??= answer.body;
        return { ...answer, body: first };
      };
      await signer.signMessage(artifact);
      await assert.rejects(signer.signMessage(new Uint8Array(3)), { code: 'ERR_LOG_RESPONSE_MISMATCH' });
      proxy.tamper = (passing) => passing.forward();
    });
  });

  describe('by a signing config', () => {
    const service = (url: string, majorApiVersion: number, operator: string, more = {}) => ({
      url,
      majorApiVersion,
      operator,
      validFor: { start: '2020-01-01T00:00:00Z' },
      ...more,
    });
    const config = (rekorTlogUrls: object[], rekorTlogConfig: object, more = {}) =>
      parseSigningConfig({
        mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
        caUrls: [service('https://ca.example', 1, 'a')],
        rekorTlogUrls,
        rekorTlogConfig,
        tsaUrls: [service('https://tsa.example', 1, 'a')],
        tsaConfig: { selector: 'ANY' },
        ...more,
      });
    const logs = [
      service('https://old.example', 1, 'a'),
      service('https://one.example', 2, 'a'),
      service('https://two.example', 2, 'b'),
      service('https://over.example', 2, 'c', {
        validFor: { start: '2020-01-01T00:00:00Z', end: '2021-01-01T00:00:00Z' },
      }),
    ];

    it('chooses any, all or exactly so many of those that serve now, and the newest API', () => {
      const urls = (selection: object) => servicesFromSigningConfig(config(logs, selection)).logUrls;
      assert.deepEqual(urls({ selector: 'ANY' }), ['https://one.example']);
      assert.deepEqual(urls({ selector: 'ALL' }), ['https://one.example', 'https://two.example']);
      assert.deepEqual(urls({ selector: 'EXACT', count: 2 }), ['https://one.example', 'https://two.example']);
      assert.throws(() => urls({ selector: 'EXACT', count: 3 }), { code: 'ERR_SERVICE_UNAVAILABLE' });
    });

    it('takes a log of the first version where there is no other, also without a timestamp authority', () => {
      const services = servicesFromSigningConfig(config(logs.slice(0, 1), { selector: 'ANY' }, { tsaUrls: [] }));
      assert.equal(services.rekorVersion, 1);
      assert.deepEqual(services.tsaUrls, []);
      assert.throws(() => servicesFromSigningConfig(config(logs.slice(1), { selector: 'ANY' }, { tsaUrls: [] })), {
        code: 'ERR_SERVICE_UNAVAILABLE',
      });
    });

    it('asks every log and every authority that it names', async () => {
      const { caUrl, tsaUrls, logUrls } = scene.services;
      const [tsa = ''] = tsaUrls;
      const services = { caUrl, tsaUrls: [tsa, proxy.through(tsa)], logUrls };
      const { verified } = await (await session(undefined, { services })).signMessage(artifact);
      assert.equal(verified.timestamps.length, 2);
    });
  });

  describe('an old bundle', () => {
    it('becomes one of v0.3 with the same signature', async () => {
      const { bundle } = await (await session()).signMessage(artifact);
      const material = bundle.verificationMaterial as { certificate: object };
      const { certificate, ...others } = material;
      const old = {
        ...bundle,
        mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.2',
        verificationMaterial: { ...others, x509CertificateChain: { certificates: [certificate] } },
      };
      const upgraded = await upgradeBundle(old);
      assert.equal(upgraded.changed, true);
      assert.deepEqual(upgraded.bundle, bundle);
      assert.equal((await upgradeBundle(bundle)).changed, false);
    });

    it('of cosign gets its inclusion proof from the log', async () => {
      const logUrl = `${scene.registry}-/signet/log-v1`;
      const services = { ...scene.services, tsaUrls: [], logUrls: [logUrl], rekorVersion: 1 } as const;
      const { bundle } = await (await session(undefined, { services })).signMessage(artifact);
      const { verificationMaterial, messageSignature } = bundle as {
        verificationMaterial: { certificate: { rawBytes: string }; tlogEntries: Record<string, never>[] };
        messageSignature: { signature: string };
      };
      const [entry] = verificationMaterial.tlogEntries as unknown as {
        logIndex: string;
        integratedTime: string;
        logId: { keyId: string };
        canonicalizedBody: string;
        inclusionPromise: { signedEntryTimestamp: string };
      }[];
      assert.ok(entry !== undefined);
      const pem = toPem('CERTIFICATE', Buffer.from(verificationMaterial.certificate.rawBytes, 'base64'));
      const cosign = {
        base64Signature: messageSignature.signature,
        cert: toBase64(new TextEncoder().encode(pem)),
        rekorBundle: {
          SignedEntryTimestamp: entry.inclusionPromise.signedEntryTimestamp,
          Payload: {
            body: entry.canonicalizedBody,
            integratedTime: Number(entry.integratedTime),
            logIndex: Number(entry.logIndex),
            logID: Buffer.from(entry.logId.keyId, 'base64').toString('hex'),
          },
        },
      };
      await assert.rejects(upgradeBundle(cosign), { code: 'ERR_BUNDLE_FORMAT', message: /--log-url/ });
      const upgraded = await upgradeBundle(cosign, { logUrl });
      verifyBundle(upgraded.bundle, { trust: scene.trust, artifact, identities: identities() });
      await stockAccepts(upgraded.bundle, artifact);
      const other = {
        ...cosign,
        rekorBundle: { ...cosign.rekorBundle, Payload: { ...cosign.rekorBundle.Payload, logIndex: 0 } },
      };
      await assert.rejects(upgradeBundle(other, { logUrl }), /ERR_|another entry|HTTP|answers/);
      await assert.rejects(upgradeBundle({ base64Signature: 'x' }), { code: 'ERR_BUNDLE_FORMAT' });
    });
  });

  describe('attests', () => {
    const samples: Readonly<Record<string, readonly [predicateType: string, predicate: object]>> = {
      slsaprovenance: ['https://slsa.dev/provenance/v0.2', { builder: { id: 'https://ci.example' }, buildType: 'x' }],
      slsaprovenance1: [
        'https://slsa.dev/provenance/v1',
        {
          buildDefinition: { buildType: 'https://ci.example/build/v1', externalParameters: {} },
          runDetails: { builder: { id: 'https://ci.example' } },
        },
      ],
      spdx: ['https://spdx.dev/Document', { spdxVersion: 'SPDX-2.3', packages: [] }],
      cyclonedx: ['https://cyclonedx.org/bom', { bomFormat: 'CycloneDX', specVersion: '1.5' }],
      link: ['https://in-toto.io/Link/v1', { name: 'build', command: ['make'], materials: [] }],
      vuln: [
        'https://cosign.sigstore.dev/attestation/vuln/v1',
        { scanner: { uri: 'pkg:npm/npm@11.0.0' }, metadata: {} },
      ],
      openvex: ['https://openvex.dev/ns', { '@context': 'https://openvex.dev/ns/v0.2.0', statements: [] }],
      custom: ['https://cosign.sigstore.dev/attestation/v1', { Data: 'anything', Timestamp: '2026-01-01T00:00:00Z' }],
    };

    for (const [type, [predicateType, predicate]] of Object.entries(samples)) {
      it(`${type} with the type that cosign gives to it, and the reference verifier accepts it`, async () => {
        assert.equal(predicateTypeOf(type), predicateType);
        assertPredicate(predicateType, { ...predicate });
        const subject = [{ name: 'artifact', digest: { sha256: 'ab'.repeat(32) } }];
        const signed = statementV1({ subject, predicateType, predicate: { ...predicate } });
        const { bundle, verified } = await (await session()).signStatement(signed);
        assert.equal(verified.statement?.predicateType, predicateType);
        await stockAccepts(bundle);
      });
    }

    it('any URI, and neither bare words nor predicates of another type', () => {
      assert.equal(predicateTypeOf('https://acme.example/review/v1'), 'https://acme.example/review/v1');
      assert.throws(() => predicateTypeOf('review'), { code: 'ERR_USAGE', message: /no type of predicate/ });
      for (const [type, [predicateType, predicate]] of Object.entries(samples)) {
        assertPredicate('https://acme.example/anything', { ...predicate });
        if (type === 'custom') continue;
        assert.throws(() => assertPredicate(predicateType, { wrong: true }), {
          code: 'ERR_USAGE',
          message: /nothing was signed/,
        });
      }
    });
  });
});

/** A program that holds a key, as the client of a key management service does. */
async function makeProgram(folder: string) {
  const { generateKeyPairSync, createPublicKey } = await import('node:crypto');
  const { parsePublicKeyInfo } = await import('@signet/primitives/formats');
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const privateKey = join(folder, 'hsm.pem');
  await writeFile(privateKey, pair.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  await writeFile(
    join(folder, 'hsm.mjs'),
    `import { sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
const { message } = JSON.parse(readFileSync(0, 'utf8'));
const signature = sign('sha256', Buffer.from(message, 'base64'), readFileSync(process.argv[2]));
console.log(JSON.stringify({ signature: signature.toString('base64') }));
`,
  );
  assert.ok((await readFile(privateKey)).length > 0);
  const spki = createPublicKey(pair.privateKey).export({ format: 'der', type: 'spki' });
  return { privateKey, publicKey: parsePublicKeyInfo(new Uint8Array(spki)) };
}
