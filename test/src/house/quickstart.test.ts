import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { root, run, withTemporaryFolder } from './repository.ts';

describe('npm run quickstart', () => {
  it('does the main job, shows four attacks refused and leaves nothing behind', async function () {
    this.timeout(180_000);
    await withTemporaryFolder(async (folder) => {
      // npm lets Node keep its compiled code in the temporary folder, which is not the quickstart's doing.
      const temporary = { TMPDIR: folder, TEMP: folder, TMP: folder, NODE_DISABLE_COMPILE_CACHE: '1' };
      const env = { ...process.env, ...temporary };
      const { code, stdout, stderr } = await run('npm', ['run', 'quickstart'], root, env);
      assert.equal(code, 0, stdout + stderr);
      const told = stdout.replaceAll(/\s+/g, ' ');
      assert.match(told, /signed by alice@example\.com at .*, entry \d+ of the log checked: timestamped by /);
      assert.match(told, /npm alone installs it: "planted code ran"/);
      assert.equal([...stdout.matchAll(/^ {6}refused(?: \(\d{3}\))?: /gm)].length, 6, stdout);
      for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line);
      assert.deepEqual(await readdir(folder), []);
    });
  });
});
