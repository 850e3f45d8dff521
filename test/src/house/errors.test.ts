import assert from 'node:assert/strict';
import { root, run } from './repository.ts';

describe('docs/errors.md', () => {
  it('is what the tables of errors, violations and exit codes say', async () => {
    const args = ['--conditions=@signet/source', 'scripts/errors-page.mjs'];
    const { code, stderr } = await run(process.execPath, args, root);
    assert.equal(code, 0, stderr);
  });
});
