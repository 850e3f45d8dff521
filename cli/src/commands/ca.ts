import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { inert, SignetError } from '@signet/primitives/formats';
import { type Command, type CommandContext, type OptionValues, textOption } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { dataDirectory } from './instance-options.ts';
import { dataOption, flagsOnly, loadOperator, type Operator } from './operator/load.ts';
import { rotateCommand } from './operator/rotate.ts';
import { serveCommand } from './operator/serve.ts';

const tokenOption = {
  token: { type: 'string', argument: 'FILE', description: 'an identity token; SIGSTORE_ID_TOKEN otherwise' },
} as const;

const issuersOption = {
  issuers: { type: 'string', argument: 'FILE', description: "this file of issuers instead of the data directory's" },
} as const;

const audit: Command = {
  name: 'ca audit',
  summary: 'who may get certificates, who got some, and what any stranger could obtain',
  usage: 'ca audit [--data DIR | --issuers FILE]',
  examples: [
    { command: 'signet ca audit --data ./instance', explanation: 'of an instance, running or not' },
    { command: 'signet ca audit --issuers fulcio-config.yaml --json', explanation: 'of any configuration of Fulcio’s' },
  ],
  options: { ...dataOption, ...issuersOption },
  async run(context, values, positionals) {
    flagsOnly('ca audit', positionals);
    const operator = await loadOperator();
    const issuers = operator.auditIssuers(await readConfiguration(context, values, operator));
    const directory = dataDirectory(context, values);
    const issued =
      textOption(values, 'issuers') === undefined
        ? operator.readIssuedIdentities((await operator.openInstance(directory)).layout.state.issued)
        : [];
    if (context.json) {
      context.printJson({ format: 1, issuers, issued });
      return exitCodes.ok;
    }
    for (const issuer of issuers) {
      context.print(
        `${inert(issuer.url)} (${issuer.type}, for ${issuer.audiences.map((one) => inert(one)).join(', ')})`,
      );
      for (const claim of issuer.requiredClaims) context.print(`  requires ${inert(claim)}`);
      for (const [name, template] of Object.entries(issuer.templates ?? {}))
        context.print(`  ${name}: ${inert(template)}`);
      if (issuer.singleUseTokens) context.print('  each token once');
      for (const warning of issuer.warnings) context.print(`  ! ${inert(warning)}`);
    }
    for (const { issuer, subject, certificates, last } of issued) {
      context.print(`${inert(subject)} of ${inert(issuer)}: ${certificates} certificates, last ${last.toISOString()}`);
    }
    return exitCodes.ok;
  },
};

const configTest: Command = {
  name: 'ca config test',
  summary: 'check the file of issuers, and what it makes of a token',
  usage: 'ca config test [--data DIR | --issuers FILE] [--token FILE]',
  examples: [
    { command: 'signet ca config test --issuers issuers.yaml', explanation: 'before it is put in place' },
    { command: 'signet ca config test --issuers issuers.yaml --token token.jwt', explanation: 'with a token' },
  ],
  options: { ...dataOption, ...issuersOption, ...tokenOption },
  async run(context, values, positionals) {
    flagsOnly('ca config test', positionals);
    const operator = await loadOperator();
    const configuration = await readConfiguration(context, values, operator);
    const count = configuration.issuers.length + configuration.metaIssuers.length;
    if (textOption(values, 'token') !== undefined) return await explain(context, values, operator, configuration);
    if (context.json) context.printJson({ format: 1, valid: true, issuers: count });
    else context.print(`valid, with ${count} issuers`);
    return exitCodes.ok;
  },
};

const tokenExplain: Command = {
  name: 'ca token explain',
  summary: 'why a token is or is not accepted, and what its certificate would say',
  usage: 'ca token explain [--token FILE] [--data DIR | --issuers FILE]',
  details: ['The token is verified as for a certificate but not used up. It is never printed.'],
  examples: [
    { command: 'signet ca token explain --data ./instance --token token.jwt', explanation: 'at the authority' },
  ],
  options: { ...dataOption, ...issuersOption, ...tokenOption },
  async run(context, values, positionals) {
    flagsOnly('ca token explain', positionals);
    const operator = await loadOperator();
    return await explain(context, values, operator, await readConfiguration(context, values, operator));
  },
};

function group(name: string, summary: string, subcommands: Readonly<Record<string, Command>>): Command {
  const verbs = Object.keys(subcommands).join(', ');
  return {
    name,
    summary,
    usage: Object.values(subcommands)
      .map(({ name: verb }) => verb)
      .join(' | '),
    examples: Object.values(subcommands).flatMap(({ examples }) => examples.slice(0, 1)),
    options: {},
    subcommands,
    async run() {
      throw new SignetError('ERR_USAGE', `signet ${name} has the verbs ${verbs}`);
    },
  };
}

export const command: Command = group('ca', 'the certificate authority: run it, exchange its keys, see who gets what', {
  serve: serveCommand('ca'),
  rotate: rotateCommand('ca'),
  audit,
  config: group('ca config', 'check the file of issuers', { test: configTest }),
  token: group('ca token', 'explain tokens', { explain: tokenExplain }),
});

type Configuration = ReturnType<Operator['parseIssuers']>;

async function readConfiguration(
  context: CommandContext,
  values: OptionValues,
  operator: Operator,
): Promise<Configuration> {
  const file = textOption(values, 'issuers');
  if (file === undefined) {
    const instance = await operator.openInstance(dataDirectory(context, values));
    return await operator.readIssuers(instance, instance.configuration.developmentIdentity);
  }
  const text = await readFile(resolve(context.cwd, file), 'utf8').catch((cause: unknown) => {
    throw new SignetError('ERR_CONFIGURATION', `${file} cannot be read`, { cause });
  });
  return operator.parseIssuers(text);
}

async function explain(
  context: CommandContext,
  values: OptionValues,
  operator: Operator,
  configuration: Configuration,
): Promise<number> {
  const explanation = await operator.explainToken(configuration, await readToken(context, values));
  if (context.json) {
    context.printJson({ format: 1, ...explanation });
    return explanation.accepted ? exitCodes.ok : exitCodes.policyDenied;
  }
  const { accepted, problem, reason, claim, expected, issuer, claims, certificate } = explanation;
  context.print(accepted ? 'accepted' : `not accepted: ${inert(problem ?? '')} (${reason})`);
  if (claim !== undefined) context.print(`  claim ${inert(claim)}: ${inert(claims[claim] ?? 'absent')}`);
  if (expected !== undefined) context.print(`  expected: ${inert(expected)}`);
  context.print(
    issuer === undefined ? '  its issuer is not configured' : `  issuer ${inert(issuer.url)} (${issuer.type})`,
  );
  for (const required of issuer?.requiredClaims ?? []) context.print(`  requires ${inert(required)}`);
  for (const [name, value] of Object.entries(claims)) context.print(`  ${name} = ${value}`);
  if (certificate !== undefined) {
    context.print(`a certificate would be for ${certificate.subject.type} ${inert(certificate.subject.value)}`);
    for (const [name, value] of Object.entries(certificate.extensions)) context.print(`  ${name}: ${inert(value)}`);
  }
  return accepted ? exitCodes.ok : exitCodes.policyDenied;
}

async function readToken(context: CommandContext, values: OptionValues): Promise<string> {
  const file = textOption(values, 'token');
  const given = context.env.SIGSTORE_ID_TOKEN;
  if (file === undefined) {
    if (given !== undefined && given !== '') return given.trim();
    throw new SignetError('ERR_USAGE', 'give the token by --token FILE or SIGSTORE_ID_TOKEN');
  }
  const text = await readFile(resolve(context.cwd, file), 'utf8').catch((cause: unknown) => {
    throw new SignetError('ERR_CONFIGURATION', `${file} cannot be read`, { cause });
  });
  return text.trim();
}
