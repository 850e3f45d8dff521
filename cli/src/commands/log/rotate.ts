import { SignetError } from '@signet/primitives/formats';
import { type Command, flagOption, textOption } from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { readInstanceOptions } from '../instance-options.ts';
import { dataOption } from './options.ts';
import { loadLogServer, logDirectory } from './server-side.ts';

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

export const rotate: Command = {
  name: 'log rotate',
  summary: 'go on in a new shard with a new key, and freeze the present one',
  usage: 'log rotate [--data DIR] [--overlap TIME]',
  details: [
    'Opens a new shard below the log’s URL and writes trusted_root.json and signing_config.v0.2.json anew: give them to whoever trusts the log. A running server does it without a pause. After the overlap the old shard answers new entries with 405; what it holds stays readable for ever.',
  ],
  examples: [
    { command: 'signet log rotate --data ./log --overlap 2d', explanation: 'with two days for everybody to follow' },
    { command: 'signet log rotate --data ./log --overlap 0', explanation: 'at once: a key may be in wrong hands' },
  ],
  options: {
    ...dataOption,
    v1: { type: 'boolean', description: 'the log of Rekor v1, whose change is at once and without another URL' },
    overlap: {
      type: 'string',
      argument: 'TIME',
      description: 'how long the old shard takes entries: 90s, 30m, 1h, 2d, 0 (1h)',
    },
  },
  async run(context, values, positionals) {
    if (positionals.length > 0) throw new SignetError('ERR_USAGE', 'signet log rotate takes flags only');
    const overlapSeconds = readDuration(textOption(values, 'overlap') ?? '1h');
    const { passphrase } = await readInstanceOptions(context, values);
    const server = await loadLogServer();
    const directory = logDirectory(context, values);
    const { number, url, origin } = await server.rotateLog({
      directory,
      api: flagOption(values, 'v1') ? 'v1' : 'v2',
      overlapSeconds,
      ...(passphrase === undefined ? {} : { passphrase }),
    });
    const { trustedRoot, signingConfig } = server.logLayout(directory);
    if (context.json) {
      context.printJson({ format: 1, number, url, origin, overlapSeconds, trustedRoot, signingConfig });
      return exitCodes.ok;
    }
    context.print(`shard ${number} takes entries at ${url}`);
    context.note(`give to whoever trusts the log: ${trustedRoot}`);
    context.note(`give to whoever writes to it: ${signingConfig}`);
    return exitCodes.ok;
  },
};

function readDuration(text: string): number {
  const [, number, unit] = /^(\d{1,6})([smhd]?)$/.exec(text) ?? [];
  const factor = unit === '' && Number(number) === 0 ? 1 : units[unit ?? ''];
  const seconds = Number(number) * (factor ?? Number.NaN);
  if (seconds <= 366 * 86_400) return seconds;
  throw new SignetError(
    'ERR_USAGE',
    `--overlap takes 0 or a time up to a year such as 30m, 1h or 2d, not ${JSON.stringify(text)}`,
  );
}
