import assert from 'node:assert/strict';
import { dataFolder } from '../conformance/cases.ts';
import { allTargets, fuzz } from './fuzz.ts';
import { Random } from './random.ts';
import { Deviation, type Target } from './target.ts';

describe('the fuzz suite', () => {
  it('finds nothing in a short run', function () {
    const targets = allTargets();
    if (targets.length === 0) {
      process.stdout.write(`    skipped: ${dataFolder} is absent\n`);
      this.skip();
    }
    const seed = Date.now() % 1_000_000;
    const { runs, counts, failures } = fuzz(targets, { seed, first: 0, runs: 6000 });
    assert.deepEqual(failures, [], `seed ${seed}`);
    assert.equal(runs, 6000);
    for (const [name, { accepted, refused }] of Object.entries(counts)) assert.ok(accepted + refused > 0, name);
  });

  const target = (run: Target['run']): Target => ({ name: 'a target', share: 1, run });

  it('reports crashes and accepts of what is not so, each with its run', () => {
    const faults = [new TypeError('crash'), new Deviation('another signer')];
    for (const fault of faults) {
      const broken = target((random) => {
        if (random.oneIn(50)) throw fault;
        return 'accepted';
      });
      const { failures } = fuzz([broken], { seed: 1, first: 0, runs: 200 });
      const [first] = failures;
      if (first === undefined) assert.fail('no failure');
      assert.ok(first.problem.includes(fault.message));
      const again = fuzz([broken], { seed: 1, first: first.run, runs: 1 });
      assert.deepEqual(
        again.failures.map(({ run }) => run),
        [first.run],
      );
    }
  });

  it('makes the same numbers of the same seed, and others of another', () => {
    const numbers = (...seeds: number[]) => [...new Random(...seeds).bytes(32)];
    assert.deepEqual(numbers(1, 2), numbers(1, 2));
    assert.notDeepEqual(numbers(1, 2), numbers(1, 3));
    assert.notDeepEqual(numbers(1, 2), numbers(2, 2));
  });
});
