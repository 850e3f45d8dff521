import { SignetError } from '@signet/primitives/formats';
import type { Command } from '../command.ts';
import { rotateCommand } from './operator/rotate.ts';
import { serveCommand } from './operator/serve.ts';

const subcommands = { serve: serveCommand('tsa'), rotate: rotateCommand('tsa') };

export const command: Command = {
  name: 'tsa',
  summary: 'the timestamp authority: run it, exchange its key',
  usage: 'tsa serve | rotate',
  examples: [...subcommands.serve.examples.slice(0, 1), ...subcommands.rotate.examples.slice(0, 1)],
  options: {},
  subcommands,
  async run() {
    throw new SignetError('ERR_USAGE', `signet tsa has the verbs ${Object.keys(subcommands).join(', ')}`);
  },
};
