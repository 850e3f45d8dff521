import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { verifyBundle } from '@signet/client/verify';
import { SignetError } from '@signet/primitives/formats';
import { artifact, identities, Lab, type Recipe } from './lab.ts';

function exposeGarbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

describe('a verifier that runs for long', () => {
  const recipes: readonly Recipe[] = [
    {},
    { entry: 'hashedrekord 0.0.2', embedCertificate: true },
    { content: 'dsse', entry: 'dsse 0.0.1' },
    { content: 'dsse', entry: 'intoto 0.0.2' },
    { sct: 'wrong' },
  ];

  it('keeps nothing of bundles that it accepted or refused, each by a signer of its own', async () => {
    const collect = exposeGarbageCollector();
    const lab = await Lab.create();
    const trust = lab.trust();
    const bundles: string[] = [];
    for (let count = 0; count < 10; count++) {
      for (const recipe of recipes) bundles.push(JSON.stringify((await lab.bundle(recipe)).json));
    }
    const [refused, accepted] = [new Set<string>(), new Set<string>()];
    const run = (times: number): void => {
      for (let count = 0; count < times; count++) {
        const bundle = bundles[count % bundles.length] ?? '';
        try {
          verifyBundle(bundle, { trust, identities, artifact });
          accepted.add(bundle);
        } catch (error) {
          assert.ok(error instanceof SignetError);
          refused.add(bundle);
        }
      }
    };
    run(300);
    assert.deepEqual([accepted.size, refused.size], [40, 10]);
    // Compiled code grows the heap too, and ends to do so: what is kept of every verification grows it in every window.
    const grown: number[] = [];
    for (let window = 0; window < 4; window++) {
      collect();
      const before = process.memoryUsage();
      run(600);
      collect();
      const after = process.memoryUsage();
      grown.push(after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers);
    }
    // A key, a certificate or a line of a table for each verification would be twice as much at least.
    assert.ok(Math.min(...grown) < 150_000, `${grown.join(', ')} bytes more after 600 verifications each`);
  });
});
