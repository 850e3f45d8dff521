import { SignetError } from '@signet/primitives/formats';
import { type Command, flagOption } from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { dataOption } from './options.ts';
import { loadLogServer, logDirectory } from './server-side.ts';

export const reindex: Command = {
  name: 'log reindex',
  summary: 'build the search index again from the entries',
  usage: 'log reindex [--data DIR]',
  details: ['The index is derived: it is thrown away and built again. The log must not be running meanwhile.'],
  examples: [{ command: 'signet log reindex --data ./log', explanation: 'when the index is damaged' }],
  options: { ...dataOption, v1: { type: 'boolean', description: 'the log of Rekor v1' } },
  async run(context, values, positionals) {
    if (positionals.length > 0) throw new SignetError('ERR_USAGE', 'signet log reindex takes flags only');
    const server = await loadLogServer();
    const directory = logDirectory(context, values);
    const v1 = flagOption(values, 'v1');
    const entryTypes = v1 ? await server.readEntryTypes(directory) : [];
    const shards: { number: number; entries: number }[] = [];
    context.progress('indexing');
    for (const place of server.findShards(directory, v1 ? 'log-v1' : 'log')) {
      shards.push({ number: place.number, entries: await server.reindexLog(place.directory, entryTypes) });
    }
    if (context.json) context.printJson({ format: 1, shards });
    else for (const { number, entries } of shards) context.print(`shard ${number}: ${entries} entries indexed`);
    return exitCodes.ok;
  },
};
