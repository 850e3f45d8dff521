import { once } from 'node:events';
import { SignetError } from '@signet/primitives/formats';
import { type Command, flagOption, textOption } from '../../command.ts';
import { instanceOptions, readInstanceOptions } from '../instance-options.ts';
import { dataOption } from './options.ts';
import { loadLogServer, logDirectory } from './server-side.ts';

const { port, host, 'public-url': publicUrl } = instanceOptions;

export const serve: Command = {
  name: 'log serve',
  summary: 'run a transparency log alone, without certificate authority and registry',
  usage: 'log serve [--data DIR] [--port N] [flags]',
  details: [
    'Serves Rekor’s v2 API, and below /log-v1 its v1 API, until Ctrl-C. The first start makes the log and its key; log.yaml in the data directory has its limits and who may read it.',
    'With SIGNET_PASSPHRASE_FILE the private keys are encrypted with the first line of that file.',
    'When everything answers, --json prints one line with the URL and the files that clients need.',
  ],
  examples: [
    { command: 'signet log serve --data ./log --port 3000', explanation: 'on a loopback address' },
    {
      command: 'signet log serve --data ./log --public-url https://log.acme.example --request-log',
      explanation: 'behind a proxy, with a line for every request on standard error',
    },
  ],
  options: {
    ...dataOption,
    port,
    host,
    'public-url': publicUrl,
    'request-log': { type: 'boolean', description: 'a line of JSON for every request, on standard error' },
  },
  async run(context, values, positionals) {
    if (positionals.length > 0)
      throw new SignetError('ERR_USAGE', 'signet log serve takes flags only; the directory is --data');
    const { signal } = context;
    const wanted = await readInstanceOptions(context, values);
    const server = await loadLogServer();
    const running = await server.serveLog({
      directory: logDirectory(context, values),
      ...(wanted.port === undefined ? {} : { port: wanted.port }),
      ...(wanted.host === undefined ? {} : { host: wanted.host }),
      ...(textOption(values, 'public-url') === undefined ? {} : { publicUrl: textOption(values, 'public-url') ?? '' }),
      ...(wanted.passphrase === undefined ? {} : { passphrase: wanted.passphrase }),
      ...(flagOption(values, 'request-log') ? { requestLog: context.stderr } : {}),
    });
    const { layout, settings } = running;
    const readers = settings.readTokens.length === 0 ? 'public' : 'token';
    if (context.json) {
      context.printJson({
        format: 1,
        log: settings.publicUrl,
        logV1: `${settings.publicUrl}/log-v1`,
        port: running.port,
        readers,
        trustedRoot: layout.trustedRoot,
        signingConfig: layout.signingConfig,
        settings: layout.settingsFile,
        data: layout.directory,
      });
    } else {
      context.print(
        `${settings.publicUrl} is up with ${running.shards.active.log.size} entries in shard ${running.shards.active.number}`,
      );
      context.note(
        readers === 'public'
          ? `This log is public: everybody who reaches it may read it (readTokens in ${layout.settingsFile}).`
          : 'This log is private: it is read with a token.',
      );
      context.note(`trust root: ${layout.trustedRoot}`);
      context.note('Ctrl-C stops it');
    }
    if (!signal.aborted) await once(signal, 'abort');
    await running.close();
    context.note('stopped');
    return 0;
  },
};
