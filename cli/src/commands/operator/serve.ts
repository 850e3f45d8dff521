import { once } from 'node:events';
import type { Command } from '../../command.ts';
import { instanceOptions, readInstanceOptions } from '../instance-options.ts';
import { InstanceReport } from './instance-report.ts';
import { flagsOnly, loadOperator } from './load.ts';

/** The parts of an instance that are served by one verb. */
const parts = {
  ca: { what: 'the certificate authority and its certificate log', only: ['ca'] },
  tsa: { what: 'the timestamp authority', only: ['tsa'] },
  tuf: { what: 'the trust root', only: ['tuf'] },
} as const;

/** `signet ca serve` and its like: one service of an instance, without the others. */
export function serveCommand(verb: keyof typeof parts): Command {
  const { what, only } = parts[verb];
  const name = `${verb} serve`;
  return {
    name,
    summary: `run ${what} alone`,
    usage: `${name} [--data DIR] [--port N] [flags]`,
    details: [
      `Serves ${what} of an instance until Ctrl-C, and nothing else of it. The first start makes the data directory, with the flags of signet init. One process serves a data directory.`,
      'When everything answers, --json prints one line with the URLs.',
    ],
    examples: [
      {
        command: `signet ${name} --data ./${verb} --names '@acme/*' --public-url https://sign.acme.example`,
        explanation: 'behind a proxy',
      },
      { command: `signet ${name} --data ./${verb} --json`, explanation: 'one line when it answers, for a script' },
    ],
    options: instanceOptions,
    async run(context, values, positionals) {
      flagsOnly(name, positionals);
      const { signal } = context;
      const options = await readInstanceOptions(context, values);
      const { startInstance } = await loadOperator();
      const report = new InstanceReport(context);
      const running = await startInstance({ ...options, only, onNote: report.note });
      const { urls, instance, tufRoot } = running;
      if (context.json) {
        const served = only.flatMap((part) => (part === 'ca' ? (['ca', 'ct'] as const) : [part]));
        context.printJson({
          format: 1,
          ...Object.fromEntries(served.map((part) => [part, urls[part]])),
          trustedRoot: instance.layout.trust.trustedRoot,
          tufRoot: tufRoot.path,
          data: instance.layout.directory,
        });
      } else {
        context.print(`${urls[verb]} is up`);
        context.note('Ctrl-C stops it');
      }
      if (!signal.aborted) await once(signal, 'abort');
      await running.stop();
      report.stopped();
      return 0;
    },
  };
}
