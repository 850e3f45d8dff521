import { inert, SignetError } from '@signet/primitives/formats';
import {
  type Command,
  type CommandContext,
  flagOption,
  type Option,
  type OptionValues,
  textOption,
} from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { instanceOptions, readInstanceOptions } from './instance-options.ts';
import { loadOperator } from './operator/load.ts';

const { data } = instanceOptions;

const place = {
  data,
  config: {
    type: 'string',
    argument: 'FILE',
    description: 'config.yaml of a Verdaccio with the plugin, instead of --data',
  },
} as const satisfies Readonly<Record<string, Option>>;

/** The registry that the flags name, in the shape that `@signet/registry` takes. */
async function placeOf(context: CommandContext, values: OptionValues) {
  const configFile = textOption(values, 'config');
  if (configFile !== undefined && textOption(values, 'data') !== undefined) {
    throw new SignetError('ERR_USAGE', 'either --data DIR or --config FILE names the registry');
  }
  if (configFile !== undefined) return { configFile };
  const { directory, passphrase } = await readInstanceOptions(context, values);
  return { directory, ...(passphrase === undefined ? {} : { passphrase }) };
}

/** Reports on every version; the worst of them is the exit code. */
async function report(context: CommandContext, values: OptionValues, bytes: boolean): Promise<number> {
  const { auditRegistry } = await loadOperator();
  const counts = { versions: 0, refused: 0, damaged: 0 };
  const versions: object[] = [];
  const where = await placeOf(context, values);
  for await (const version of auditRegistry(where, { bytes, signal: context.signal })) {
    counts.versions += 1;
    const damaged = version.bytes === 'changed' || version.bytes === 'missing' || version.signature === 'invalid';
    if (damaged) counts.damaged += 1;
    else if (!version.accepted) counts.refused += 1;
    if (context.json) {
      versions.push(version);
      continue;
    }
    const word = damaged ? 'DAMAGED' : version.accepted ? 'ok' : 'REFUSED';
    context.print(`${word}\t${inert(version.name)}@${inert(version.version)}`);
    for (const { predicateType, by } of version.evidence) context.print(`\t${inert(predicateType)}: ${inert(by)}`);
    if (version.evidence.length === 0) context.print('\tno evidence');
    if (version.bytes !== 'unread' && version.bytes !== 'intact') context.print(`\tits tarball is ${version.bytes}`);
    if (version.signature !== 'valid') context.print(`\tregistry signature: ${version.signature}`);
    if (version.reason !== undefined) context.print(`\t${inert(version.reason)}`);
  }
  if (context.json) context.printJson({ format: 1, ...counts, packages: versions });
  else context.note(`${counts.versions} versions, ${counts.refused} refused, ${counts.damaged} damaged`);
  if (counts.damaged > 0) return exitCodes.evidenceInvalid;
  return counts.refused > 0 ? exitCodes.policyDenied : exitCodes.ok;
}

const audit: Command = {
  name: 'registry audit',
  summary: "every stored version's evidence, and what the policy says of it",
  usage: 'registry audit [--bytes] [--data DIR | --config FILE]',
  details: [
    'Walks the storage and verifies every bundle and every signature of the registry. Reads and changes nothing; the registry may be running.',
    'Ends with 11 when something is damaged, with 10 when the policy refuses something.',
  ],
  examples: [
    { command: 'signet registry audit --data ./instance', explanation: 'before the policy is enforced' },
    {
      command: 'signet registry audit --config /etc/verdaccio/config.yaml --json',
      explanation: 'a Verdaccio of your own',
    },
  ],
  options: { ...place, bytes: { type: 'boolean', description: 'read and hash every tarball too' } },
  run: (context, values) => report(context, values, flagOption(values, 'bytes')),
};

const verify: Command = {
  name: 'registry verify',
  summary: 'the same with every tarball read and hashed',
  usage: 'registry verify --all [--data DIR | --config FILE]',
  examples: [{ command: 'signet registry verify --all --data ./instance', explanation: 'after a restore' }],
  options: { ...place, all: { type: 'boolean', description: 'every version; there is no other choice yet' } },
  async run(context, values) {
    if (!flagOption(values, 'all')) throw new SignetError('ERR_USAGE', 'signet registry verify needs --all');
    return report(context, values, true);
  },
};

const backfill: Command = {
  name: 'registry backfill',
  summary: 'sign what was stored before the registry had a key',
  usage: 'registry backfill [--data DIR | --config FILE]',
  details: [
    'Signs every version whose tarball is the one of its document, and adds a sha512 where there is only a SHA-1. A running registry does the same when it starts; this also verifies the signatures that are there.',
    'Ends with 11 when versions are left unsigned because their bytes are not what was published.',
  ],
  examples: [{ command: 'signet registry backfill --data ./instance', explanation: 'once, or after a restore' }],
  options: place,
  async run(context, values) {
    const { backfillRegistry } = await loadOperator();
    const result = await backfillRegistry(await placeOf(context, values), { signal: context.signal });
    if (context.json) context.printJson({ format: 1, ...result });
    else {
      for (const { name, version, reason } of result.left) {
        context.print(`left\t${inert(name)}@${inert(version)}: ${inert(reason)}`);
      }
      context.print(`${result.versions} versions, ${result.changed} changed, ${result.left.length} left`);
    }
    return result.left.length > 0 ? exitCodes.evidenceInvalid : exitCodes.ok;
  },
};

export const command: Command = {
  name: 'registry',
  summary: 'look after what a registry has stored',
  usage: 'registry audit|backfill|verify [flags]',
  examples: [...audit.examples, ...backfill.examples],
  options: {},
  subcommands: { audit, backfill, verify },
  async run() {
    throw new SignetError('ERR_USAGE', 'signet registry takes audit, backfill or verify');
  },
};
