import { createRequire } from 'node:module';
import { parentPort } from 'node:worker_threads';

/** What the worker is asked to do. */
export interface PasswordTask {
  readonly id: number;
  /** Absolute path of verdaccio-htpasswd. */
  readonly library: string;
  readonly settings: PasswordFileSettings;
  readonly method: 'authenticate' | 'adduser' | 'changePassword';
  readonly parameters: readonly unknown[];
}

/** Configuration of verdaccio-htpasswd. */
export interface PasswordFileSettings {
  readonly file: string;
  readonly max_users?: number;
  readonly algorithm?: string;
  readonly rounds?: number;
  readonly slow_verify_ms?: number;
}

/** What came of a task, or a line for the log. */
export type PasswordWord =
  | {
      readonly id: number;
      readonly error?: { readonly message: string; readonly status?: number; readonly code?: string };
      readonly result?: unknown;
    }
  | { readonly level: 'warn' | 'error'; readonly fields: object; readonly template: string };

type Answer = (error?: Error | null, result?: unknown) => void;

interface PasswordFile {
  users: Record<string, string>;
  authenticate(...parameters: unknown[]): void;
  adduser(...parameters: unknown[]): void;
  changePassword(...parameters: unknown[]): void;
}

const files = new Map<string, PasswordFile>();

const say = (word: PasswordWord) => parentPort?.postMessage(word);

const log = (level: 'warn' | 'error') => (fields: unknown, template: unknown) => {
  if (typeof fields === 'object' && fields !== null) say({ level, fields: { ...fields }, template: String(template) });
};

function open(library: string, settings: PasswordFileSettings): PasswordFile {
  const key = JSON.stringify([library, settings]);
  const known = files.get(key);
  if (known !== undefined) return known;
  const loaded = createRequire(library)(library);
  const HTPasswd = loaded.default ?? loaded;
  const nothing = () => undefined;
  const logger = { trace: nothing, debug: nothing, info: nothing, warn: log('warn'), error: log('error') };
  const file: PasswordFile = new HTPasswd(settings, { logger, config: { configPath: settings.file } });
  files.set(key, file);
  return file;
}

function run({ id, library, settings, method, parameters }: PasswordTask): void {
  const answer: Answer = (error, result) => {
    if (!error) {
      say({ id, result });
      return;
    }
    const { message, status, code } = error as Error & { status?: unknown; code?: unknown };
    const known = {
      ...(typeof status === 'number' ? { status } : {}),
      ...(typeof code === 'string' ? { code } : {}),
    };
    say({ id, error: { message, ...known } });
  };
  try {
    const file = open(library, settings);
    // It adds what it reads to what it knows, and would forget nobody.
    file.users = {};
    // Rejects where its own callback throws, which this one does not.
    Promise.resolve(file[method](...parameters, answer)).catch(answer);
  } catch (error) {
    answer(error as Error);
  }
}

parentPort?.on('message', run);
