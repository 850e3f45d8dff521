import { resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { type Command, textOption } from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { dataOption } from './options.ts';
import { loadLogServer, logDirectory } from './server-side.ts';

export const exportCommand: Command = {
  name: 'log export',
  summary: 'write a log as plain files that any web server can serve',
  usage: 'log export --static TARGET [--data DIR]',
  details: [
    'Writes checkpoint, tiles and entry bundles of every shard (c2sp.org/tlog-tiles). Full tiles that are there already are skipped, so that exporting again costs what is new. A log that signet log serve is running is read through it.',
  ],
  examples: [{ command: 'signet log export --data ./log --static ./public', explanation: 'for a web server or a CDN' }],
  options: { ...dataOption, static: { type: 'string', argument: 'TARGET', description: 'the folder to write to' } },
  async run(context, values, positionals) {
    const target = textOption(values, 'static');
    if (target === undefined || positionals.length > 0) {
      throw new SignetError('ERR_USAGE', 'signet log export takes --static TARGET');
    }
    const server = await loadLogServer();
    context.progress('writing tiles');
    const shards = await server.exportLog(logDirectory(context, values), resolve(context.cwd, target));
    if (context.json) {
      const list = shards.map(({ number, treeSize }) => ({ number, treeSize: String(treeSize) }));
      context.printJson({ format: 1, target: resolve(context.cwd, target), shards: list });
      return exitCodes.ok;
    }
    for (const { number, treeSize } of shards) context.print(`shard ${number}: ${treeSize} entries`);
    return exitCodes.ok;
  },
};
