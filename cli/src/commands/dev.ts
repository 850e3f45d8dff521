import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { type Command, type CommandContext, type OptionValues, textOption } from '../command.ts';
import { dataDirectory, instanceOptions, loadInstalled } from './instance-options.ts';

const { data } = instanceOptions;

const token: Command = {
  name: 'dev token',
  summary: 'an identity token from the development identity provider',
  usage: 'dev token (--email ADDRESS | --ci github [--claims FILE]) [--data DIR]',
  details: ['Signed with the development key in the data directory: who can read that directory can be anybody there.'],
  examples: [
    { command: 'signet dev token --data ./try --email alice@example.com', explanation: 'as a person' },
    { command: 'signet dev token --data ./try --ci github --claims claims.json', explanation: 'as a job' },
  ],
  options: {
    data,
    email: { type: 'string', argument: 'ADDRESS', description: 'a person with this address' },
    ci: { type: 'string', argument: 'KIND', description: 'a job; the kind is github' },
    claims: {
      type: 'string',
      argument: 'FILE',
      description: 'JSON with claims of the job, which replace the made-up ones',
    },
  },
  async run(context, values) {
    const registry = await loadInstalled(() => import('@signet/registry'));
    const email = textOption(values, 'email');
    const kind = textOption(values, 'ci');
    if ((email === undefined) === (kind === undefined)) {
      throw new SignetError('ERR_USAGE', 'signet dev token takes either --email ADDRESS or --ci github');
    }
    if (kind !== undefined && kind !== 'github') {
      throw new SignetError('ERR_USAGE', `--ci ${JSON.stringify(kind)} is not known; there is github`);
    }
    const instance = await registry.openInstance(dataDirectory(context, values), { devIdentity: true });
    const keys = await registry.readDevelopmentKeys(instance.layout);
    const minted =
      email === undefined
        ? registry.mintToken(keys, instance.urls.ciIssuer, registry.githubClaims(await readClaims(context, values)))
        : registry.mintToken(keys, instance.urls.oidc, registry.emailClaims(registry.checkEmail(email)));
    if (context.json) context.printJson({ format: 1, token: minted });
    else context.print(minted);
    return 0;
  },
};

const npmToken: Command = {
  name: 'dev npm-token',
  summary: "a publish token for the instance's Verdaccio",
  usage: 'dev npm-token --user NAME [--data DIR]',
  details: ['Makes the user when there is none. The instance must be up.'],
  examples: [{ command: 'signet dev npm-token --data ./try --user alice', explanation: 'for .npmrc or NPM_TOKEN' }],
  options: { data, user: { type: 'string', argument: 'NAME', description: 'the user of the registry' } },
  async run(context, values) {
    const user = textOption(values, 'user');
    if (user === undefined) throw new SignetError('ERR_USAGE', 'signet dev npm-token needs --user NAME');
    const registry = await loadInstalled(() => import('@signet/registry'));
    const instance = await registry.openInstance(dataDirectory(context, values), { devIdentity: true });
    const made = await registry.createNpmToken(instance, user);
    if (context.json) context.printJson({ format: 1, registry: instance.urls.registry, user, token: made });
    else context.print(made);
    return 0;
  },
};

export const command: Command = {
  name: 'dev',
  summary: 'tokens from a development instance',
  usage: 'dev token | dev npm-token',
  examples: [...token.examples, ...npmToken.examples],
  options: {},
  subcommands: { token, 'npm-token': npmToken },
  async run() {
    throw new SignetError('ERR_USAGE', 'signet dev has the verbs token and npm-token');
  },
};

async function readClaims(context: CommandContext, values: OptionValues): Promise<Record<string, unknown>> {
  const file = textOption(values, 'claims');
  if (file === undefined) return {};
  let claims: unknown;
  try {
    claims = JSON.parse(await readFile(resolve(context.cwd, file), 'utf8'));
  } catch (cause) {
    throw new SignetError('ERR_USAGE', `--claims ${file} cannot be read as JSON`, { cause });
  }
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) {
    throw new SignetError('ERR_USAGE', `--claims ${file} must hold one JSON object`);
  }
  return { ...claims };
}
