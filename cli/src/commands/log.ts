import { SignetError } from '@signet/primitives/formats';
import type { Command } from '../command.ts';
import { consistency } from './log/consistency.ts';
import { exportCommand } from './log/export.ts';
import { fsck } from './log/fsck.ts';
import { get } from './log/get.ts';
import { info } from './log/info.ts';
import { reindex } from './log/reindex.ts';
import { rotate } from './log/rotate.ts';
import { search } from './log/search.ts';
import { serve } from './log/serve.ts';
import { tail } from './log/tail.ts';
import { verify } from './log/verify.ts';

const subcommands = {
  info,
  get,
  search,
  verify,
  consistency,
  tail,
  serve,
  rotate,
  fsck,
  reindex,
  export: exportCommand,
};

export const command: Command = {
  name: 'log',
  summary: 'read, check and run a transparency log',
  usage: 'log info | get | search | verify | consistency | tail | serve | rotate | fsck | reindex | export',
  details: [
    'The first six read a log over the network, by Rekor’s v2 API or its v1 API, and verify everything with the keys of a trust root. The others work on a data directory and need the package @signet/registry.',
  ],
  examples: [{ command: 'signet log serve --data ./log --port 3000', explanation: 'a log of your own' }],
  options: {},
  subcommands,
  async run() {
    throw new SignetError('ERR_USAGE', `signet log has the verbs ${Object.keys(subcommands).join(', ')}`);
  },
};
