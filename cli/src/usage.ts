import { type Command, type Example, globalOptions, type Option } from './command.ts';
import { verbGroups, verbs } from './verbs.ts';
import { wrap, wrapCommand } from './wrap.ts';

/**
 * The text of `signet --help`.
 *
 * @param width columns that it may take
 */
export async function generalHelp(version: string, width = 80): Promise<string> {
  const lines = [
    ...wrap(`signet ${version}: publish signed npm packages and install only what is proven`, width),
    '',
    'Usage: signet <verb> [what] [flags]',
  ];
  for (const group of verbGroups) {
    lines.push('', `${group.title}:`);
    for (const name of group.verbs) lines.push(...listed(name, await summary(name), 10, width));
  }
  const versionFlag = { type: 'boolean', short: 'v', description: 'the version of signet, without a verb' } as const;
  lines.push('', 'Everywhere:', ...optionLines({ ...globalOptions, version: versionFlag }, width), '');
  lines.push('signet <verb> --help tells more, with examples.');
  return `${lines.join('\n')}\n`;
}

/**
 * The text of `signet <verb> --help`.
 *
 * @param width columns that it may take
 */
export function commandHelp(command: Command, width = 80): string {
  const lines = [...wrap(command.summary, width), '', ...wrap(`Usage: signet ${command.usage}`, width, '', 9)];
  for (const paragraph of command.details ?? []) lines.push('', ...wrap(paragraph, width));
  const below = Object.values(command.subcommands ?? {});
  if (below.length > 0) {
    lines.push('', 'Verbs:');
    const column = Math.max(12, ...below.map((one) => one.name.length));
    for (const one of below) lines.push(...listed(one.name, one.summary, column, width));
  }
  if (Object.keys(command.options).length > 0) lines.push('', 'Flags:', ...optionLines(command.options, width));
  lines.push('', 'Everywhere:', ...optionLines(globalOptions, width), '', 'Examples:');
  for (const example of distinct([...command.examples, ...below.flatMap((one) => one.examples)])) {
    lines.push(...wrap(example.explanation, width - 4).map((line) => `  # ${line}`));
    lines.push(...wrapCommand(example.command, width - 2).map((line) => `  ${line}`));
  }
  return `${lines.join('\n')}\n`;
}

/** A verb may repeat examples of the verbs below it. */
function distinct(examples: readonly Example[]): Example[] {
  return [...new Map([...examples].reverse().map((example) => [example.command, example])).values()].reverse();
}

function optionLines(options: Readonly<Record<string, Option>>, width: number): string[] {
  return Object.entries(options).flatMap(([name, option]) => {
    const short = option.short ? `-${option.short}, ` : '';
    const value = option.type === 'string' ? ` ${option.argument ?? 'VALUE'}` : '';
    return listed(`${short}--${name}${value}`, option.description, 26, width);
  });
}

/** A term and what it means beside it; below it, where the term is too long or the lines are too short. */
function listed(term: string, meaning: string, column: number, width: number): string[] {
  const indent = column + 3;
  if (width - indent < 24) return [`  ${term}`, ...wrap(meaning, width, '      ', 6)];
  if (term.length > column) return [`  ${term}`, ...wrap(meaning, width, ' '.repeat(indent), indent)];
  return wrap(meaning, width, `  ${term.padEnd(column)} `, indent);
}

/** A verb whose file is not installed has no summary; the list is printed all the same. */
async function summary(name: string): Promise<string> {
  const loaded = await verbs[name]?.().catch(() => undefined);
  return loaded?.command.summary ?? '(not available in this installation)';
}
