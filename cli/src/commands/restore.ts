import { resolve } from 'node:path';
import { inert, SignetError } from '@signet/primitives/formats';
import { type Command, flagOption, listOption, textOption } from '../command.ts';
import { readInstanceOptions } from './instance-options.ts';
import { dataOption, flagsOnly, loadOperator } from './operator/load.ts';

export const command: Command = {
  name: 'restore',
  summary: 'bring an instance back from a backup, without contradicting what its logs promised',
  usage: 'restore --from DIR [--data DIR] (--checkpoint FILE… | --nothing-newer | --new-logs)',
  details: [
    'Checks every file of the backup and every byte of its logs, and puts it where nothing is.',
    'A log that goes on behind what somebody has seen of it contradicts itself, and clients that notice never trust it again. So show that the backup is the latest state: by the last checkpoint of each log (--checkpoint, a file or the folder of signet log consistency --state), or by your word that nothing was signed or published since (--nothing-newer). Otherwise --new-logs ends the old logs where the backup ends and lets new ones with new keys go on; every signature that was ever made stays valid.',
  ],
  examples: [
    {
      command: 'signet restore --from /media/backup/monday --data ./instance --nothing-newer',
      explanation: 'after a move to another machine',
    },
    {
      command: 'signet restore --from /media/backup/monday --data ./instance --new-logs',
      explanation: 'after a disk was lost',
    },
  ],
  options: {
    ...dataOption,
    from: { type: 'string', argument: 'DIR', description: 'the backup' },
    checkpoint: {
      type: 'string',
      argument: 'FILE',
      multiple: true,
      description: 'the last checkpoint that was seen of a log, or a folder of them; may be repeated',
    },
    'nothing-newer': { type: 'boolean', description: 'nothing was signed or published after the backup' },
    'new-logs': { type: 'boolean', description: 'end the logs where the backup ends, and go on in new ones' },
  },
  async run(context, values, positionals) {
    flagsOnly('restore', positionals);
    const from = textOption(values, 'from');
    if (from === undefined) throw new SignetError('ERR_USAGE', 'signet restore needs --from DIR');
    const [nothingNewer, newLogs] = [flagOption(values, 'nothing-newer'), flagOption(values, 'new-logs')];
    if (nothingNewer && newLogs) {
      throw new SignetError('ERR_USAGE', '--nothing-newer and --new-logs exclude each other');
    }
    const operator = await loadOperator();
    const { directory, passphrase } = await readInstanceOptions(context, values);
    const files = listOption(values, 'checkpoint').map((file) => resolve(context.cwd, file));
    const checkpoints = (await Promise.all(files.map((file) => operator.readCheckpoints(file)))).flat();
    context.progress('copying and checking the logs');
    const source = resolve(context.cwd, from);
    const options = { checkpoints, nothingNewer, newLogs };
    const { instance, manifest } = await operator.restoreBackup(source, directory, options);
    if (newLogs) await operator.continueInNewLogs(instance, passphrase);
    const { publicUrl, made, logs } = manifest;
    if (context.json) {
      context.printJson({ format: 1, data: directory, publicUrl, made, logs, newLogs });
      return 0;
    }
    context.print(`${directory}: ${inert(publicUrl)} as it was at ${inert(made)}`);
    for (const { origin, treeSize } of logs) context.print(`  ${inert(origin)}: ${treeSize} entries`);
    if (newLogs) context.note('the next start opens the new logs before it serves anybody');
    return 0;
  },
};
