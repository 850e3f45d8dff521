import assert from 'node:assert/strict';
import { type Thresholds, TrustMaterial, verifyBundle } from '@signet/client/verify';
import type { ErrorCode } from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { artifact, Lab, type Recipe, signingTime } from './lab.ts';

interface Material {
  readonly tlogEntries: unknown[];
  readonly timestampVerificationData: { readonly rfc3161Timestamps: unknown[] };
}

describe('thresholds', () => {
  let lab: Lab;
  let other: Lab;
  /** Makes the same signature every time, so that several logs and clocks can be about it. */
  let signer: Signer;

  before(async () => {
    lab = await Lab.create();
    other = await Lab.create('PKIX_ECDSA_P384_SHA_384');
    signer = generateSigner('PKIX_RSA_PKCS1V15_2048_SHA256');
  });

  async function made(where: Lab, recipe: Recipe): Promise<{ json: Record<string, unknown>; material: Material }> {
    const { json } = await where.bundle({ signer, managedKey: true, ...recipe });
    return { json, material: json.verificationMaterial as unknown as Material };
  }

  /** An entry in the log of Rekor v1, with its promise, and one in that of v2; timestamps of two authorities. */
  async function everything(): Promise<Record<string, unknown>> {
    const first = await made(lab, { timestamp: signingTime });
    const second = await made(lab, { entry: 'hashedrekord 0.0.2' });
    const third = await made(other, { entry: 'hashedrekord 0.0.2' });
    first.material.tlogEntries.push(...second.material.tlogEntries);
    first.material.timestampVerificationData.rfc3161Timestamps.push(
      ...third.material.timestampVerificationData.rfc3161Timestamps,
    );
    return first.json;
  }

  /** @param operator of every log and authority; each is its own when absent */
  function trustOf(operator?: string): TrustMaterial {
    const root = lab.trustedRoot();
    root.timestampAuthorities.push(
      ...other.trustedRoot().timestampAuthorities.map((one) => ({ ...one, uri: 'https://tsa.other.example' })),
    );
    if (operator !== undefined) {
      for (const one of [...root.tlogs, ...root.timestampAuthorities]) Object.assign(one, { operator });
    }
    return TrustMaterial.fromTrustedRoot(root);
  }

  function check(bundle: unknown, thresholds: Thresholds, trust = trustOf(), code?: ErrorCode): void {
    const run = () => verifyBundle(bundle, { trust, artifact, key: { publicKey: signer.publicKey }, thresholds });
    if (code === undefined) run();
    else assert.throws(run, { name: 'SignetError', code });
  }

  it('are reached by as many logs and clocks as there are', async () => {
    const bundle = await everything();
    check(bundle, { logEntries: 2, timestamps: 3 });
    check(bundle, { logEntries: 3 }, trustOf(), 'ERR_LOG_MISSING');
    check(bundle, { timestamps: 4 }, trustOf(), 'ERR_TIMESTAMP_MISSING');
  });

  it('count each operator once', async () => {
    const bundle = await everything();
    const trust = trustOf('acme.example');
    check(bundle, { logEntries: 1, timestamps: 1 }, trust);
    check(bundle, { logEntries: 2 }, trust, 'ERR_LOG_MISSING');
    check(bundle, { timestamps: 2 }, trust, 'ERR_TIMESTAMP_MISSING');
  });

  it('do not excuse an entry or a timestamp that does not verify, however many do', async () => {
    const bundle = await everything();
    const material = bundle.verificationMaterial as unknown as Material;
    const { json } = await lab.bundle({ timestamp: signingTime });
    const stranger = json.verificationMaterial as unknown as Material;
    const [entry] = stranger.tlogEntries;
    const [timestamp] = stranger.timestampVerificationData.rfc3161Timestamps;
    check(
      { ...bundle, verificationMaterial: { ...material, tlogEntries: [...material.tlogEntries.slice(1), entry] } },
      { logEntries: 1 },
      trustOf(),
      'ERR_LOG_ENTRY_MISMATCH',
    );
    const rfc3161Timestamps = [...material.timestampVerificationData.rfc3161Timestamps, timestamp];
    check(
      { ...bundle, verificationMaterial: { ...material, timestampVerificationData: { rfc3161Timestamps } } },
      { timestamps: 1 },
      trustOf(),
      'ERR_TIMESTAMP_INVALID',
    );
  });
});
