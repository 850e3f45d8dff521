import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { inert, SignetError } from '@signet/primitives/formats';
import { createDurably, makeDirectory, readIfPresent } from './durable-files.ts';
import type { Instance } from './initialize.ts';

/**
 * Makes an npm token for a user of the instance's Verdaccio, and the user when there is none: what `npm login` would do, without
 * a person. The password is made up and kept in the data directory, so that the next call works too.
 *
 * @param instance a running one, with the development identity provider
 * @param user letters, digits, `.`, `_`, `-`
 * @throws ERR_DEVELOPMENT_ONLY, ERR_USAGE, ERR_REGISTRY_CREDENTIALS, ERR_NETWORK
 */
export async function createNpmToken(instance: Instance, user: string): Promise<string> {
  if (!instance.configuration.developmentIdentity) {
    throw new SignetError(
      'ERR_DEVELOPMENT_ONLY',
      'npm tokens are made up on development instances only; use npm login',
    );
  }
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(user)) {
    throw new SignetError(
      'ERR_USAGE',
      `${JSON.stringify(user)} is not a user name: use letters, digits, dots and dashes`,
    );
  }
  const password = await passwordOf(instance, user);
  const first = await register(instance, user, password);
  // 409: the user exists; whoever shows the password is given another token.
  const credentials = Buffer.from(`${user}:${password}`).toString('base64');
  const { answer, body } =
    first.answer.status === 409 ? await register(instance, user, password, `Basic ${credentials}`) : first;
  if (answer.ok && typeof body.token === 'string') return body.token;
  throw new SignetError(
    'ERR_REGISTRY_CREDENTIALS',
    `The registry gives ${user} no token: ${inert(body.error ?? 'it does not say why')}`,
    {
      found: `HTTP status ${answer.status}`,
    },
  );
}

/** npm's `PUT /-/user/org.couchdb.user:<name>`: makes a user, or logs one in. */
async function register(
  instance: Instance,
  user: string,
  password: string,
  authorization?: string,
): Promise<{ answer: Response; body: { readonly token?: unknown; readonly error?: unknown } }> {
  const url = `${instance.urls.registry}-/user/org.couchdb.user:${user}`;
  try {
    const answer = await fetch(url, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) },
      body: JSON.stringify({ _id: `org.couchdb.user:${user}`, name: user, password, type: 'user', roles: [] }),
      redirect: 'error',
      signal: AbortSignal.timeout(10_000),
    });
    return { answer, body: (await answer.json()) as { token?: unknown; error?: unknown } };
  } catch (cause) {
    throw new SignetError('ERR_NETWORK', `The instance at ${instance.urls.registry} does not answer; is it up?`, {
      cause,
    });
  }
}

async function passwordOf(instance: Instance, user: string): Promise<string> {
  const { directory } = instance.layout.development;
  const path = join(directory, `password-${user}`);
  await makeDirectory(directory, 0o700);
  await createDurably(path, randomBytes(24).toString('base64url'), 0o600);
  const password = await readIfPresent(path);
  if (password === undefined) throw new SignetError('ERR_INSTANCE', `${path} cannot be read`);
  return password;
}
