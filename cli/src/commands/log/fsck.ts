import { SignetError, toHex } from '@signet/primitives/formats';
import { type Command, flagOption } from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { dataOption } from './options.ts';
import { loadLogServer, logDirectory } from './server-side.ts';

export const fsck: Command = {
  name: 'log fsck',
  summary: 'check every byte of a log against what it has signed; changes nothing',
  usage: 'log fsck [--data DIR] [--v1|--ct] [flags]',
  details: [
    'Works on the data directory of a log or of an instance while nothing serves it: computes every hash and root again and compares them with the last checkpoint that was released.',
    'Exit code 20 means damage to what was acknowledged. Derived files that are damaged are built again at the next start once derived.json is deleted.',
  ],
  examples: [
    { command: 'signet log fsck --data ./log', explanation: 'after a crash, or before a backup' },
    { command: 'signet log fsck --data ./instance --ct --json', explanation: 'the certificate log of an instance' },
  ],
  options: {
    ...dataOption,
    v1: { type: 'boolean', description: 'the log of Rekor v1' },
    ct: { type: 'boolean', description: 'the certificate log of an instance' },
  },
  async run(context, values, positionals) {
    if (positionals.length > 0) throw new SignetError('ERR_USAGE', 'signet log fsck takes flags only');
    const server = await loadLogServer();
    const kind = flagOption(values, 'ct') ? 'ct' : flagOption(values, 'v1') ? 'log-v1' : 'log';
    const places = server.findShards(logDirectory(context, values), kind);
    context.progress('checking');
    const checks = places.map(({ number, directory }) => ({ number, check: server.checkLog(directory) }));
    const lost = checks.some(({ check }) => check.damage.length > 0);
    const sound = checks.every(({ check }) => check.sound);
    if (context.json) {
      const shards = checks.map(({ number, check }) => ({
        number,
        origin: check.origin,
        sound: check.sound,
        treeSize: check.treeSize,
        rootHash: toHex(check.rootHash),
        damage: check.damage,
        derivedDamage: check.derivedDamage,
        tornBytes: check.tornBytes,
      }));
      context.printJson({ format: 1, sound, shards });
    } else {
      for (const { check } of checks) {
        context.print(`${check.origin}: ${check.treeSize} entries, root ${toHex(check.rootHash)}`);
        for (const line of [...check.damage, ...check.derivedDamage]) context.print(`  ${line}`);
        if (check.tornBytes > 0) context.print(`  ${check.tornBytes} bytes of a batch that was never acknowledged`);
      }
      context.print(
        sound ? 'sound' : lost ? 'damaged: restore from a backup' : 'derived files are damaged; delete derived.json',
      );
    }
    if (lost) return exitCodes.logInconsistent;
    return sound ? exitCodes.ok : exitCodes.internal;
  },
};
