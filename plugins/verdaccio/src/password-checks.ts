import { AsyncLocalStorage } from 'node:async_hooks';
import { createHmac, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { currentRequest } from './current-request.ts';
import { addressOf, PasswordFailures, type TrustsProxy } from './password-failures.ts';
import { moveOffThread } from './password-thread.ts';
import { Refusal } from './refusal.ts';
import { refuseRequest } from './refuse-request.ts';
import { Turns } from './turns.ts';
import type { Auth, AuthCallback, Logger, PasswordFile, RemoteUser, VerdaccioError } from './verdaccio-host.ts';

/** What is let through. */
export interface PasswordLimits {
  /** Passwords that are checked at the same time. */
  readonly passwordChecks: number;
  /** Wrong passwords and new accounts that an address may have within a minute. */
  readonly passwordFailures: number;
  /** How long a password that was right is not checked again, seconds. */
  readonly passwordSeconds: number;
}

/** Checks that may wait for their turn. */
const maximumWaiting = 100;

/** Credentials that are remembered, most recently checked last. */
const maximumRemembered = 10_000;

interface Remembered {
  readonly user: RemoteUser;
  /** When it was checked, by a clock that is never set. */
  readonly at: number;
}

/** Who waits for a check. */
interface Caller {
  readonly isGone: () => boolean;
  /** Calls back as part of the caller's request. */
  readonly answer: AuthCallback;
}

type Judge = (error: unknown, result: unknown) => boolean;

interface Check {
  /** Whether what came out counts against the address. */
  readonly isFailure: Judge;
  /** Whether it was right before. */
  readonly isKnown: boolean;
  readonly callers: readonly Caller[];
  readonly run: (done: AuthCallback) => void;
  readonly end: AuthCallback;
  /** Called instead when nobody waits any more. */
  readonly drop?: () => void;
}

/**
 * Stands before Verdaccio's checks of passwords, which are made to be slow, and moves those of its own file to another thread. Few run
 * at the same time; whoever tries wrong ones gets 429, and so do all whom there is no place to wait for; nobody waits for a client
 * that went away. Credentials that were right are remembered for a while: npm's tokens hold user and password, so that Verdaccio
 * would check the password on each request. What is remembered is an HMAC by a key of this process, over the user's line of the
 * password file too, so that a changed password and a removed user count at once.
 */
export class PasswordChecks {
  readonly #limits: PasswordLimits;
  readonly #trusts: TrustsProxy;
  readonly #turns: Turns;
  readonly #failures: PasswordFailures;
  readonly #key = randomBytes(32);
  readonly #remembered = new Map<string, Remembered>();
  /** Who waits for a check of credentials: many requests may show the same, and one answer serves them all. */
  readonly #asking = new Map<string, Caller[]>();
  /** Inside of a turn; whoever makes an account is logged in by Verdaccio within it. */
  readonly #inside = new AsyncLocalStorage<true>();
  readonly #file: PasswordFile | undefined;

  /** @param trusts which proxies may say for whom they ask */
  constructor(auth: Auth, limits: PasswordLimits, trusts: TrustsProxy, logger: Logger) {
    this.#limits = limits;
    this.#trusts = trusts;
    this.#turns = new Turns(limits.passwordChecks, maximumWaiting);
    this.#failures = new PasswordFailures(limits.passwordFailures);
    this.#file = passwordFileOf(auth);
    for (const file of auth.plugins.filter(isPasswordFile)) {
      if (!moveOffThread(file, logger)) logger.warn({}, 'passwords are checked in the thread that serves packages');
    }
    const authenticate = auth.authenticate.bind(auth);
    auth.authenticate = (user, password, callback) => {
      this.#authenticate(user, password, authenticate, callback).catch(callback);
    };
    const addUser = auth.add_user.bind(auth);
    auth.add_user = (user, password, callback) => {
      // A name that is taken by whoever shows its password is no attempt at anything.
      const counts = (error: unknown) => (error as VerdaccioError | null | undefined)?.status !== 409;
      this.#inTurn(alone(callback, counts, (done) => addUser(user, password, done)));
    };
    const change = auth.changePassword.bind(auth);
    auth.changePassword = (user, old, next, callback) => {
      this.#inTurn(alone(callback, Boolean, (done) => change(user, old, next, done)));
    };
  }

  async #authenticate(
    user: unknown,
    password: unknown,
    authenticate: Auth['authenticate'],
    callback: AuthCallback,
  ): Promise<void> {
    const key = await this.#keyOf(user, password);
    const known = key === undefined ? undefined : this.#remembered.get(key);
    const isFresh = known !== undefined && performance.now() - known.at < this.#limits.passwordSeconds * 1000;
    // Others than the password file may have changed their mind.
    if (isFresh && this.#file !== undefined) {
      callback(null, copy(known.user));
      return;
    }
    const check = (done: AuthCallback) =>
      authenticate(user, password, (error, result) => {
        if (!error && result && key !== undefined) this.#remember(key, result as RemoteUser);
        done(error, result);
      });
    if (this.#inside.getStore()) {
      check(callback);
      return;
    }
    const caller = callerOf(callback);
    const asking = key === undefined ? undefined : this.#asking.get(key);
    if (asking !== undefined) {
      asking.push(caller);
      return;
    }
    const callers = [caller];
    // What was right before and is asked again is no attempt, and comes before what may be one.
    const isKnown = known !== undefined;
    const isFailure: Judge = (error, result) => Boolean(error) || !result;
    const forget = () => {
      if (key !== undefined) this.#asking.delete(key);
    };
    const end: AuthCallback = (error, result) => {
      forget();
      for (const one of callers) one.answer(error, result ? copy(result as RemoteUser) : result);
    };
    const isWaiting = this.#inTurn({ isFailure, isKnown, callers, run: check, end, drop: forget });
    if (isWaiting && key !== undefined) this.#asking.set(key, callers);
  }

  /**
   * Runs a check when its turn comes. A request that is refused is answered here, and its caller never called back: Verdaccio
   * would let it go on as somebody who did not log in.
   *
   * @returns whether it was not refused
   */
  #inTurn({ isFailure, isKnown, callers, run, end, drop }: Check): boolean {
    const current = currentRequest();
    const address = current === undefined ? undefined : addressOf(current.request, this.#trusts);
    const refusal = this.#refusal(isKnown ? undefined : address);
    if (refusal !== undefined) {
      if (current === undefined) end(refusal);
      else refuseRequest(current, refusal);
      return false;
    }
    const note = isKnown || address === undefined ? undefined : this.#failures.begin(address);
    const isGone = () => callers.every((caller) => caller.isGone());
    // Nobody is kept out by those who left.
    current?.response.once('close', () => this.#turns.sweep());
    this.#turns.take({ isGone, first: isKnown }).then((endTurn) => {
      if (endTurn === undefined) {
        note?.(false);
        drop?.();
        return;
      }
      let isOver = false;
      const done: AuthCallback = (error, result) => {
        if (isOver) return;
        isOver = true;
        endTurn();
        note?.(isFailure(error, result));
        end(error, result);
      };
      try {
        this.#inside.run(true, () => run(done));
      } catch (error) {
        done(error as VerdaccioError);
      }
    });
    return true;
  }

  #refusal(address: string | undefined): Refusal | undefined {
    const wait = address === undefined ? undefined : this.#failures.wait(address);
    if (wait !== undefined) {
      return tooMany('Too many wrong passwords or new accounts from this address; try again later', wait);
    }
    return this.#turns.isFull ? tooMany('Too many passwords are being checked; try again', 1) : undefined;
  }

  /** @returns undefined for a user whom the password file does not have */
  async #keyOf(user: unknown, password: unknown): Promise<string | undefined> {
    if (typeof user !== 'string' || typeof password !== 'string') return undefined;
    const lines = this.#file === undefined ? [] : await linesOf(this.#file, user);
    if (lines === undefined) return undefined;
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([user, password, lines]))
      .digest('base64');
  }

  #remember(key: string, user: RemoteUser): void {
    this.#remembered.delete(key);
    this.#remembered.set(key, { user: copy(user), at: performance.now() });
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= maximumRemembered) break;
      this.#remembered.delete(oldest);
    }
  }
}

function callerOf(callback: AuthCallback): Caller {
  const current = currentRequest();
  const inContext = AsyncLocalStorage.snapshot();
  return {
    isGone: () => current !== undefined && (current.response.destroyed || current.request.socket.destroyed),
    answer: (error, result) => inContext(callback, error, result),
  };
}

/** A check for one caller. */
function alone(callback: AuthCallback, isFailure: Judge, run: Check['run']): Check {
  const caller = callerOf(callback);
  return { isFailure, isKnown: false, callers: [caller], run, end: caller.answer };
}

/** Verdaccio's own password file, when nobody else decides beside it. */
function passwordFileOf({ plugins }: Auth): PasswordFile | undefined {
  // The last one is Verdaccio's, and refuses whoever got that far.
  const [file, ...others] = plugins.slice(0, -1);
  return others.length === 0 && isPasswordFile(file) ? file : undefined;
}

function isPasswordFile(plugin: unknown): plugin is PasswordFile {
  if (typeof plugin !== 'object' || plugin === null || plugin.constructor.name !== 'HTPasswd') return false;
  const { path, users, hashConfig } = plugin as Partial<PasswordFile>;
  return typeof path === 'string' && typeof users === 'object' && users !== null && typeof hashConfig === 'object';
}

async function linesOf({ path, users }: PasswordFile, user: string): Promise<readonly string[] | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line.startsWith(`${user}:`));
  if (lines.length > 0) return lines;
  // Verdaccio adds what is new in the file to what it knows, and forgets nobody.
  delete users[user];
  return undefined;
}

/** Verdaccio changes what it is given. */
function copy(user: RemoteUser): RemoteUser {
  return { ...user, groups: [...user.groups], real_groups: [...user.real_groups] };
}

function tooMany(problem: string, seconds: number): Refusal {
  return new Refusal(429, 'ERR_REQUEST', problem, undefined, seconds);
}
