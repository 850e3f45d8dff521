import assert from 'node:assert/strict';
import { TrustMaterial } from '@signet/client/trust';
import { verifyBundle } from '@signet/client/verify';
import { type Bundle, bundleFromJSON, bundleToJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { DSSEBundleBuilder, FulcioSigner, MessageSignatureBundleBuilder, RekorWitness } from '@sigstore/sign';
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

interface LogEntry {
  readonly body: string;
  readonly logIndex: number;
}

/**
 * With Rekor v1 the log's promise is the clock: there is no timestamp authority in these bundles, as there is none in those
 * that npm publishes.
 */
describe('stock sigstore clients against the Rekor v1 API of a Signet instance', () => {
  let workshop: Workshop;
  let instance: Instance;
  let base: string;
  let stock: Verifier;
  let ours: TrustMaterial;
  let identities: { issuer: string; subject: string }[];

  before(async () => {
    workshop = await Workshop.open();
    instance = await Instance.create(workshop);
    base = `${instance.urls.registry}-/signet/log-v1`;
    const trustedRoot = JSON.parse(await instance.readTrustedRoot());
    stock = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(trustedRoot)), { tlogThreshold: 1, ctlogThreshold: 1 });
    ours = TrustMaterial.fromTrustedRoot(trustedRoot);
    identities = [{ issuer: instance.urls.oidc, subject: author }];
  });
  after(async () => {
    await instance?.stop();
    await workshop?.close();
  });

  const signer = async (): Promise<FulcioSigner> => {
    const token = await instance.token();
    return new FulcioSigner({ fulcioBaseURL: instance.urls.ca, identityProvider: { getToken: async () => token } });
  };
  const witness = (options: object = {}): RekorWitness => new RekorWitness({ rekorBaseURL: base, ...options });
  const policy = () => ({
    subjectAlternativeName: `^${author.replaceAll('.', '\\.')}$`,
    extensions: { issuer: instance.urls.oidc },
  });
  const asJson = (bundle: Bundle) => JSON.parse(JSON.stringify(bundleToJSON(bundle)));
  const entryOf = async (bundle: Bundle): Promise<LogEntry> => {
    const [entry] = bundle.verificationMaterial.tlogEntries;
    const answer = await fetch(`${base}/api/v1/log/entries?logIndex=${entry?.logIndex}`);
    const [found] = Object.values((await answer.json()) as Record<string, LogEntry>);
    assert.ok(found !== undefined);
    return found;
  };

  it('sign and attest by `sigstore`, whose verifier and ours accept both', async () => {
    const identityToken = await instance.token();
    const options = { fulcioURL: instance.urls.ca, rekorURL: base, identityToken };
    const signed = await sigstore.sign(artifact, options);
    assert.equal(
      stock.verify(toSignedEntity(bundleFromJSON(signed), artifact), policy()).identity?.subjectAlternativeName,
      author,
    );
    assert.equal(verifyBundle(signed, { trust: ours, artifact, identities }).logEntries.length, 1);

    const attested = await sigstore.attest(statement, payloadType, {
      ...options,
      identityToken: await instance.token(),
    });
    assert.equal(
      stock.verify(toSignedEntity(bundleFromJSON(attested)), policy()).identity?.subjectAlternativeName,
      author,
    );
    const verified = verifyBundle(attested, {
      trust: ours,
      artifact: { algorithm: 'sha512', digest: new Uint8Array(64).fill(0xab) },
      identities,
    });
    assert.equal(verified.timestamps[0]?.source, 'log');
  });

  for (const [entryType, kind] of [
    ['dsse', 'dsse 0.0.1'],
    ['intoto', 'intoto 0.0.2'],
  ] as const) {
    it(`log envelopes as ${kind} by @sigstore/sign, and both verifiers accept the bundle`, async () => {
      const builder = new DSSEBundleBuilder({ signer: await signer(), witnesses: [witness({ entryType })] });
      const bundle = await builder.create({ data: statement, type: payloadType });
      const [entry] = bundle.verificationMaterial.tlogEntries;
      assert.equal(`${entry?.kindVersion.kind} ${entry?.kindVersion.version}`, kind);
      assert.ok(entry?.inclusionPromise !== undefined && entry.inclusionProof !== undefined);
      assert.equal(stock.verify(toSignedEntity(bundle), policy()).identity?.subjectAlternativeName, author);
      verifyBundle(asJson(bundle), {
        trust: ours,
        artifact: { algorithm: 'sha512', digest: new Uint8Array(64).fill(0xab) },
        identities,
      });
      assert.equal((await entryOf(bundle)).body, entry.canonicalizedBody.toString('base64'));
    });
  }

  it('log a signature over a digest as hashedrekord, and refuse it over another artifact', async () => {
    const builder = new MessageSignatureBundleBuilder({ signer: await signer(), witnesses: [witness()] });
    const bundle = await builder.create({ data: artifact });
    assert.equal(stock.verify(toSignedEntity(bundle, artifact), policy()).identity?.subjectAlternativeName, author);
    verifyBundle(asJson(bundle), { trust: ours, artifact, identities });
    assert.throws(() => stock.verify(toSignedEntity(bundle, Buffer.from('another')), policy()));
  });

  it('get the entry again when they send it twice, without being told to fetch it', async () => {
    const material = await signer();
    const signed = await material.sign(artifact);
    assert.ok(signed.key.$case === 'x509Certificate');
    const content = {
      $case: 'messageSignature',
      messageSignature: {
        messageDigest: { algorithm: 1, digest: Buffer.from(await crypto.subtle.digest('SHA-256', artifact)) },
        signature: signed.signature,
      },
    } as never;
    const once = await witness({ fetchOnConflict: false }).testify(content, signed.key.certificate);
    const again = await witness({ fetchOnConflict: false }).testify(content, signed.key.certificate);
    assert.equal(again.tlogEntries?.[0]?.logIndex, once.tlogEntries?.[0]?.logIndex);
    assert.deepEqual(again.tlogEntries?.[0]?.canonicalizedBody, once.tlogEntries?.[0]?.canonicalizedBody);
  });

  it('refuse an entry whose promise, proof or body was changed, and so do we', async () => {
    const build = async (): Promise<Bundle> =>
      new MessageSignatureBundleBuilder({ signer: await signer(), witnesses: [witness()] }).create({ data: artifact });
    // The proof of a first entry has no hashes that could be changed.
    await build();
    const bundle = await build();
    const forge = (change: (entry: Record<string, never>) => void): Bundle => {
      const json = asJson(bundle);
      change(json.verificationMaterial.tlogEntries[0]);
      return bundleFromJSON(json);
    };
    const spoil = (text: string): string => (text.startsWith('A') ? `B${text.slice(1)}` : `A${text.slice(1)}`);
    type Entry = {
      integratedTime: string;
      inclusionPromise: { signedEntryTimestamp: string };
      inclusionProof: { hashes: string[]; checkpoint: { envelope: string } };
    };
    const changes: ((entry: Entry) => void)[] = [
      (entry) => {
        entry.integratedTime = String(Number(entry.integratedTime) + 1);
      },
      ({ inclusionPromise }) => {
        inclusionPromise.signedEntryTimestamp = spoil(inclusionPromise.signedEntryTimestamp);
      },
      ({ inclusionProof }) => {
        inclusionProof.hashes = inclusionProof.hashes.map(spoil);
      },
      ({ inclusionProof }) => {
        inclusionProof.checkpoint.envelope = inclusionProof.checkpoint.envelope.replace(
          /\n(\d+)\n/,
          (_, size) => `\n${Number(size) + 1}\n`,
        );
      },
    ];
    for (const [i, change] of changes.entries()) {
      const forged = forge(change as never);
      assert.throws(() => stock.verify(toSignedEntity(forged, artifact), policy()), `stock, change ${i}`);
      assert.throws(() => verifyBundle(asJson(forged), { trust: ours, artifact, identities }), `ours, change ${i}`);
    }
  });
});
