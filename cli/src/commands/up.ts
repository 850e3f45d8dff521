import { once } from 'node:events';
import { SignetError } from '@signet/primitives/formats';
import { type Command, flagOption } from '../command.ts';
import { instanceOptions, loadInstalled, noteIgnored, readInstanceOptions } from './instance-options.ts';
import { InstanceReport } from './operator/instance-report.ts';

export const command: Command = {
  name: 'up',
  summary: 'run a private instance in the foreground',
  usage: 'up [--data DIR] [--port N] [flags]',
  details: [
    'Runs certificate authority, logs, timestamp authority and npm registry on one port, until Ctrl-C. The first start makes what is missing, with the flags of signet init; later starts change nothing.',
    'Every publish or other change that was accepted or refused, and every warning, is a line on standard error. When everything answers, --json prints one line with the URLs, and the lines on standard error are JSON too.',
  ],
  examples: [
    { command: 'signet up --data ./instance', explanation: 'start what signet init made' },
    { command: 'signet up --data ./try --port 0 --dev-identity --json', explanation: 'on a free port, for a script' },
  ],
  options: {
    ...instanceOptions,
    'request-log': { type: 'boolean', description: 'a line for every request, on standard error' },
  },
  async run(context, values, positionals) {
    if (positionals.length > 0)
      throw new SignetError('ERR_USAGE', 'signet up takes flags only; the directory is --data');
    // Taken first: modules of the registry listen to signals too, and the first listener decides.
    const { signal } = context;
    const options = await readInstanceOptions(context, values);
    const registry = await loadInstalled(() => import('@signet/registry'));
    const report = new InstanceReport(context);
    const running = await registry.startInstance({
      ...options,
      requests: flagOption(values, 'request-log'),
      onNote: report.note,
      onEvent: report.event,
    });
    const { urls, instance, devIdentity } = running;
    const { layout } = instance;
    noteIgnored(context, values, { created: running.created, layout });
    if (context.json) {
      context.printJson({
        format: 1,
        registry: urls.registry,
        ca: urls.ca,
        ct: urls.ct,
        log: urls.log,
        logV1: urls.logV1,
        tsa: urls.tsa,
        tuf: urls.tuf,
        oidc: devIdentity ? urls.oidc : null,
        ciIssuer: devIdentity ? urls.ciIssuer : null,
        trustedRoot: layout.trust.trustedRoot,
        signingConfig: layout.trust.signingConfig,
        tufRoot: running.tufRoot.path,
        policy: layout.policyFile,
        data: layout.directory,
      });
    } else {
      context.print(
        `${urls.registry} is up${running.created ? ', and new' : ''}; owns ${instance.configuration.names.join(', ')}`,
      );
      context.note(`trust root: ${running.tufRoot.path}`);
      context.note(`its fingerprint: ${running.tufRoot.fingerprint}`);
      context.note(`who may publish: ${layout.policyFile}`);
      if (devIdentity) context.note(`development logins: ${urls.oidc} (anybody on this computer can be anybody)`);
      context.note('Ctrl-C stops it');
    }
    if (!signal.aborted) await once(signal, 'abort');
    await running.stop();
    report.stopped();
    return 0;
  },
};
