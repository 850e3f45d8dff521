import type { Command } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { loadVerb } from '../run.ts';
import { commandHelp, generalHelp } from '../usage.ts';
import { version } from '../version.ts';
import { widthOf } from '../wrap.ts';

export const command: Command = {
  name: 'help',
  summary: 'what signet and each of its verbs does, with examples',
  usage: 'help [verb]',
  examples: [{ command: 'signet help publish', explanation: 'how to publish' }],
  options: {},
  async run(context, _values, positionals) {
    const [verb] = positionals;
    const width = widthOf(context.stdout);
    const text = verb === undefined ? await generalHelp(version(), width) : commandHelp(await loadVerb(verb), width);
    context.stdout.write(text);
    return exitCodes.ok;
  },
};
