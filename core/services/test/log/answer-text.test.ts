import assert from 'node:assert/strict';
import { AnswerText, checkpointMark } from '../../src/log/http/answer-text.ts';

describe('the text of an answer', () => {
  it('is JSON in ASCII, in which the checkpoint stands as it is', () => {
    const text = new AnswerText();
    for (const checkpoint of ['log.example\n1\nAAAA\n\n— log.example AAAA\n', '— "quoted" \u{1f512}\n', '']) {
      const written = text.write({ a: 'bytes==', proof: { checkpoint: checkpointMark, size: 1 } }, checkpoint);
      assert.match(written, /^[\x20-\x7e]*$/);
      assert.deepEqual(JSON.parse(written), { a: 'bytes==', proof: { checkpoint, size: 1 } });
    }
  });
});
