import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { IdentityToken } from './identity-token.ts';
import type { TokenSource } from './token-source.ts';

/** A token that the caller names outright. */
export type ExplicitToken = { readonly token: string } | { readonly file: string; readonly cwd?: string };

/**
 * The token given by value or in a file. `-` and other devices are not read: a token file is a file, so that a token never
 * stands on a command line, where every process of the machine sees it.
 *
 * @throws ERR_CONFIGURATION when the file cannot be read, ERR_IDENTITY_TOKEN
 */
export async function explicitToken(given: ExplicitToken): Promise<IdentityToken> {
  if ('token' in given) return IdentityToken.parse(given.token);
  const path = resolve(given.cwd ?? '.', given.file);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new SignetError('ERR_CONFIGURATION', `the identity token file ${given.file} cannot be read`, { cause });
  }
  return IdentityToken.parse(text);
}

/** `SIGSTORE_ID_TOKEN`: GitLab's `id_tokens`, Jenkins' credentials binding, or a person's export. */
export const environmentToken: TokenSource = {
  name: 'SIGSTORE_ID_TOKEN',
  unavailable: (env) => (env.SIGSTORE_ID_TOKEN ? undefined : 'SIGSTORE_ID_TOKEN is not set'),
  obtain: async ({ env }) => IdentityToken.parse(env.SIGSTORE_ID_TOKEN ?? ''),
};
