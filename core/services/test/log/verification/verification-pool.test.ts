import assert from 'node:assert/strict';
import { SignetError, utf8 } from '@signet/primitives/formats';
import { type PoolLimits, VerificationPool } from '../../../src/log/verification/verification-pool.ts';
import type { VerifiedRequest } from '../../../src/log/verification/verified-request.ts';

interface Shouted extends VerifiedRequest {
  readonly thread: boolean;
}

/** Says everything in capitals, and refuses what is said already. */
function shouting(limits: PoolLimits = {}): VerificationPool<Shouted> {
  return new VerificationPool<Shouted>({
    ...limits,
    thread: new URL('./shouting-thread.ts', import.meta.url),
    threadData: { thread: true },
    verify: (request) => shout(request),
  });
}

function shout(request: Uint8Array): Shouted {
  const text = Buffer.from(request).toString();
  if (text === text.toUpperCase()) throw new SignetError('ERR_LOG_SIGNATURE', `${text} is loud`);
  return { body: utf8(text.toUpperCase()), thread: false };
}

describe('the threads that verify', () => {
  let pool: VerificationPool<Shouted>;
  const ask = (count: number): Promise<PromiseSettledResult<Shouted>[]> =>
    Promise.allSettled(Array.from({ length: count }, (_, i) => pool.verify(utf8(`${i % 3 === 0 ? 'A' : 'a'}${i}`))));

  afterEach(() => pool.close());

  function check(results: readonly PromiseSettledResult<Shouted>[], thread: boolean): void {
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') {
        assert.equal(Buffer.from(result.value.body).toString(), `A${i}`);
        assert.equal(result.value.thread, thread);
      } else {
        assert.equal(i % 3, 0);
        assert.ok(result.reason instanceof SignetError);
        assert.equal(result.reason.code, 'ERR_LOG_SIGNATURE');
        assert.equal(result.reason.message, `A${i} is loud`);
      }
    }
    assert.equal(results.filter(({ status }) => status === 'rejected').length, Math.ceil(results.length / 3));
    assert.equal(pool.waiting, 0);
  }

  it('give every request its own answer, refusals too', async () => {
    pool = shouting({ workers: 2 });
    check(await ask(100), true);
    assert.equal(pool.threads, 2);
  });

  it('are not started for one request, nor where there are to be none', async () => {
    pool = shouting({ workers: 2 });
    check(await ask(1), false);
    assert.equal(pool.threads, 0);
    await pool.close();
    pool = shouting({ workers: 0 });
    check(await ask(100), false);
  });

  it('take what comes one by one, when verifying would take the time of the thread that answers', async () => {
    let slowest = 0;
    pool = new VerificationPool<Shouted>({
      workers: 1,
      thread: new URL('./shouting-thread.ts', import.meta.url),
      threadData: { thread: true },
      verify(request) {
        const until = performance.now() + 500;
        while (performance.now() < until) slowest += 1;
        return shout(request);
      },
    });
    assert.equal((await pool.verify(utf8('a'))).thread, false);
    assert.equal((await pool.verify(utf8('a'))).thread, true);
    assert.ok(slowest > 0);
  });

  it('end when they have had nothing to do for a while, and start again', async () => {
    pool = shouting({ workers: 2, idleMilliseconds: 50 });
    for (let round = 0; round < 2; round++) {
      check(await ask(40), true);
      while (pool.threads > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  it('refuse more than may wait, and say how many do', async () => {
    pool = shouting({ workers: 1, maximumWaiting: 5 });
    const results = await ask(8);
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason.message)] : []));
    assert.equal(refused.filter((reason) => reason.startsWith('5 requests are waiting')).length, 3);
    assert.equal(pool.waiting, 0);
  });

  it('answer for a thread that dies with an error, and another takes its place', async () => {
    pool = shouting({ workers: 1 });
    const results = await Promise.allSettled(['a', 'b', 'die'].map((text) => pool.verify(utf8(text))));
    assert.equal(results.at(-1)?.status, 'rejected');
    assert.equal(pool.waiting, 0);
    check(await ask(10), true);
  });
});
