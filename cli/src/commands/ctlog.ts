import { SignetError } from '@signet/primitives/formats';
import type { Command } from '../command.ts';
import { rotateCommand } from './operator/rotate.ts';

const subcommands = { rotate: rotateCommand('ctlog') };

export const command: Command = {
  name: 'ctlog',
  summary: 'the certificate log: go on in a new one with a new key',
  usage: 'ctlog rotate',
  examples: subcommands.rotate.examples,
  options: {},
  subcommands,
  async run() {
    throw new SignetError('ERR_USAGE', 'signet ctlog has the verb rotate');
  },
};
