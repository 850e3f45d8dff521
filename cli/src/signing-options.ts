import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { FoundToken } from '@signet/client/identity';
import type { SigningServices, TokenRequirements } from '@signet/client/sign';
import { inert, parseSigningConfig, SignetError } from '@signet/primitives/formats';
import { type CommandContext, flagOption, type Option, type OptionValues, textOption } from './command.ts';

/** Flags of commands that sign. */
export const signingOptions = {
  'identity-token-file': { type: 'string', argument: 'FILE', description: 'sign with the OIDC token in this file' },
  issuer: { type: 'string', argument: 'URL', description: 'log in at this identity provider' },
  'client-id': { type: 'string', argument: 'ID', description: 'as this client of the identity provider (sigstore)' },
  device: { type: 'boolean', description: 'log in by a code that is entered on another device' },
  'remember-login': { type: 'boolean', description: 'keep the login for the next commands, 15 minutes at most' },
  'signing-config': { type: 'string', argument: 'FILE', description: 'services from this Sigstore SigningConfig v0.2' },
  'ca-url': {
    type: 'string',
    argument: 'URL',
    description: 'the certificate authority (with --tsa-url and --log-url)',
  },
  'tsa-url': { type: 'string', argument: 'URL', description: 'the timestamp authority' },
  'log-url': { type: 'string', argument: 'URL', description: 'the transparency log (Rekor v2)' },
} as const satisfies Readonly<Record<string, Option>>;

/**
 * The services that the flags name, or undefined when they name none and the registry is to be asked.
 *
 * @throws ERR_USAGE when only some are named, ERR_CONFIGURATION, ERR_SIGNING_CONFIG_FORMAT, ERR_SERVICE_UNAVAILABLE
 */
export async function namedServices(
  context: CommandContext,
  values: OptionValues,
): Promise<SigningServices | undefined> {
  const file = textOption(values, 'signing-config');
  const urls = (['ca-url', 'tsa-url', 'log-url'] as const).map((name) => textOption(values, name));
  const [caUrl, tsaUrl, logUrl] = urls;
  const named = urls.filter((url) => url !== undefined).length;
  if (named > 0 && file !== undefined) {
    throw new SignetError('ERR_USAGE', 'give either --signing-config or the three URLs, not both');
  }
  if (file !== undefined) {
    const { servicesFromSigningConfig } = await import('@signet/client/sign');
    const text = await readFile(resolve(context.cwd, file), 'utf8').catch((cause: unknown) => {
      throw new SignetError('ERR_CONFIGURATION', `the signing config ${file} cannot be read`, { cause });
    });
    return servicesFromSigningConfig(parseSigningConfig(text));
  }
  if (named === 0) return undefined;
  if (caUrl === undefined || tsaUrl === undefined || logUrl === undefined) {
    throw new SignetError('ERR_USAGE', '--ca-url, --tsa-url and --log-url belong together');
  }
  return { caUrl, tsaUrls: [tsaUrl], logUrls: [logUrl] };
}

/**
 * Finds the token to sign with, by the flags, the environment, or a person at a browser.
 *
 * @throws as `findToken` of `@signet/client/identity`
 */
export async function tokenFor(
  context: CommandContext,
  values: OptionValues,
  wanted: TokenRequirements,
): Promise<FoundToken> {
  const { findToken, LoginCache, openBrowser } = await import('@signet/client/identity');
  const file = textOption(values, 'identity-token-file');
  const issuer = textOption(values, 'issuer');
  const clientId = textOption(values, 'client-id');
  const login = issuer === undefined ? wanted.login : { issuer };
  const person = context.interactive || issuer !== undefined;
  const byCode = flagOption(values, 'device') || (person && isRemoteTerminal(context.env));
  const folder = flagOption(values, 'remember-login') ? await loginFolder(context.env) : undefined;
  return await findToken({
    ...(byCode
      ? { showCode: (page: URL, code: string, complete: URL | undefined) => showCode(context, page, code, complete) }
      : {}),
    ...(folder === undefined ? {} : { cache: new LoginCache(folder) }),
    explicit: file === undefined ? undefined : { file, cwd: context.cwd },
    env: context.env,
    audience: wanted.audience,
    login:
      login === undefined
        ? undefined
        : { clientId: wanted.audience, ...login, ...(clientId === undefined ? {} : { clientId }) },
    // Whoever names an identity provider means to log in, also where no terminal is seen.
    openBrowser: person
      ? (url) => {
          context.stderr.write(`Log in at:\n  ${inert(url.href)}\n`);
          openBrowser(url);
        }
      : undefined,
    signal: context.signal,
  });
}

/** A terminal over the network: a browser that opened would open on the other machine, if there is one. */
function isRemoteTerminal(env: CommandContext['env']): boolean {
  return Boolean(env.SSH_CONNECTION) && !env.DISPLAY && !env.WAYLAND_DISPLAY;
}

function showCode({ stderr }: CommandContext, page: URL, code: string, complete: URL | undefined): void {
  stderr.write(`Go to ${inert(page.href)} and enter the code ${inert(code)}\n`);
  if (complete !== undefined && complete.href !== page.href) stderr.write(`or open ${inert(complete.href)}\n`);
}

async function loginFolder(env: CommandContext['env']): Promise<string | undefined> {
  const { secretFolder } = await import('@signet/client/preflight');
  return secretFolder(env);
}
