import type { Option } from '../../command.ts';
import { trustOptions } from '../../trust-options.ts';

/** Flags of commands that read a log over HTTP. */
export const remoteOptions = {
  log: {
    type: 'string',
    argument: 'URL',
    description: 'base URL of the log, of Rekor’s v2 or v1, instead of the one in the trust root',
  },
  'token-file': { type: 'string', argument: 'FILE', description: 'a file with a read token, for a private log' },
  ...trustOptions,
} as const satisfies Readonly<Record<string, Option>>;

/** Flags of commands that look into a data directory. */
export const dataOption = {
  data: { type: 'string', argument: 'DIR', description: 'the data directory (default ./signet-log)' },
} as const satisfies Readonly<Record<string, Option>>;
