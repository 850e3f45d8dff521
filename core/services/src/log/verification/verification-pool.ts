import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { SignetError } from '@signet/primitives/formats';
import {
  join,
  refusal,
  type VerificationAnswer,
  type VerificationTask,
  type VerificationTimes,
  type VerifiedRequest,
  type Verify,
} from './verified-request.ts';

export interface PoolLimits {
  /** Most threads; default one for each processor, 0 verifies where it is asked. */
  readonly workers?: number;
  /** Most requests at a time; default 4,096. */
  readonly maximumWaiting?: number;
  /** After which a thread that has nothing to do ends; default 30 s. */
  readonly idleMilliseconds?: number;
  /** Told how long verifying took. */
  readonly onVerified?: (entries: number, times: VerificationTimes) => void;
}

export interface PoolOptions<Result extends VerifiedRequest> extends PoolLimits {
  /** Verifies on this thread. */
  readonly verify: Verify<Result>;
  /** Module that does the same on a thread of its own (see verification-thread.ts). */
  readonly thread: URL;
  /** What that module gets as `workerData`. */
  readonly threadData: unknown;
}

interface Pending<Result> {
  readonly request: Uint8Array;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

interface Helper<Result> {
  readonly worker: Worker;
  readonly tasks: Map<number, readonly Pending<Result>[]>;
  /** Ends a thread that has had nothing to do for a while. */
  readonly retirement: NodeJS.Timeout;
}

// Handing over costs some microseconds a message, so a message holds several; and one or two requests at a time are
// answered sooner without any.
const requestsPerMessage = 16;
const requestsInline = 2;
// Of the time of the thread that answers everybody, verifying takes at most one part in so many; the rest goes to threads.
const inlineShare = 4;
const youngGenerationMegabytes = 16;
// A thread holds some tens of megabytes, and starts again in less than a tenth of a second.
const defaultIdleMilliseconds = 30_000;

/**
 * Verifies requests where there is time for it. A signature over a digest takes about 0.2 ms, which is most of what
 * logging an entry costs: under load that moves to worker threads, which start when they are first needed and end when they are not.
 */
export class VerificationPool<Result extends VerifiedRequest> {
  readonly #options: PoolOptions<Result>;
  readonly #maximumWorkers: number;
  readonly #maximumWaiting: number;
  readonly #helpers: Helper<Result>[] = [];
  #queue: Pending<Result>[] = [];
  #scheduled = false;
  #waiting = 0;
  #nextId = 0;
  #closed = false;
  /** Moment from which on this thread may verify again. */
  #inlineFrom = 0;

  constructor(options: PoolOptions<Result>) {
    this.#options = options;
    this.#maximumWorkers = options.workers ?? availableParallelism();
    this.#maximumWaiting = options.maximumWaiting ?? 4096;
  }

  /** Requests that are being verified or wait for it. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Threads that there are at present. */
  get threads(): number {
    return this.#helpers.length;
  }

  /** @throws what verifying throws; ERR_LOG_OVERLOADED */
  verify(request: Uint8Array): Promise<Result> {
    if (this.#waiting >= this.#maximumWaiting) {
      const reason = `${this.#waiting} requests are waiting to be verified; try again later`;
      return Promise.reject(new SignetError('ERR_LOG_OVERLOADED', reason));
    }
    this.#waiting += 1;
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.#dispatch());
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const helpers = this.#helpers.splice(0);
    for (const { retirement } of helpers) clearTimeout(retirement);
    await Promise.all(helpers.map(({ worker }) => worker.terminate()));
  }

  #dispatch(): void {
    this.#scheduled = false;
    const queue = this.#queue;
    this.#queue = [];
    if (this.#maximumWorkers === 0 || this.#closed || this.#isInline(queue.length)) {
      for (const pending of queue) this.#verifyHere(pending);
      return;
    }
    for (let start = 0; start < queue.length; start += requestsPerMessage) {
      const pending = queue.slice(start, start + requestsPerMessage);
      try {
        this.#send(pending);
      } catch {
        // No thread can be had, which is a reason to be slow and none to fail.
        for (const one of pending) this.#verifyHere(one);
      }
    }
  }

  #isInline(requests: number): boolean {
    return requests <= requestsInline && performance.now() >= this.#inlineFrom;
  }

  async #verifyHere(pending: Pending<Result>): Promise<void> {
    const started = performance.now();
    const time = { parse: 0 };
    try {
      const result = this.#options.verify(pending.request, time);
      // What is there at once is not waited for: a promise costs a turn.
      const ready = result instanceof Promise ? await result : result;
      this.#settle(() => pending.resolve(ready));
    } catch (error) {
      this.#settle(() => pending.reject(error));
    }
    const ended = performance.now();
    this.#inlineFrom = ended + (ended - started) * (inlineShare - 1);
    this.#options.onVerified?.(1, { ...time, verify: ended - started - time.parse });
  }

  #settle(answer: () => void): void {
    this.#waiting -= 1;
    answer();
  }

  #send(pending: readonly Pending<Result>[]): void {
    const helper = this.#leastBusy();
    const id = this.#nextId++;
    const bytes = join(pending.map(({ request }) => request));
    const task: VerificationTask = { id, bytes, lengths: pending.map(({ request }) => request.length) };
    helper.worker.postMessage(task, [bytes.buffer]);
    helper.tasks.set(id, pending);
    // A process that only waits for its workers may end; one that waits for their answers may not.
    if (helper.tasks.size === 1) helper.worker.ref();
  }

  #leastBusy(): Helper<Result> {
    let best: Helper<Result> | undefined;
    for (const helper of this.#helpers) {
      if (best === undefined || helper.tasks.size < best.tasks.size) best = helper;
    }
    if (best !== undefined && (best.tasks.size === 0 || this.#helpers.length >= this.#maximumWorkers)) return best;
    return this.#start();
  }

  #start(): Helper<Result> {
    const { thread, threadData, idleMilliseconds = defaultIdleMilliseconds } = this.#options;
    const worker = new Worker(thread, {
      workerData: threadData,
      // What it makes is short-lived; without a bound the young generation alone grows to a hundred megabytes.
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMegabytes },
    });
    const retirement = setTimeout(() => this.#retire(helper), idleMilliseconds).unref();
    const helper: Helper<Result> = { worker, tasks: new Map(), retirement };
    this.#helpers.push(helper);
    worker.on('message', (answer: VerificationAnswer) => this.#receive(helper, answer));
    worker.on('error', (error) => this.#drop(helper, error));
    worker.on('exit', () => this.#drop(helper, new SignetError('ERR_LOG_CLOSED', 'a verification thread has ended')));
    return helper;
  }

  #receive(helper: Helper<Result>, { id, bytes, outcomes, times }: VerificationAnswer): void {
    const pending = helper.tasks.get(id) ?? [];
    helper.tasks.delete(id);
    helper.retirement.refresh();
    if (helper.tasks.size === 0) helper.worker.unref();
    this.#options.onVerified?.(pending.length, times);
    let offset = 0;
    for (const [i, { resolve, reject }] of pending.entries()) {
      const outcome = outcomes[i];
      this.#waiting -= 1;
      if (outcome === undefined) reject(new Error('a verification thread gave no answer'));
      else if ('message' in outcome) reject(refusal(outcome));
      else {
        const body = bytes.subarray(offset, offset + outcome.length);
        offset += outcome.length;
        // The thread ran the same function, whose result this is.
        resolve({ ...outcome.rest, body } as Result);
      }
    }
  }

  #retire(helper: Helper<Result>): void {
    if (helper.tasks.size > 0) {
      helper.retirement.refresh();
      return;
    }
    this.#remove(helper);
    void helper.worker.terminate();
  }

  #drop(helper: Helper<Result>, error: unknown): void {
    this.#remove(helper);
    for (const pending of helper.tasks.values()) {
      for (const { reject } of pending) this.#settle(() => reject(error));
    }
    helper.tasks.clear();
  }

  #remove(helper: Helper<Result>): void {
    clearTimeout(helper.retirement);
    const index = this.#helpers.indexOf(helper);
    if (index >= 0) this.#helpers.splice(index, 1);
  }
}
