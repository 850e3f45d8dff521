import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import {
  type Command,
  type CommandContext,
  flagOption,
  listOption,
  type OptionValues,
  textOption,
} from '../../command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { describeEntry, entryLine } from './entry-lines.ts';
import { openRemoteLog } from './open-log.ts';
import { remoteOptions } from './options.ts';
import type { VerifiedEntry } from './remote-log.ts';

const fields = ['hash', 'email', 'subject', 'issuer', 'purl'] as const;

export const search: Command = {
  name: 'log search',
  summary: 'entries by digest, identity, key, claim or package, over all shards',
  usage: 'log search (--email ADDRESS | --hash DIGEST | …) [--all] [flags]',
  details: [
    'An entry is found by any of the terms, or by all of them with --all. Every entry that is found is verified; that there are no others is what the log says.',
    'The package is what a submitter has named, and anybody can name any: look at who signed.',
  ],
  examples: [
    {
      command: 'signet log search --email alice@example.com --trusted-root trusted_root.json',
      explanation: 'what Alice signed',
    },
    {
      command:
        'signet log search --all --issuer https://login.example.com --claim sourceRepositoryOwnerIdentifier=4242 --trusted-root trusted_root.json',
      explanation: 'what the jobs of one owner signed',
    },
  ],
  options: {
    ...remoteOptions,
    hash: { type: 'string', argument: 'DIGEST', description: 'of an artifact, in hexadecimal; sha1, 256, 384 or 512' },
    email: { type: 'string', argument: 'ADDRESS', description: 'e-mail address of a signer' },
    subject: { type: 'string', argument: 'NAME', description: 'any name of a signer: an address, a URI' },
    issuer: { type: 'string', argument: 'URL', description: 'who vouched for the signer' },
    purl: { type: 'string', argument: 'PURL', description: 'package that the submitter has named' },
    key: { type: 'string', argument: 'FILE', description: 'PEM of a public key or certificate' },
    claim: {
      type: 'string',
      argument: 'NAME=VALUE',
      multiple: true,
      description: 'claim of a certificate, such as sourceRepositoryIdentifier=42; may be repeated',
    },
    all: { type: 'boolean', description: 'entries that match all of this, not any of it' },
    limit: { type: 'string', argument: 'N', description: 'most entries to show (100)' },
  },
  async run(context, values, positionals) {
    if (positionals.length > 0) throw new SignetError('ERR_USAGE', 'signet log search takes flags only');
    const query = await readQuery(context, values);
    const limit = readLimit(values);
    const log = await openRemoteLog(context, values);
    const entries: VerifiedEntry[] = [];
    let from: string | undefined;
    do {
      const page = Math.min(100, limit - entries.length);
      const found = await log.search({ ...query, limit: page, ...(from === undefined ? {} : { from }) });
      entries.push(...found.entries);
      from = found.next;
    } while (from !== undefined && entries.length < limit);
    const descriptions = entries.map(describeEntry);
    if (context.json) {
      const whole = descriptions.map((description, i) => ({ ...description, entry: entries[i]?.json }));
      context.printJson({ format: 1, verified: true, more: from !== undefined, entries: whole });
      return exitCodes.ok;
    }
    for (const description of descriptions) context.print(entryLine(description));
    context.note(
      from === undefined ? `${entries.length} entries, all verified` : `the first ${entries.length}; more with --limit`,
    );
    return exitCodes.ok;
  },
};

async function readQuery(context: CommandContext, values: OptionValues): Promise<object> {
  const query: Record<string, unknown> = {};
  for (const name of fields) {
    const value = textOption(values, name);
    if (value !== undefined) query[name] = value;
  }
  const key = textOption(values, 'key');
  if (key !== undefined) {
    const bytes = await readFile(resolve(context.cwd, key)).catch((cause: unknown) => {
      throw new SignetError('ERR_USAGE', `--key ${JSON.stringify(key)} cannot be read`, { cause });
    });
    query.publicKey = { format: 'x509', content: bytes.toString('base64') };
  }
  const claims = listOption(values, 'claim').map((text) => {
    const [, name, value] = /^(\w+)=(.+)$/s.exec(text) ?? [];
    if (name === undefined) throw new SignetError('ERR_USAGE', `--claim takes NAME=VALUE, not ${JSON.stringify(text)}`);
    return [name, value] as const;
  });
  if (claims.length > 0) query.claims = Object.fromEntries(claims);
  if (Object.keys(query).length === 0) {
    throw new SignetError(
      'ERR_USAGE',
      'say what to look for: --hash, --email, --subject, --issuer, --key, --claim or --purl',
    );
  }
  return { ...query, operator: flagOption(values, 'all') ? 'and' : 'or' };
}

function readLimit(values: OptionValues): number {
  const text = textOption(values, 'limit') ?? '100';
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new SignetError('ERR_USAGE', `--limit takes a number from 1 to 999999, not ${JSON.stringify(text)}`);
}
