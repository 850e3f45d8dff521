import { SignetError } from '@signet/primitives/basics';
import type { Command } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { descend, helpOutput, loadVerb } from '../run.ts';
import { commandHelp, generalHelp } from '../usage.ts';
import { version } from '../version.ts';
import { widthOf } from '../wrap.ts';

export const command: Command = {
  name: 'help',
  summary: 'what signet and each of its verbs does, with examples',
  usage: 'help [verb]…',
  examples: [
    { command: 'signet help publish', explanation: 'how to publish' },
    { command: 'signet help log search', explanation: 'of a verb below a verb' },
  ],
  options: {},
  async run(context, _values, [verb, ...below]) {
    const width = widthOf(context.stdout);
    const text = verb === undefined ? await generalHelp(version(), width) : commandHelp(await find(verb, below), width);
    context.stdout.write(helpOutput(text, context.json));
    return exitCodes.ok;
  },
};

async function find(verb: string, below: readonly string[]): Promise<Command> {
  const { command: found, words } = descend(await loadVerb(verb), below);
  if (words.length === 0) return found;
  throw new SignetError('ERR_USAGE', `signet ${found.name} has no verb ${words[0]}`);
}
