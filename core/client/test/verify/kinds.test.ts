import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { TrustMaterial, verifyBundle } from '@signet/client/verify';
import { SignetError } from '@signet/primitives/formats';
import { logs } from './kinds/logs.ts';
import { roots } from './kinds/roots.ts';
import { shapes } from './kinds/shapes.ts';
import { times } from './kinds/times.ts';
import { artifact, identities, Lab } from './lab.ts';

describe('bundles of every kind', () => {
  let lab: Lab;
  let twin: Lab;
  let other: Lab;

  before(async () => {
    lab = await Lab.create();
    twin = await Lab.create();
    other = await Lab.create('PKIX_ECDSA_P384_SHA_384');
  });

  const digest = {
    algorithm: 'sha256',
    digest: new Uint8Array(createHash('sha256').update(artifact).digest()),
  } as const;

  for (const [where, kinds] of Object.entries({
    'a bundle with': shapes,
    'a log with': logs,
    'a time with': times,
    'a trusted root with': roots,
  })) {
    for (const { what, recipe = {}, edit, text = (same: string) => same, code } of kinds) {
      it(`${code === undefined ? 'accepts' : 'refuses'} ${where} ${what}`, async () => {
        const { json } = await lab.bundle(recipe);
        const root = lab.trustedRoot();
        edit?.(json, root, { lab, twin, other });
        const bundle = text(JSON.stringify(json));
        for (const form of [artifact, digest]) {
          const run = () => {
            const trust = TrustMaterial.fromTrustedRoot(JSON.stringify(root));
            return verifyBundle(bundle, { trust, identities, artifact: form });
          };
          if (code === undefined) run();
          else assert.throws(run, (error) => error instanceof SignetError && error.code === code, String(outcome(run)));
        }
      });
    }
  }
});

function outcome(run: () => unknown): unknown {
  try {
    run();
    return 'accepted';
  } catch (error) {
    return error;
  }
}
