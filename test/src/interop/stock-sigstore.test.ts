import assert from 'node:assert/strict';
import { TrustMaterial } from '@signet/client/trust';
import { verifyBundle } from '@signet/client/verify';
import { type Bundle, bundleFromJSON, bundleToJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import {
  DSSEBundleBuilder,
  FulcioSigner,
  MessageSignatureBundleBuilder,
  RekorWitness,
  TSAWitness,
} from '@sigstore/sign';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import * as sigstore from 'sigstore';
import { author, Instance } from '../scene/instance.ts';
import { Workshop } from '../scene/workshop.ts';

const statement = Buffer.from(
  JSON.stringify({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'pkg:npm/%40example/greeting@1.0.0', digest: { sha512: 'ab'.repeat(64) } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {},
  }),
);
const payloadType = 'application/vnd.in-toto+json';
const artifact = Buffer.from('an artifact');

describe('stock sigstore clients against a Signet instance', () => {
  let workshop: Workshop;
  let instance: Instance;
  let stock: Verifier;
  let ours: TrustMaterial;
  let identities: { issuer: string; subject: string }[];

  before(async () => {
    workshop = await Workshop.open();
    instance = await Instance.create(workshop);
    const trustedRoot = JSON.parse(await instance.readTrustedRoot());
    stock = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(trustedRoot)), {
      tlogThreshold: 1,
      ctlogThreshold: 1,
      timestampThreshold: 1,
    });
    ours = TrustMaterial.fromTrustedRoot(trustedRoot);
    identities = [{ issuer: instance.urls.oidc, subject: author }];
  });
  after(async () => {
    await instance?.stop();
    await workshop?.close();
  });

  const signer = async () => {
    const token = await instance.token();
    return new FulcioSigner({ fulcioBaseURL: instance.urls.ca, identityProvider: { getToken: async () => token } });
  };
  const witnesses = () => [
    new TSAWitness({ tsaBaseURL: `${instance.urls.tsa}/api/v1/timestamp` }),
    new RekorWitness({ rekorBaseURL: instance.urls.log, majorApiVersion: 2 }),
  ];
  const policy = () => ({
    subjectAlternativeName: `^${author.replaceAll('.', '\\.')}$`,
    extensions: { issuer: instance.urls.oidc },
  });
  const asJson = (bundle: Bundle) => JSON.parse(JSON.stringify(bundleToJSON(bundle)));

  it('get a certificate and a timestamp, and both verifiers accept the signature', async () => {
    const bundle = await sigstore.sign(artifact, {
      fulcioURL: instance.urls.ca,
      tsaServerURL: `${instance.urls.tsa}/api/v1/timestamp`,
      identityToken: await instance.token(),
      tlogUpload: false,
    });
    const withoutLog = new Verifier(
      toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(await instance.readTrustedRoot()))),
      {
        tlogThreshold: 0,
        ctlogThreshold: 1,
        timestampThreshold: 1,
      },
    );
    const signedBy = withoutLog.verify(toSignedEntity(bundleFromJSON(bundle), artifact), policy());
    assert.equal(signedBy.identity?.subjectAlternativeName, author);
    assert.throws(() => verifyBundle(bundle, { trust: ours, artifact, identities }), { code: 'ERR_LOG_MISSING' });
  });

  it('log a message signature, and both verifiers accept the bundle', async () => {
    const bundle = await new MessageSignatureBundleBuilder({ signer: await signer(), witnesses: witnesses() }).create({
      data: artifact,
    });
    assert.equal(stock.verify(toSignedEntity(bundle, artifact), policy()).identity?.subjectAlternativeName, author);
    const verified = verifyBundle(asJson(bundle), { trust: ours, artifact, identities });
    assert.equal(verified.logEntries.length, 1);
    assert.throws(() => verifyBundle(asJson(bundle), { trust: ours, artifact: Buffer.from('another'), identities }));
  });

  it('log a DSSE envelope by the older dsseRequestV002, and both verifiers accept the bundle', async () => {
    const bundle = await new DSSEBundleBuilder({ signer: await signer(), witnesses: witnesses() }).create({
      data: statement,
      type: payloadType,
    });
    assert.equal(stock.verify(toSignedEntity(bundle), policy()).identity?.subjectAlternativeName, author);
    const verified = verifyBundle(asJson(bundle), {
      trust: ours,
      artifact: { algorithm: 'sha512', digest: new Uint8Array(64).fill(0xab) },
      identities,
    });
    assert.equal(verified.statement?.predicateType, 'https://slsa.dev/provenance/v1');
  });

  it('are refused without the identity, and so are their bundles under another one', async () => {
    const bundle = await new MessageSignatureBundleBuilder({ signer: await signer(), witnesses: witnesses() }).create({
      data: artifact,
    });
    const others = [{ issuer: instance.urls.oidc, subject: 'mallory@example.com' }];
    assert.throws(() => verifyBundle(asJson(bundle), { trust: ours, artifact, identities: others }), {
      code: 'ERR_IDENTITY_MISMATCH',
    });
    await assert.rejects(
      new FulcioSigner({
        fulcioBaseURL: instance.urls.ca,
        retry: 0,
        identityProvider: { getToken: async () => 'not.a.token' },
      }).sign(artifact),
    );
  });
});
