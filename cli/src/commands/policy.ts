import { SignetError } from '@signet/primitives/basics';
import type { Command } from '../command.ts';
import { add } from './policy/add.ts';
import { except } from './policy/except.ts';
import { explain } from './policy/explain.ts';
import { init } from './policy/init.ts';
import { lint } from './policy/lint.ts';
import { test } from './policy/test.ts';

export const command: Command = {
  name: 'policy',
  summary: 'write, check and understand trust-policy.yaml',
  usage: 'policy init|add|lint|test|explain|except',
  examples: [
    { command: 'signet policy init', explanation: 'an enforcing policy from what is installed' },
    { command: 'signet policy explain express', explanation: 'what it says about one package' },
  ],
  options: {},
  subcommands: { init, add, lint, test, explain, except },
  async run() {
    throw new SignetError('ERR_USAGE', 'signet policy needs one of init, add, lint, test, explain, except');
  },
};
