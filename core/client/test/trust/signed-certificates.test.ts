import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { rememberLastSigned, type TrustMaterial } from '@signet/client/trust';
import { verifyBundle } from '@signet/client/verify';
import { artifact, identities, Lab } from '../verify/lab.ts';

describe('the signature of an authority under a certificate', () => {
  let lab: Lab;
  let bundle: Record<string, unknown>;

  before(async () => {
    lab = await Lab.create();
    bundle = (await lab.bundle({})).json;
  });

  /** How many signatures are computed for each of three verifications, after one that prepares the trust material. */
  function computed(trust: TrustMaterial): number[] {
    verifyBundle(bundle, { trust, identities, artifact });
    const original = crypto.verify;
    let count = 0;
    const counting = (...call: unknown[]): unknown => {
      count++;
      return Reflect.apply(original, undefined, call);
    };
    Object.assign(crypto, { verify: counting });
    try {
      return [1, 2, 3].map(() => {
        count = 0;
        verifyBundle(bundle, { trust, identities, artifact });
        return count;
      });
    } finally {
      Object.assign(crypto, { verify: original });
    }
  }

  it('is computed for every bundle by who verifies, and once for a release by who signs', () => {
    const [first = 0, ...others] = computed(lab.trust());
    assert.deepEqual(others, [first, first]);
    const trust = lab.trust();
    rememberLastSigned(trust);
    assert.deepEqual(computed(trust), [first - 1, first - 1, first - 1]);
  });
});
