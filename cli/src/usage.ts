import { type Command, globalOptions, type Option } from './command.ts';
import { verbGroups, verbs } from './verbs.ts';

/** The text of `signet --help`. */
export async function generalHelp(version: string): Promise<string> {
  const lines = [
    `signet ${version}: publish signed npm packages and install only what is proven`,
    '',
    'Usage: signet <verb> [what] [flags]',
  ];
  for (const group of verbGroups) {
    lines.push('', `${group.title}:`);
    for (const name of group.verbs) lines.push(`  ${name.padEnd(10)} ${await summary(name)}`);
  }
  lines.push('', 'Everywhere:', ...optionLines(globalOptions), '', 'signet <verb> --help tells more, with examples.');
  return `${lines.join('\n')}\n`;
}

/** The text of `signet <verb> --help`. */
export function commandHelp(command: Command): string {
  const lines = [`${command.summary}`, '', `Usage: signet ${command.usage}`];
  for (const paragraph of command.details ?? []) lines.push('', paragraph);
  const below = Object.values(command.subcommands ?? {});
  if (below.length > 0) {
    lines.push('', 'Verbs:');
    for (const one of below) lines.push(`  ${one.name.padEnd(12)} ${one.summary}`);
  }
  if (Object.keys(command.options).length > 0) lines.push('', 'Flags:', ...optionLines(command.options));
  lines.push('', 'Everywhere:', ...optionLines(globalOptions), '', 'Examples:');
  for (const example of [...command.examples, ...below.flatMap((one) => one.examples)]) {
    lines.push(`  # ${example.explanation}`, `  ${example.command}`);
  }
  return `${lines.join('\n')}\n`;
}

function optionLines(options: Readonly<Record<string, Option>>): string[] {
  return Object.entries(options).map(([name, option]) => {
    const short = option.short ? `-${option.short}, ` : '';
    const value = option.type === 'string' ? ` ${option.argument ?? 'VALUE'}` : '';
    return `  ${`${short}--${name}${value}`.padEnd(28)} ${option.description}`;
  });
}

/** A verb whose file is not installed has no summary; the list is printed all the same. */
async function summary(name: string): Promise<string> {
  const loaded = await verbs[name]?.().catch(() => undefined);
  return loaded?.command.summary ?? '(not available in this installation)';
}
