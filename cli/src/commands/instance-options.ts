import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { type CommandContext, flagOption, listOption, type Option, type OptionValues, textOption } from '../command.ts';

/**
 * Loads the registry's package, which only operators install.
 *
 * @param load imports it; a command does that itself, being the one that may
 * @throws ERR_NOT_INSTALLED
 */
export async function loadInstalled<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new SignetError(
      'ERR_NOT_INSTALLED',
      'This command needs the package @signet/registry; install it with: npm install --global @signet/registry',
      { cause },
    );
  }
}

/** What the flags ask of an instance, in the shape that `@signet/registry` takes. */
export interface RequestedInstance {
  readonly directory: string;
  readonly devIdentity: boolean;
  readonly publishers: readonly { readonly issuer?: string; readonly subject: string }[];
  readonly port?: number;
  readonly host?: string;
  readonly publicUrl?: string;
  readonly names?: readonly string[];
  readonly uplink?: 'npmjs' | 'none' | { readonly url: string };
  readonly tls?: { readonly certificate: string; readonly key: string };
  readonly passphrase?: string;
  readonly offlineKeys?: { readonly directory: string; readonly holders: number; readonly threshold: number };
}

/** Flags of the commands that make an instance. */
export const instanceOptions = {
  data: { type: 'string', argument: 'DIR', description: 'the data directory (default ./signet-data)' },
  port: { type: 'string', argument: 'N', description: 'where to listen; 0 chooses a free port' },
  host: { type: 'string', argument: 'HOST', description: 'where to listen (default 127.0.0.1)' },
  'public-url': {
    type: 'string',
    argument: 'URL',
    description: 'what clients call the instance; fixed for ever when it is made',
  },
  names: {
    type: 'string',
    argument: 'PATTERN',
    multiple: true,
    description:
      "names that a new instance owns: '@acme/*' or one package; may be repeated (@example/* on a loopback address)",
  },
  publisher: {
    type: 'string',
    argument: 'WHO',
    multiple: true,
    description: "who may publish to a new instance: 'ISSUER SUBJECT', or with --dev-identity 'SUBJECT' alone",
  },
  uplink: { type: 'string', argument: 'URL', description: 'where other names come from: npmjs, none or a URL' },
  'tls-certificate': {
    type: 'string',
    argument: 'FILE',
    description: 'a new instance serves HTTPS with this certificate (PEM, the server’s first)',
  },
  'tls-key': { type: 'string', argument: 'FILE', description: 'the key of --tls-certificate (PEM)' },
  'dev-identity': { type: 'boolean', description: 'a login without passwords, on loopback addresses only' },
} as const satisfies Readonly<Record<string, Option>>;

/** Says which flags did nothing because the instance was there already: those whose effect its files do not show. */
export function noteIgnored(
  context: CommandContext,
  values: OptionValues,
  instance: { readonly created: boolean; readonly layout: { readonly policyFile: string } },
): void {
  if (instance.created) return;
  if (values.publisher !== undefined) {
    context.note(`! the instance was there already, so --publisher did nothing: edit ${instance.layout.policyFile}`);
  }
  const ofTls = ['tls-certificate', 'tls-key'].filter((flag) => values[flag] !== undefined);
  if (ofTls.length > 0)
    context.note(`! the instance was there already, so --${ofTls[0]} did nothing: edit tls in its instance.yaml`);
  const ofKeys = ['offline-keys', 'key'].filter((flag) => values[flag] !== undefined).map((flag) => `--${flag}`);
  if (ofKeys.length > 0) {
    context.note(`! the instance was there already, so ${ofKeys.join(' and ')} did nothing: keys are made once`);
  }
}

/** The data directory that was named, absolute. */
export function dataDirectory(context: CommandContext, values: OptionValues): string {
  return resolve(context.cwd, textOption(values, 'data') ?? 'signet-data');
}

/**
 * Translates flags to what `@signet/registry` takes.
 *
 * @throws ERR_USAGE
 */
export async function readInstanceOptions(context: CommandContext, values: OptionValues): Promise<RequestedInstance> {
  const port = textOption(values, 'port');
  const host = textOption(values, 'host');
  const publicUrl = textOption(values, 'public-url');
  const names = listOption(values, 'names');
  const uplink = textOption(values, 'uplink');
  const passphrase = await readPassphrase(context);
  return {
    directory: dataDirectory(context, values),
    devIdentity: flagOption(values, 'dev-identity'),
    publishers: listOption(values, 'publisher').map(readPublisher),
    ...(port === undefined ? {} : { port: readPort(port) }),
    ...(host === undefined ? {} : { host }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(names.length === 0 ? {} : { names }),
    ...(uplink === undefined ? {} : { uplink: readUplink(uplink) }),
    ...readTls(context, values),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

function readTls(context: CommandContext, values: OptionValues): Pick<RequestedInstance, 'tls'> {
  const [certificate, key] = [textOption(values, 'tls-certificate'), textOption(values, 'tls-key')];
  if (certificate === undefined && key === undefined) return {};
  if (certificate === undefined || key === undefined) {
    throw new SignetError('ERR_USAGE', '--tls-certificate FILE and --tls-key FILE go together');
  }
  return { tls: { certificate: resolve(context.cwd, certificate), key: resolve(context.cwd, key) } };
}

function readPort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65535) return port;
  throw new SignetError('ERR_USAGE', `--port takes a number from 0 to 65535, not ${JSON.stringify(text)}`);
}

function readUplink(text: string): NonNullable<RequestedInstance['uplink']> {
  if (text === 'npmjs' || text === 'none') return text;
  const url = URL.parse(text);
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return { url: url.href };
  throw new SignetError('ERR_USAGE', `--uplink takes npmjs, none or a URL, not ${JSON.stringify(text)}`);
}

function readPublisher(text: string): RequestedInstance['publishers'][number] {
  const [first, second, ...more] = text.trim().split(/\s+/);
  if (first === undefined || first === '' || more.length > 0) {
    throw new SignetError('ERR_USAGE', `--publisher takes 'SUBJECT' or 'ISSUER SUBJECT', not ${JSON.stringify(text)}`);
  }
  return second === undefined ? { subject: first } : { issuer: first, subject: second };
}

/** `SIGNET_PASSPHRASE_FILE` names a file whose first line is the passphrase of the private keys. */
async function readPassphrase(context: CommandContext): Promise<string | undefined> {
  const file = context.env.SIGNET_PASSPHRASE_FILE;
  if (file === undefined || file === '') return undefined;
  let text: string;
  try {
    text = await readFile(resolve(context.cwd, file), 'utf8');
  } catch (cause) {
    throw new SignetError('ERR_CONFIGURATION', `SIGNET_PASSPHRASE_FILE: ${file} cannot be read`, { cause });
  }
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line === '')
    throw new SignetError('ERR_CONFIGURATION', `SIGNET_PASSPHRASE_FILE: ${file} begins with an empty line`);
  return line;
}
