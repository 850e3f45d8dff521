import { parseArgs } from 'node:util';
import { SignetError } from '@signet/primitives/basics';
import { type Command, globalOptions, type OptionValues } from './command.ts';
import { suggest } from './suggest.ts';

/** The command line of one verb, taken apart. */
export interface ParsedArguments {
  readonly values: OptionValues;
  readonly positionals: readonly string[];
}

/**
 * Takes the words after the verb apart by the command's flags and the global ones. Flags may stand anywhere; after `--`
 * everything is positional.
 *
 * @throws ERR_USAGE for an unknown flag (with the one that was probably meant), a missing or a superfluous value
 */
export function parseArguments(command: Command, words: readonly string[]): ParsedArguments {
  const options = { ...command.options, ...globalOptions };
  const { tokens } = parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true });
  const values: Record<string, string | boolean | (string | boolean)[]> = Object.create(null);
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name as keyof typeof options] : undefined;
    if (option === undefined) throw unknownFlag(command, token.rawName, Object.keys(options));
    if (option.type === 'string' && token.value === undefined) {
      throw usage(command, `${token.rawName} needs a value`);
    }
    if (
      option.type === 'string' &&
      token.inlineValue === false &&
      token.value?.startsWith('-') &&
      token.value !== '-'
    ) {
      throw usage(
        command,
        `${token.rawName} needs a value; to give one that begins with a dash write ${token.rawName}=VALUE`,
      );
    }
    if (option.type === 'boolean' && token.value !== undefined) {
      throw usage(command, `${token.rawName} takes no value`);
    }
    const value = token.value ?? true;
    const before = values[token.name];
    if ('multiple' in option && option.multiple === true) {
      values[token.name] = [...(Array.isArray(before) ? before : []), value];
    } else if (before !== undefined && before !== value) {
      throw usage(command, `${token.rawName} is given twice with different values`);
    } else {
      values[token.name] = value;
    }
  }
  return { values, positionals };
}

function unknownFlag(command: Command, flag: string, known: readonly string[]): SignetError {
  const meant = suggest(flag.replace(/^-+/, ''), known);
  return usage(command, `unknown flag ${flag}${meant === undefined ? '' : `; did you mean --${meant}?`}`);
}

function usage(command: Command, sentence: string): SignetError {
  return new SignetError('ERR_USAGE', `${sentence} (signet ${command.usage}; more with signet ${command.name} --help)`);
}
