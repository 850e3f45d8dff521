import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { violationCodes } from '@signet/client/policy';
import { root } from './repository.ts';

describe('the page of messages', () => {
  it('explains every code of a violation, and no other', async () => {
    const page = await readFile(path.join(root, 'docs/consumer/messages.md'), 'utf8');
    const explained = [...page.matchAll(/^\| `(TP\d+)` \| ([^|]+) \| ([^|]+) \|$/gm)];
    assert.deepEqual(
      explained.map(([, code]) => code),
      Object.keys(violationCodes),
    );
    for (const [, code = '', meaning = '', remedy = ''] of explained) {
      assert.ok(meaning.trim().length > 20, `${code}: what does it mean?`);
      assert.ok(remedy.trim().length > 3, `${code}: what can be done?`);
    }
  });
});
