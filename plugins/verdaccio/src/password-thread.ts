import { AsyncLocalStorage } from 'node:async_hooks';
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { PasswordFileSettings, PasswordTask, PasswordWord } from './password-worker.ts';
import type { AuthCallback, Logger, PasswordFile } from './verdaccio-host.ts';

/** One thread for all password files of this process; it starts with the first password, and keeps no process alive. */
let thread: PasswordThread | undefined;

/** What a thread says belongs to no request by itself. */
const outsideRequests = AsyncLocalStorage.snapshot();

/**
 * Has the password file's work done by another thread: its hashes are made to be slow, and are computed in JavaScript, so that wrong
 * passwords would take the time of everybody who reads packages.
 *
 * @returns whether it does; not where the file's library cannot be found
 */
export function moveOffThread(file: PasswordFile, logger: Logger): boolean {
  const library = findLibrary();
  if (library === undefined) return false;
  const settings = settingsOf(file);
  for (const method of ['authenticate', 'adduser', 'changePassword'] as const) {
    file[method] = (...parameters: unknown[]) => {
      const callback = parameters.pop() as AuthCallback;
      thread ??= outsideRequests(() => new PasswordThread());
      thread.run({ library, settings, method, parameters }, callback, logger);
    };
  }
  return true;
}

function settingsOf({ path, maxUsers, hashConfig, slowVerifyMs }: PasswordFile): PasswordFileSettings {
  const { algorithm, rounds } = hashConfig;
  return {
    file: path,
    ...(Number.isFinite(maxUsers) ? { max_users: maxUsers } : {}),
    algorithm,
    ...(rounds === undefined ? {} : { rounds }),
    slow_verify_ms: slowVerifyMs,
  };
}

/** verdaccio-htpasswd as the Verdaccio beside this plugin has it, or the one that was started. */
function findLibrary(): string | undefined {
  const [, program] = process.argv;
  for (const from of [() => import.meta.url, () => pathToFileURL(realpathSync(program ?? '')).href]) {
    try {
      const verdaccio = createRequire(from()).resolve('verdaccio/package.json');
      return createRequire(verdaccio).resolve('verdaccio-htpasswd');
    } catch {
      // Elsewhere, then.
    }
  }
  return undefined;
}

interface Waiting {
  readonly callback: AuthCallback;
  readonly logger: Logger;
}

class PasswordThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  constructor() {
    const file = new URL(`./password-worker${extname(import.meta.url)}`, import.meta.url);
    this.#worker = new Worker(file, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 64 } });
    this.#worker.unref();
    this.#worker.on('message', (word: PasswordWord) => this.#hear(word));
    this.#worker.once('error', (cause) => this.#end(cause));
    this.#worker.once('exit', () => this.#end(new Error('the thread that checks passwords has ended')));
  }

  run(task: Omit<PasswordTask, 'id'>, callback: AuthCallback, logger: Logger): void {
    this.#last += 1;
    const inContext = AsyncLocalStorage.snapshot();
    this.#waiting.set(this.#last, { callback: (error, result) => inContext(callback, error, result), logger });
    // While somebody waits for an answer the process may not end.
    this.#worker.ref();
    this.#worker.postMessage({ ...task, id: this.#last });
  }

  #hear(word: PasswordWord): void {
    if ('level' in word) {
      const [waiting] = this.#waiting.values();
      waiting?.logger[word.level](word.fields, word.template);
      return;
    }
    const waiting = this.#waiting.get(word.id);
    this.#waiting.delete(word.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    const { error, result } = word;
    waiting?.callback(error === undefined ? null : Object.assign(new Error(error.message), error), result);
  }

  /** Whoever waits is told; the next password starts another thread. */
  #end(cause: unknown): void {
    if (thread === this) thread = undefined;
    const failures = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { callback, logger } of failures) {
      logger.error({ reason: String(cause) }, 'passwords: @{reason}');
      callback(Object.assign(new Error('the password cannot be checked now'), { status: 503 }));
    }
  }
}
