import { inert } from '@signet/primitives/formats';
import type { Command } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { dataOption, flagsOnly, openNamedInstance } from './operator/load.ts';

const marks = { ok: ' ', warning: '!', problem: 'x' } as const;

export const command: Command = {
  name: 'doctor',
  summary: 'examine an instance and say what to do',
  usage: 'doctor [--data DIR]',
  details: [
    'Looks at keys and their modes, certificates and trust root and when they end, rotations under way, clock, issuers, disk, the address, and (while the instance is stopped) every byte of its logs. Changes nothing. Ends with 1 when there is a problem.',
  ],
  examples: [
    { command: 'signet doctor --data ./instance', explanation: 'now' },
    {
      command: 'signet doctor --data ./instance --offline --json',
      explanation: 'without asking anybody, for a script',
    },
  ],
  options: dataOption,
  async run(context, values, positionals) {
    flagsOnly('doctor', positionals);
    const { operator, instance, passphrase } = await openNamedInstance(context, values);
    const findings = [];
    for await (const finding of operator.examineInstance(instance, { passphrase, offline: context.offline })) {
      findings.push(finding);
      if (context.json) continue;
      context.print(`${marks[finding.level]} ${finding.check}: ${inert(finding.says)}`);
      if (finding.next !== undefined) context.print(`    ${inert(finding.next)}`);
    }
    const problems = findings.filter(({ level }) => level === 'problem').length;
    if (context.json) context.printJson({ format: 1, healthy: problems === 0, findings });
    else context.note(problems === 0 ? 'no problem was found' : `${problems} problems were found`);
    return problems === 0 ? exitCodes.ok : exitCodes.internal;
  },
};
