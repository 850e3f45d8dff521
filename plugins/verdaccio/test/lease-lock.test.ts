import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SharedDocument, takeLease } from '../src/lease-lock.ts';

/** An object in a storage that takes some time for everything, and shows what was written last. */
class SlowDocument implements SharedDocument {
  content: object | undefined;
  readonly delay: () => number;

  constructor(delay: () => number) {
    this.delay = delay;
  }

  async read(): Promise<unknown> {
    await sleep(this.delay());
    const { content } = this;
    await sleep(this.delay());
    return content;
  }

  async write(content: object): Promise<void> {
    await sleep(this.delay());
    this.content = content;
    await sleep(this.delay());
  }
}

describe('a lease', () => {
  it('is held by one at a time, however many ask at once', async () => {
    const document = new SlowDocument(() => Math.random() * 5);
    let [holders, taken] = [0, 0];
    const work = async () => {
      const lease = await takeLease(document, 1000);
      holders += 1;
      assert.equal(holders, 1);
      await sleep(Math.random() * 5);
      assert.equal(holders, 1);
      holders -= 1;
      taken += 1;
      await lease.release();
    };
    await Promise.all(Array.from({ length: 4 }, work));
    assert.equal(taken, 4);
  });

  it('is had by nobody who was slower to write than it may be', async () => {
    let delay = 30;
    const document = new SlowDocument(() => delay);
    const slow = takeLease(document, 20);
    // What it has written is another's to itself, so that it goes on waiting.
    const first = await Promise.race([slow.then(() => 'held'), sleep(1000, 'waiting')]);
    assert.equal(first, 'waiting');
    // Whoever had it in truth gives it back.
    delay = 0;
    await document.write({ format: 1, holder: null });
    await (await slow).release();
    assert.deepEqual(document.content, { format: 1, holder: null });
  });

  it('is free where the document is missing or says nothing', async () => {
    for (const content of [undefined, {}, { format: 1, holder: null }, { holder: 7 }]) {
      const document = new SlowDocument(() => 0);
      document.content = content;
      const lease = await takeLease(document, 50);
      assert.equal(lease.isOver, false);
      await lease.release();
    }
  });
});
