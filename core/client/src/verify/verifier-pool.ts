import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { SignetError } from '@signet/primitives/formats';
import type { VerificationRequest, VerificationResult, VerifyAllOptions } from './verify-all.ts';
import {
  plainError,
  revive,
  reviveError,
  startOf,
  taskOf,
  type WorkerAnswer,
  type WorkerStart,
  type WorkerTask,
} from './worker-messages.ts';

interface Thread {
  readonly worker: Worker;
  /** Numbers of the tasks that it has. */
  readonly tasks: Set<number>;
  /** Tasks that go to it with the next message. */
  outbox: WorkerTask[];
}

/** A message from thread to thread costs as much as a small part of a verification, so several share one. */
const tasksPerMessage = 16;
/** Tasks that a thread has in its queue, so that it never waits for the next. */
const tasksPerThread = 2 * tasksPerMessage;

/** Threads that verify. They start one by one, as there is work for them, and read the trusted root once each. */
export class VerifierPool {
  /** How many bundles are under way at most. */
  readonly capacity: number;
  readonly #maximumThreads: number;
  readonly #options: VerifyAllOptions;
  readonly #start: WorkerStart;
  readonly #threads: Thread[] = [];
  readonly #waiting = new Map<number, { resolve(result: VerificationResult): void; reject(error: unknown): void }>();
  #nextId = 0;
  #isClosed = false;

  /** @throws RangeError for a number of threads that is none */
  constructor(options: VerifyAllOptions) {
    const threads = options.threads ?? availableParallelism();
    if (!Number.isInteger(threads) || threads < 1) throw new RangeError(`threads is ${threads}, expected 1 or more`);
    const { threads: _, ...common } = options;
    this.#options = common;
    this.#start = startOf(common);
    this.#maximumThreads = threads;
    this.capacity = threads * tasksPerThread;
  }

  /** @returns verified or refused; rejected only where a thread failed */
  verify(request: VerificationRequest): Promise<VerificationResult> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const thread = this.#freest();
      thread.tasks.add(id);
      this.#waiting.set(id, { resolve, reject });
      thread.outbox.push(taskOf(id, this.#options, request));
      if (thread.outbox.length === 1) setImmediate(() => this.#send(thread));
      if (thread.outbox.length >= tasksPerMessage) this.#send(thread);
    });
  }

  #send(thread: Thread): void {
    const tasks = thread.outbox;
    if (tasks.length === 0 || this.#isClosed) return;
    thread.outbox = [];
    if (post(thread.worker, tasks) === undefined) return;
    // One of them is no JSON: it holds functions and the like. The others go one by one.
    for (const task of tasks) {
      const failure = post(thread.worker, [task]);
      if (failure === undefined) continue;
      const error = new SignetError('ERR_BUNDLE_FORMAT', 'the bundle is not a JSON value', failure);
      this.#settle(thread, { id: task.id, refused: plainError(error) });
    }
  }

  /** Ends the threads, whatever they are at. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #freest(): Thread {
    let [freest] = this.#threads;
    for (const thread of this.#threads)
      if (freest === undefined || thread.tasks.size < freest.tasks.size) freest = thread;
    if (freest !== undefined && (freest.tasks.size === 0 || this.#threads.length >= this.#maximumThreads))
      return freest;
    return this.#startThread();
  }

  #startThread(): Thread {
    // By the name of the entry point: it is another file in the built package than among the sources.
    const file = new URL(import.meta.resolve('@signet/client/verify/worker'));
    const worker = new Worker(file, { workerData: { signetVerifier: this.#start } });
    const thread: Thread = { worker, tasks: new Set(), outbox: [] };
    worker.on('message', (answers: readonly WorkerAnswer[]) => {
      for (const answer of answers) this.#settle(thread, answer);
    });
    worker.on('error', (error) => this.#drop(thread, error));
    worker.on('exit', (code) => this.#drop(thread, new Error(`a verifying thread ended with ${code}`)));
    this.#threads.push(thread);
    return thread;
  }

  #settle(thread: Thread, answer: WorkerAnswer): void {
    thread.tasks.delete(answer.id);
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('verified' in answer) waiting?.resolve({ ok: true, verified: revive(answer.verified) });
    else if ('refused' in answer) waiting?.resolve({ ok: false, error: reviveError(answer.refused) });
    else waiting?.reject(new Error(`a verifying thread failed: ${answer.fault}`));
  }

  #drop(thread: Thread, error: unknown): void {
    if (this.#isClosed) return;
    const index = this.#threads.indexOf(thread);
    if (index >= 0) this.#threads.splice(index, 1);
    for (const id of thread.tasks) {
      this.#waiting.get(id)?.reject(error);
      this.#waiting.delete(id);
    }
  }
}

/** @returns why the tasks cannot be copied, where they cannot: they are what the caller gave, getters and all */
function post(worker: Worker, tasks: readonly WorkerTask[]): { readonly cause: unknown } | undefined {
  try {
    worker.postMessage(tasks);
    return undefined;
  } catch (cause) {
    return { cause };
  }
}
