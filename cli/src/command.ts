import type { Writable } from 'node:stream';
import type { ParseArgsOptionDescriptor } from 'node:util';

/** One flag of a command: what `node:util` parses, and what `--help` says about it. */
export interface Option extends ParseArgsOptionDescriptor {
  /** One line for `--help`. */
  readonly description: string;
  /** The name of the value in `--help`, in capitals: `FILE`, `URL`. Flags without a value have none. */
  readonly argument?: string;
}

/** Flags as parsed: a flag that is not given is undefined, one that is declared `multiple` is a list. */
export type OptionValues = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

/** A line of `--help` that can be copied and run. */
export interface Example {
  readonly command: string;
  /** What it is for, in a few words. */
  readonly explanation: string;
}

/** One verb of the command line, in a file of its own under `commands/`, loaded only when it is asked for. */
export interface Command {
  readonly name: string;
  /** One line in the list of verbs. */
  readonly summary: string;
  /** What follows `signet `: `publish [folder|tarball] [flags]`. */
  readonly usage: string;
  /** Paragraphs that `--help` prints after the usage: what happens, what it needs, where it looks. */
  readonly details?: readonly string[];
  readonly examples: readonly Example[];
  /** Flags beyond the global ones, which every command has (`globalOptions`). */
  readonly options: Readonly<Record<string, Option>>;
  /** Verbs below this one: `signet dev token`. A command with subcommands need not do anything by itself. */
  readonly subcommands?: Readonly<Record<string, Command>>;
  /**
   * Does the work.
   *
   * @returns the exit code (ARCHITECTURE "Errors"); failures are thrown as SignetError and mapped by the dispatcher
   */
  run(context: CommandContext, values: OptionValues, positionals: readonly string[]): Promise<number>;
}

/** What a command gets of the world. Commands touch neither `process` nor `console`. */
export interface CommandContext {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** `--json`: one JSON document (with `format`) on standard output instead of sentences. */
  readonly json: boolean;
  /** `--quiet`: nothing on standard error but errors. */
  readonly quiet: boolean;
  /** `--offline`: no socket is opened. */
  readonly offline: boolean;
  /** `--registry URL`, as given. */
  readonly registry: string | undefined;
  /** Whether standard output takes colours: a terminal, without NO_COLOR. */
  readonly colour: boolean;
  /** Whether a person sits there: standard input and standard error are terminals and no CI is announced. */
  readonly interactive: boolean;
  /** Asks a person for what must not be shown; only where {@link interactive}. */
  askSecret(question: string): Promise<string>;
  /** Aborted by the first Ctrl-C or SIGTERM. A command that never looks at it is ended by the signal as usual. */
  readonly signal: AbortSignal;
  /** A line of data on standard output. Foreign strings in it must have passed through `inert`. */
  print(line: string): void;
  /** The one JSON document of `--json`, on one line. */
  printJson(document: Readonly<Record<string, unknown>>): void;
  /** A line for people on standard error, unless `--quiet`. */
  note(line: string): void;
  /** Names the step that begins now; a line on standard error once it has taken longer than a second. */
  progress(step: string): void;
}

/** Flags that every command has. */
export const globalOptions = {
  json: { type: 'boolean', description: 'one JSON document on standard output' },
  quiet: { type: 'boolean', short: 'q', description: 'nothing on standard error but errors' },
  offline: { type: 'boolean', description: 'open no network connection' },
  registry: { type: 'string', argument: 'URL', description: "the registry, instead of npm's configured one" },
  help: { type: 'boolean', short: 'h', description: 'this text' },
} as const satisfies Readonly<Record<string, Option>>;

/** The value of a flag that takes one, if it was given. */
export function textOption(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/** Whether a flag without a value was given. */
export function flagOption(values: OptionValues, name: string): boolean {
  return values[name] === true;
}

/** The values of a flag that may be given several times, in order. */
export function listOption(values: OptionValues, name: string): readonly string[] {
  const value = values[name];
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}
