import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, SignetError } from '@signet/primitives/formats';
import type { EntrySigner } from '../http/rate-limits.ts';
import type { ReadingTime } from '../rekor/create-entry.ts';
import type { VerificationTimes } from '../rekor/entry-verifier.ts';
import { type EntryTypes, readProposalJson } from '../types/index.ts';

/** A proposal that may be logged. */
export interface VerifiedBody {
  readonly body: Uint8Array;
  /** Package URLs and digests that it is to be found by, beside what it says. */
  readonly subjects: readonly string[];
  readonly signers: readonly EntrySigner[];
  /** What is to be kept beside the entry. */
  readonly attestation: Uint8Array | undefined;
}

/** What goes to a worker: JSON of proposals. */
export interface ProposalTask {
  readonly id: number;
  readonly proposals: readonly Uint8Array[];
}

/** What comes back, in the same order. */
export interface ProposalAnswer {
  readonly id: number;
  readonly results: readonly (VerifiedBody | { readonly code: ErrorCode | undefined; readonly message: string })[];
  readonly times: VerificationTimes;
}

export interface ProposalVerifierOptions {
  /** Modules of entry types, which every thread loads for itself. */
  readonly modules: readonly string[];
  /** Whether it is to be found out who has signed. */
  readonly signers: boolean;
  /** Longest attestation that is kept, bytes; default 0, none. */
  readonly attestationBytes?: number;
  /** Most threads; 0 verifies where it is asked. */
  readonly workers?: number;
  /** Most requests at a time; default 4,096. */
  readonly maximumWaiting?: number;
  readonly onVerified?: (entries: number, times: VerificationTimes) => void;
}

interface Pending {
  readonly proposal: Uint8Array;
  readonly resolve: (verified: VerifiedBody) => void;
  readonly reject: (error: unknown) => void;
}

interface Helper {
  readonly worker: Worker;
  readonly tasks: Map<number, readonly Pending[]>;
}

// As for the v2 API: a message to a thread costs as much as part of a signature, so it holds several.
const perMessage = 16;
const inline = 2;

/** Verifies proposals, one or two at a time at once, and more of them in threads. */
export class ProposalVerifier {
  readonly #types: EntryTypes;
  readonly #options: ProposalVerifierOptions;
  readonly #maximumWorkers: number;
  readonly #maximumWaiting: number;
  readonly #helpers: Helper[] = [];
  #queue: Pending[] = [];
  #scheduled = false;
  #waiting = 0;
  #nextId = 0;
  #closed = false;

  constructor(types: EntryTypes, options: ProposalVerifierOptions) {
    this.#types = types;
    this.#options = options;
    this.#maximumWorkers = options.workers ?? availableParallelism();
    this.#maximumWaiting = options.maximumWaiting ?? 4096;
  }

  /** Requests in verification. */
  get waiting(): number {
    return this.#waiting;
  }

  /** @throws what an entry type throws; ERR_LOG_OVERLOADED */
  async verify(proposal: Uint8Array): Promise<VerifiedBody> {
    if (this.#waiting >= this.#maximumWaiting) {
      throw new SignetError(
        'ERR_LOG_OVERLOADED',
        `${this.#waiting} requests are waiting to be verified; try again later`,
      );
    }
    this.#waiting += 1;
    try {
      return await new Promise((resolve, reject) => {
        this.#queue.push({ proposal, resolve, reject });
        if (this.#scheduled) return;
        this.#scheduled = true;
        setImmediate(() => this.#dispatch());
      });
    } finally {
      this.#waiting -= 1;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#helpers.splice(0).map(({ worker }) => worker.terminate()));
  }

  #dispatch(): void {
    this.#scheduled = false;
    const queue = this.#queue;
    this.#queue = [];
    if (queue.length <= inline || this.#maximumWorkers === 0 || this.#closed) {
      for (const pending of queue) this.#verifyHere(pending);
      return;
    }
    for (let start = 0; start < queue.length; start += perMessage) {
      const pending = queue.slice(start, start + perMessage);
      try {
        this.#send(pending);
      } catch {
        // No thread can be had, which is a reason to be slow and none to fail.
        for (const one of pending) this.#verifyHere(one);
      }
    }
  }

  #verifyHere({ proposal, resolve, reject }: Pending): void {
    const started = performance.now();
    const time = { parse: 0 };
    verifyProposal(this.#types, proposal, this.#options, time).then((verified) => {
      this.#options.onVerified?.(1, { ...time, verify: performance.now() - started - time.parse });
      resolve(verified);
    }, reject);
  }

  #send(pending: readonly Pending[]): void {
    const helper = this.#leastBusy();
    const id = this.#nextId++;
    helper.tasks.set(id, pending);
    const task: ProposalTask = { id, proposals: pending.map(({ proposal }) => proposal) };
    try {
      helper.worker.postMessage(task);
    } catch (error) {
      helper.tasks.delete(id);
      throw error;
    }
  }

  #leastBusy(): Helper {
    const [idlest] = [...this.#helpers].sort((a, b) => a.tasks.size - b.tasks.size);
    const enough = this.#helpers.length >= this.#maximumWorkers;
    return idlest !== undefined && (idlest.tasks.size === 0 || enough) ? idlest : this.#start();
  }

  #start(): Helper {
    // The sources run as they are, and as they are built.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./proposal-worker.${extension}`, import.meta.url), {
      workerData: threadOptions(this.#options),
    });
    worker.unref();
    const helper: Helper = { worker, tasks: new Map() };
    this.#helpers.push(helper);
    worker.on('message', ({ id, results, times }: ProposalAnswer) => {
      const pending = helper.tasks.get(id) ?? [];
      helper.tasks.delete(id);
      this.#options.onVerified?.(pending.length, times);
      for (const [i, { resolve, reject }] of pending.entries()) {
        const result = results[i];
        if (result !== undefined && 'body' in result) resolve(result);
        else reject(errorOf(result));
      }
    });
    worker.on('error', (error) => this.#drop(helper, error));
    worker.on('exit', () => this.#drop(helper, new SignetError('ERR_LOG_CLOSED', 'a verification thread has ended')));
    return helper;
  }

  #drop(helper: Helper, error: unknown): void {
    const index = this.#helpers.indexOf(helper);
    if (index >= 0) this.#helpers.splice(index, 1);
    for (const pending of helper.tasks.values()) for (const { reject } of pending) reject(error);
    helper.tasks.clear();
  }
}

/** Verifies one proposal, and says by whom it is signed when that is asked for. */
export async function verifyProposal(
  types: EntryTypes,
  proposal: Uint8Array,
  { signers, attestationBytes }: Pick<ProposalVerifierOptions, 'signers' | 'attestationBytes'>,
  time: ReadingTime,
): Promise<VerifiedBody> {
  const started = performance.now();
  const value = readProposalJson(proposal);
  time.parse += performance.now() - started;
  const { body, subjects, attestation } = await types.verify(
    value,
    attestationBytes === undefined ? {} : { attestationBytes },
  );
  return { body, subjects, attestation, signers: signers ? signersOf(types, body) : [] };
}

/** What a thread is told. */
export type ThreadOptions = Pick<ProposalVerifierOptions, 'modules' | 'signers' | 'attestationBytes'>;

function threadOptions({ modules, signers, attestationBytes = 0 }: ProposalVerifierOptions): ThreadOptions {
  return { modules, signers, attestationBytes };
}

/** Who is to be counted for an entry: the names in its certificates, or its key. */
function signersOf(types: EntryTypes, body: Uint8Array): EntrySigner[] {
  const terms = types.searchTerms(body);
  const issuer = terms.find(({ kind }) => kind === 'issuer');
  const identity = terms.find(({ kind }) => kind === 'subject') ?? terms.find(({ kind }) => kind === 'publicKey');
  if (identity === undefined) return [];
  const name =
    'text' in identity
      ? identity.text
      : 'fingerprint' in identity
        ? Buffer.from(identity.fingerprint).toString('hex')
        : '';
  return [{ identity: name, ...(issuer !== undefined && 'text' in issuer ? { issuer: issuer.text } : {}) }];
}

function errorOf(result: { code: ErrorCode | undefined; message: string } | undefined): Error {
  if (result?.code !== undefined) return new SignetError(result.code, result.message);
  return new Error(result?.message ?? 'a verification thread gave no answer');
}
