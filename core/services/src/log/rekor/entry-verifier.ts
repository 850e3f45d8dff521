import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, SignetError } from '@signet/primitives/formats';
import { type CreateEntryOptions, type VerifiedEntry, verifyCreateEntryRequest } from './create-entry.ts';

/** What goes to a worker: bodies of requests. */
export interface VerificationTask {
  readonly id: number;
  readonly bodies: readonly Uint8Array[];
  readonly options: CreateEntryOptions;
}

/** What comes back, in the same order. */
export interface VerificationAnswer {
  readonly id: number;
  readonly results: readonly (VerifiedEntry | { readonly code: ErrorCode | undefined; readonly message: string })[];
  readonly times: VerificationTimes;
}

/** What verifying took, in milliseconds. */
export interface VerificationTimes {
  /** Reading JSON. */
  readonly parse: number;
  /** The rest: keys, certificates and signatures. */
  readonly verify: number;
}

export interface EntryVerifierOptions extends CreateEntryOptions {
  /** Most threads; 0 verifies where it is asked. */
  readonly workers?: number;
  /** Most requests at a time; default 4,096. */
  readonly maximumWaiting?: number;
  /** Told how long verifying took. */
  readonly onVerified?: (entries: number, times: VerificationTimes) => void;
}

interface Pending {
  readonly body: Uint8Array;
  readonly resolve: (entry: VerifiedEntry) => void;
  readonly reject: (error: unknown) => void;
}

interface Helper {
  readonly worker: Worker;
  readonly tasks: Map<number, readonly Pending[]>;
}

// Handing over costs some microseconds a message, so a message holds several; and one or two requests at a time are
// answered sooner without any.
const requestsPerMessage = 16;
const requestsInline = 2;
const youngGenerationMegabytes = 16;

/**
 * Verifies requests where there is time for it. A signature over a digest takes about 0.2 ms, which is most of what
 * logging an entry costs: under load that moves to worker threads, which start when they are first needed.
 */
export class EntryVerifier {
  readonly #options: CreateEntryOptions;
  readonly #onVerified: (entries: number, times: VerificationTimes) => void;
  readonly #maximumWorkers: number;
  readonly #maximumWaiting: number;
  readonly #helpers: Helper[] = [];
  #queue: Pending[] = [];
  #scheduled = false;
  #waiting = 0;
  #nextId = 0;
  #closed = false;

  constructor(options: EntryVerifierOptions) {
    this.#options = { dsse: options.dsse, signers: options.signers ?? false };
    this.#onVerified = options.onVerified ?? (() => undefined);
    this.#maximumWorkers = options.workers ?? availableParallelism();
    this.#maximumWaiting = options.maximumWaiting ?? 4096;
  }

  /** Requests that are being verified or wait for it. */
  get waiting(): number {
    return this.#waiting;
  }

  /** @throws what {@link verifyCreateEntryRequest} throws; ERR_LOG_OVERLOADED */
  async verify(body: Uint8Array): Promise<VerifiedEntry> {
    if (this.#waiting >= this.#maximumWaiting) {
      throw new SignetError(
        'ERR_LOG_OVERLOADED',
        `${this.#waiting} requests are waiting to be verified; try again later`,
      );
    }
    this.#waiting += 1;
    try {
      return await this.#enqueue(body);
    } finally {
      this.#waiting -= 1;
    }
  }

  #enqueue(body: Uint8Array): Promise<VerifiedEntry> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ body, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.#dispatch());
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#helpers.splice(0).map(({ worker }) => worker.terminate()));
  }

  #dispatch(): void {
    this.#scheduled = false;
    const queue = this.#queue;
    this.#queue = [];
    if (queue.length <= requestsInline || this.#maximumWorkers === 0 || this.#closed) {
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

  #verifyHere({ body, resolve, reject }: Pending): void {
    const started = performance.now();
    const time = { parse: 0 };
    try {
      resolve(verifyCreateEntryRequest(body, this.#options, time));
    } catch (error) {
      reject(error);
    }
    this.#onVerified(1, { ...time, verify: performance.now() - started - time.parse });
  }

  #send(pending: readonly Pending[]): void {
    const helper = this.#leastBusy();
    const id = this.#nextId++;
    helper.tasks.set(id, pending);
    // A Buffer may be a part of a larger piece of memory, all of which would be sent.
    const bodies = pending.map(({ body }) => new Uint8Array(body));
    const task: VerificationTask = { id, bodies, options: this.#options };
    helper.worker.postMessage(
      task,
      bodies.map(({ buffer }) => buffer),
    );
    // A process that only waits for its workers may end; one that waits for their answers may not.
    helper.worker.ref();
  }

  #leastBusy(): Helper {
    let best: Helper | undefined;
    for (const helper of this.#helpers) {
      if (best === undefined || helper.tasks.size < best.tasks.size) best = helper;
    }
    if (best !== undefined && (best.tasks.size === 0 || this.#helpers.length >= this.#maximumWorkers)) return best;
    return this.#start();
  }

  #start(): Helper {
    // The sources run as they are, and as they are built.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./entry-verifier-worker.${extension}`, import.meta.url), {
      // What it makes is short-lived; without a bound the young generation alone grows to a hundred megabytes.
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMegabytes },
    });
    const helper: Helper = { worker, tasks: new Map() };
    this.#helpers.push(helper);
    worker.on('message', ({ id, results, times }: VerificationAnswer) => {
      const pending = helper.tasks.get(id) ?? [];
      this.#onVerified(pending.length, times);
      helper.tasks.delete(id);
      if (helper.tasks.size === 0) worker.unref();
      for (const [i, { resolve, reject }] of pending.entries()) {
        const result = results[i];
        if (result !== undefined && 'kind' in result) resolve(result);
        else reject(errorOf(result));
      }
    });
    worker.on('error', (error) => this.#drop(helper, error));
    worker.on('exit', () => this.#drop(helper, new Error('a verification worker ended')));
    return helper;
  }

  #drop(helper: Helper, error: unknown): void {
    const index = this.#helpers.indexOf(helper);
    if (index >= 0) this.#helpers.splice(index, 1);
    for (const pending of helper.tasks.values()) for (const { reject } of pending) reject(error);
    helper.tasks.clear();
  }
}

function errorOf(result: { code: ErrorCode | undefined; message: string } | undefined): Error {
  if (result?.code !== undefined) return new SignetError(result.code, result.message);
  return new Error(result?.message ?? 'a verification worker gave no answer');
}
