import { resolve } from 'node:path';
import { type Command, flagOption, type Option, textOption } from '../../command.ts';
import { dataOption, flagsOnly, openNamedInstance, readDuration } from './load.ts';

const names = { ca: 'certificate authority', tsa: 'timestamp authority', ctlog: 'certificate log' } as const;

/** `signet ca rotate` and its like: another key in place of the present one, without a pause. */
export function rotateCommand(service: keyof typeof names): Command {
  const name = `${service} rotate`;
  const rootOptions: Readonly<Record<string, Option>> = {
    'offline-keys': {
      type: 'string',
      argument: 'DIR',
      description: 'where the keys of the roots are that left the machine',
    },
    'new-root': { type: 'boolean', description: 'with another root too: it ends, or its key is not to be relied on' },
  };
  return {
    name,
    summary: `exchange the key of the ${names[service]} without a pause`,
    usage: `${name} [--data DIR] [--lead TIME] [flags]`,
    details: [
      'Makes the next key and notes what is to happen. The instance, running or started later, publishes the new trust, waits for the lead time, switches, and ends the trust in the old key from then on. What the old key signed stays valid; nothing ever leaves the trusted root.',
      'The lead time gives clients the time to ask for the trust root anew: eight days, unless --lead says otherwise. After a theft it is 0.',
      'Where the keys of the trust root are elsewhere, both changes wait as proposals for signatures: signet tuf sign and publish.',
    ],
    examples: [
      { command: `signet ${name} --data ./instance`, explanation: 'in the course of the years' },
      { command: `signet ${name} --data ./instance --lead 0`, explanation: 'at once, after a theft' },
    ],
    options: {
      ...dataOption,
      lead: {
        type: 'string',
        argument: 'TIME',
        description: 'how long the new trust is public before its use: 0, 12h, 8d (8d)',
      },
      ...(service === 'ctlog' ? {} : rootOptions),
    },
    async run(context, values, positionals) {
      flagsOnly(name, positionals);
      const leadSeconds = readDuration(values, 'lead');
      const { operator, instance, passphrase } = await openNamedInstance(context, values);
      const offline = textOption(values, 'offline-keys');
      const rotation = await operator.beginRotation(instance, service, {
        ...(leadSeconds === undefined ? {} : { leadSeconds }),
        ...(passphrase === undefined ? {} : { passphrase }),
        ...(offline === undefined ? {} : { offlineKeys: { directory: resolve(context.cwd, offline) } }),
        ...(flagOption(values, 'new-root') ? { newRoot: true } : {}),
      });
      if (context.json) {
        context.printJson({
          format: 1,
          service,
          generation: rotation.generation,
          begun: rotation.begun.toISOString(),
          leadSeconds: rotation.leadSeconds,
        });
        return 0;
      }
      context.print(
        `${service} ${rotation.generation} is made; the instance publishes it and switches ${rotation.leadSeconds} s later`,
      );
      context.note('how far it is: signet doctor');
      return 0;
    },
  };
}
