import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { type BundleSigner, keySigner, type SigningServices, SigningSession } from '@signet/client/sign';
import { verifyBundle } from '@signet/client/verify';
import { type KeyDetails, SignetError, statementV1 } from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { after, before, describe, it } from 'mocha';
import { AuthorScene, alice } from './author-scene.ts';

type Act = 'sign' | 'attest';
type Log = 1 | 2;
/**
 * `both`: our verifier and the reference client's accept it. `ours`: the reference client cannot verify it. Otherwise the code of
 * the error with which it is refused before anything is public.
 */
type Outcome = 'both' | 'ours' | 'ERR_KEY_UNSUPPORTED' | 'ERR_CA_REFUSED';
type Row = Readonly<Record<`${Act} v${Log}`, Outcome>>;

const all = (outcome: Outcome): Row => ({
  'sign v1': outcome,
  'sign v2': outcome,
  'attest v1': outcome,
  'attest v2': outcome,
});
/** Signs whole messages: files, of which logs know digests alone, it cannot be used for. */
const whole = (outcome: Outcome): Row => ({
  ...all('ERR_KEY_UNSUPPORTED'),
  'attest v1': outcome,
  'attest v2': outcome,
});

/** In envelopes the reference client hashes with SHA-256, whatever the curve. */
const largeCurve: Row = { ...all('both'), 'attest v1': 'ours', 'attest v2': 'ours' };

const withKey: Readonly<Partial<Record<KeyDetails, Row>>> = {
  PKIX_ECDSA_P256_SHA_256: all('both'),
  PKIX_ECDSA_P384_SHA_384: largeCurve,
  PKIX_ECDSA_P521_SHA_512: largeCurve,
  PKIX_RSA_PKCS1V15_2048_SHA256: all('both'),
  PKIX_RSA_PKCS1V15_3072_SHA256: all('both'),
  PKIX_RSA_PKCS1V15_4096_SHA256: all('both'),
  PKIX_ED25519: whole('both'),
  ML_DSA_44: whole('both'),
  ML_DSA_65: whole('both'),
  ML_DSA_87: whole('both'),
};

const withIdentity: typeof withKey = {
  ...withKey,
  // The authority certifies what Fulcio does.
  ML_DSA_44: all('ERR_CA_REFUSED'),
  ML_DSA_65: all('ERR_CA_REFUSED'),
  ML_DSA_87: all('ERR_CA_REFUSED'),
};

describe('every algorithm', function () {
  this.timeout(120_000);
  let scene: AuthorScene;
  const artifact = new TextEncoder().encode('an artifact');
  const statement = statementV1({
    subject: [{ name: 'artifact', digest: { sha256: 'ab'.repeat(32) } }],
    predicateType: 'https://acme.example/review/v1',
    predicate: { approved: true },
  });

  before(async () => {
    scene = await AuthorScene.open();
  });
  after(async () => {
    await scene?.close();
  });

  function servicesOf(log: Log): SigningServices {
    if (log === 2) return scene.services;
    return { ...scene.services, logUrls: [`${scene.registry}-/signet/log-v1`], rekorVersion: 1 };
  }

  /** Both trees together. */
  async function entries(): Promise<number> {
    const v1 = (await (await fetch(`${scene.registry}-/signet/log-v1/api/v1/log`)).json()) as { treeSize: number };
    return (await scene.logSize()) + Number(v1.treeSize);
  }

  async function make(act: Act, signer: BundleSigner) {
    return act === 'sign' ? await signer.signMessage(artifact) : await signer.signStatement(statement);
  }

  async function stock(bundle: Readonly<Record<string, unknown>>, act: Act, key: Signer | undefined): Promise<boolean> {
    const root = TrustedRoot.fromJSON(JSON.parse(await scene.readTrustedRoot()));
    const publicKey = key && createPublicKey({ key: Buffer.from(key.publicKey.spki), format: 'der', type: 'spki' });
    const material = toTrustMaterial(root, publicKey && (() => ({ publicKey, validFor: () => true })));
    const ctlogThreshold = key === undefined ? 1 : 0;
    const verifier = new Verifier(material, { tlogThreshold: 1, ctlogThreshold, timestampThreshold: 1 });
    try {
      verifier.verify(toSignedEntity(bundleFromJSON(bundle), act === 'sign' ? Buffer.from(artifact) : undefined));
      return true;
    } catch {
      return false;
    }
  }

  async function outcome(act: Act, log: Log, keyDetails: KeyDetails, key: Signer | undefined): Promise<string> {
    const services = servicesOf(log);
    const before = await entries();
    try {
      const signer =
        key === undefined
          ? await SigningSession.open({ identityToken: await scene.token(), services, trust: scene.trust, keyDetails })
          : keySigner({ signer: key, services, trust: scene.trust });
      const { bundle } = await make(act, signer);
      const whose =
        key === undefined ? { identities: [{ issuer: scene.instance.urls.oidc, subject: alice }] } : { key };
      const { logEntries } = verifyBundle(bundle, {
        trust: scene.trust,
        ...whose,
        ...(act === 'sign' ? { artifact } : {}),
      });
      assert.equal(logEntries.length, 1);
      return (await stock(bundle, act, key)) ? 'both' : 'ours';
    } catch (error) {
      if (!(error instanceof SignetError)) throw error;
      assert.equal(await entries(), before, 'nothing became public');
      return error.code;
    }
  }

  for (const [how, table] of [
    ['a lasting key', withKey],
    ['an identity', withIdentity],
  ] as const) {
    for (const [keyDetails, row] of Object.entries(table) as [KeyDetails, Row][]) {
      it(`${keyDetails} with ${how} is verified or refused as the table says`, async function () {
        let key: Signer;
        try {
          key = generateSigner(keyDetails);
        } catch (error) {
          // Node before 24.6 has no ML-DSA, and says so.
          assert.equal((error as SignetError).code, 'ERR_KEY_UNSUPPORTED');
          assert.match(keyDetails, /^ML_DSA/);
          this.skip();
        }
        const found: Record<string, string> = {};
        for (const act of ['sign', 'attest'] as const) {
          for (const log of [1, 2] as const) {
            found[`${act} v${log}`] = await outcome(act, log, keyDetails, how === 'an identity' ? undefined : key);
          }
        }
        assert.deepEqual(found, row);
      });
    }
  }
});
