import assert from 'node:assert/strict';
import { root, run } from './repository.ts';

describe('docs/operator/registry.md and the JSON Schema for editors', () => {
  it('say of every key of the plugin what its schema says', async () => {
    const args = ['--conditions=@signet/source', 'scripts/configuration-page.mjs'];
    const { code, stderr } = await run(process.execPath, args, root);
    assert.equal(code, 0, stderr);
  });
});
