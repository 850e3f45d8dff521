import type { Writable } from 'node:stream';
import { SignetError } from '@signet/primitives/basics';
import { parseArguments } from './arguments.ts';
import { type Command, type CommandContext, flagOption, globalOptions, textOption } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import { describeFailure } from './failure.ts';
import { suggest } from './suggest.ts';
import { isTerminal, Progress, takesColour } from './terminal.ts';
import { commandHelp, generalHelp } from './usage.ts';
import { verbs } from './verbs.ts';
import { version } from './version.ts';
import { widthOf } from './wrap.ts';

/** The world around one invocation. */
export interface Surroundings {
  readonly stdin: object;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Gives the signal that Ctrl-C aborts; called only when a command looks at it. */
  readonly interruption: () => AbortSignal;
}

/**
 * Runs one command line and returns its exit code; never throws. Data goes to standard output, all else to standard error.
 *
 * @param words the command line after `signet`
 */
export async function run(words: readonly string[], surroundings: Surroundings): Promise<number> {
  const progress = new Progress(surroundings.stderr, { silent: asks(words, '--quiet', '-q') });
  let signal: AbortSignal | undefined;
  const interruption = () => {
    signal = surroundings.interruption();
    return signal;
  };
  try {
    return await dispatch(words, surroundings, interruption, progress);
  } catch (error) {
    // What is cut off by the signal says so in its own words: an AbortError of Node's, a request that broke.
    const thrown = signal?.aborted && !isOurs(error) ? signal.reason : error;
    const failure = describeFailure(thrown, { debug: Boolean(surroundings.env.SIGNET_DEBUG) });
    if (asks(words, '--json')) surroundings.stdout.write(`${JSON.stringify(failure.document)}\n`);
    surroundings.stderr.write(`${failure.text}\n`);
    return failure.exitCode;
  } finally {
    progress.end();
  }
}

async function dispatch(
  words: readonly string[],
  surroundings: Surroundings,
  interruption: Surroundings['interruption'],
  progress: Progress,
): Promise<number> {
  const [verb, ...rest] = words;
  if (verb === undefined) {
    surroundings.stderr.write(await generalHelp(version(), widthOf(surroundings.stderr)));
    return exitCodes.usage;
  }
  if (verb === '--version' || verb === '-v') {
    surroundings.stdout.write(
      asks(rest, '--json') ? `${JSON.stringify({ format: 1, version: version() })}\n` : `${version()}\n`,
    );
    return exitCodes.ok;
  }
  if (verb === '--help' || verb === '-h') {
    const text = await generalHelp(version(), widthOf(surroundings.stdout));
    surroundings.stdout.write(helpOutput(text, asks(rest, '--json')));
    return exitCodes.ok;
  }
  const { command, words: left } = descend(await loadVerb(verb), rest);
  if (asks(left, '--help', '-h')) {
    const text = commandHelp(command, widthOf(surroundings.stdout));
    surroundings.stdout.write(helpOutput(text, asks(left, '--json')));
    return exitCodes.ok;
  }
  const { values, positionals } = parseArguments(command, left);
  const json = flagOption(values, 'json');
  const quiet = flagOption(values, 'quiet');
  const context: CommandContext = {
    stdout: surroundings.stdout,
    stderr: surroundings.stderr,
    env: surroundings.env,
    cwd: surroundings.cwd,
    json,
    quiet,
    offline: flagOption(values, 'offline'),
    registry: textOption(values, 'registry'),
    colour: takesColour(surroundings.stdout, surroundings.env),
    get interactive() {
      return isTerminal(surroundings.stderr) && !surroundings.env.CI && isTerminal(surroundings.stdin);
    },
    askSecret: async (question) => {
      const { askSecret } = await import('./ask-secret.ts');
      return await askSecret(surroundings.stdin, surroundings.stderr, question);
    },
    get signal() {
      return interruption();
    },
    print: (line) => {
      surroundings.stdout.write(`${line}\n`);
    },
    printJson: (document) => {
      surroundings.stdout.write(`${JSON.stringify(document)}\n`);
    },
    note: (line) => {
      if (!quiet) surroundings.stderr.write(`${line}\n`);
    },
    progress: (step) => progress.step(step),
  };
  return await command.run(context, values, positionals);
}

function isOurs(error: unknown): boolean {
  return error instanceof Error && error.name === 'SignetError';
}

/** @throws ERR_USAGE for an unknown verb, ERR_NOT_INSTALLED when this installation lacks the verb's file */
export async function loadVerb(verb: string): Promise<Command> {
  const load = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (load === undefined) {
    if (verb.startsWith('-')) throw new SignetError('ERR_USAGE', flagWithoutVerb(verb));
    const meant = suggest(verb, Object.keys(verbs));
    const hint = meant === undefined ? 'signet --help lists them' : `did you mean signet ${meant}?`;
    throw new SignetError('ERR_USAGE', `unknown verb ${verb}; ${hint}`);
  }
  return (await load()).command;
}

function flagWithoutVerb(flag: string): string {
  const name = flag.replace(/^-+/, '').replace(/=.*$/s, '');
  if (Object.hasOwn(globalOptions, name)) return `${flag} stands behind a verb: signet <verb> ${flag}`;
  const meant = suggest(name, ['help', 'version']);
  return `unknown flag ${flag}; ${meant === undefined ? 'a verb comes first, and signet --help lists them' : `did you mean --${meant}?`}`;
}

/** The text of a help as it is printed. */
export function helpOutput(text: string, json: boolean): string {
  return json ? `${JSON.stringify({ format: 1, help: text })}\n` : text;
}

/**
 * Follows words that name subcommands: `dev token --email …` is the command `token` of `dev`.
 *
 * @returns the command, and the words that are left
 * @throws ERR_USAGE
 */
export function descend(top: Command, rest: readonly string[]): { command: Command; words: readonly string[] } {
  let command = top;
  let words = rest;
  while (command.subcommands !== undefined) {
    const [next, ...others] = words;
    if (next === undefined || next.startsWith('-')) break;
    const below = Object.hasOwn(command.subcommands, next) ? command.subcommands[next] : undefined;
    if (below === undefined) {
      const known = Object.keys(command.subcommands);
      const meant = suggest(next, known);
      const hint =
        meant === undefined ? `there are ${known.join(', ')}` : `did you mean signet ${command.name} ${meant}?`;
      throw new SignetError('ERR_USAGE', `unknown verb ${command.name} ${next}; ${hint}`);
    }
    command = below;
    words = others;
  }
  return { command, words };
}

/** Whether a flag stands on the command line before `--`, for what must be known before a command is parsed. */
function asks(words: readonly string[], ...flags: readonly string[]): boolean {
  const end = words.indexOf('--');
  return (end < 0 ? words : words.slice(0, end)).some((word) => flags.includes(word));
}
