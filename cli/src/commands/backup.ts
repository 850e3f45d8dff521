import { resolve } from 'node:path';
import { inert, SignetError } from '@signet/primitives/formats';
import { type Command, textOption } from '../command.ts';
import { dataOption, flagsOnly, openNamedInstance } from './operator/load.ts';

export const command: Command = {
  name: 'backup',
  summary: 'copy an instance, running or not, with a digest of every file',
  usage: 'backup --to DIR [--data DIR]',
  details: [
    'Copies the whole data directory and checks every byte of the logs. The keys are in the copy: keep it as you keep them.',
    'An instance that runs goes on meanwhile: the backup has all that was signed or published before it began, and is a state that the instance was in. DIR must not exist. signet restore brings the instance back from it.',
  ],
  examples: [
    { command: 'signet backup --data ./instance --to /media/backup/monday', explanation: 'while it runs, or stopped' },
  ],
  options: { ...dataOption, to: { type: 'string', argument: 'DIR', description: 'where the backup is to be' } },
  async run(context, values, positionals) {
    flagsOnly('backup', positionals);
    const to = textOption(values, 'to');
    if (to === undefined) throw new SignetError('ERR_USAGE', 'signet backup needs --to DIR');
    const target = resolve(context.cwd, to);
    const { operator, instance } = await openNamedInstance(context, values);
    context.progress('checking the logs and copying');
    const { logs, files, made } = await operator.backUp(instance, target);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    if (context.json) {
      context.printJson({ format: 1, backup: target, made, files: files.length, bytes, logs });
      return 0;
    }
    context.print(`${target}: ${files.length} files, ${(bytes / 1e6).toFixed(1)} MB`);
    for (const { origin, treeSize } of logs) context.print(`  ${inert(origin)}: ${treeSize} entries`);
    context.note('it holds the private keys');
    return 0;
  },
};
