import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { inert, SignetError } from '@signet/primitives/formats';
import type { CommandContext } from './command.ts';

type Context = Pick<CommandContext, 'cwd' | 'env' | 'interactive' | 'askSecret'>;

/**
 * A passphrase that was given: the first line of the file that `SIGNET_PASSPHRASE_FILE` names; cosign's `COSIGN_PASSWORD` serves
 * its keys. There is no flag for one, as everybody on the machine can read command lines.
 */
export async function givenPassphrase({ cwd, env }: Pick<Context, 'cwd' | 'env'>): Promise<string | undefined> {
  const file = env.SIGNET_PASSPHRASE_FILE;
  if (file === undefined || file === '') return env.COSIGN_PASSWORD;
  const { firstLine } = await import('@signet/client/sign');
  const bytes = await readFile(resolve(cwd, file)).catch((cause: unknown) => {
    throw new SignetError('ERR_CONFIGURATION', `the passphrase file ${inert(file)} cannot be read`, { cause });
  });
  return firstLine(bytes, `the passphrase file ${inert(file)}`);
}

/** The passphrase of a key file that is there: the one that was given or, for an encrypted file, what a person types. */
export async function passphraseFor(context: Context, file: string, text: string): Promise<string | undefined> {
  const given = await givenPassphrase(context);
  if (given !== undefined || !isEncrypted(text) || !context.interactive) return given;
  return await context.askSecret(`Passphrase of ${inert(file)}: `);
}

/**
 * The passphrase for a file that is about to be written: the one that was given, or what a person types twice.
 *
 * @returns undefined when nobody gave one and nobody is there to ask
 * @throws ERR_USAGE for an empty one, or two that differ; ERR_CANCELLED
 */
export async function newPassphrase(context: Context, file: string): Promise<string | undefined> {
  const given = await givenPassphrase(context);
  if (given !== undefined || !context.interactive) return given;
  const first = await context.askSecret(`Passphrase for ${inert(file)}: `);
  if (first === '') {
    throw new SignetError('ERR_USAGE', 'the passphrase is empty; nothing was written. Without one say --no-passphrase');
  }
  if ((await context.askSecret('The same again: ')) === first) return first;
  throw new SignetError('ERR_USAGE', 'the two passphrases differ; nothing was written');
}

/** Signet's own files say it in a member, PEM in its label or head. */
function isEncrypted(text: string): boolean {
  return text.trimStart().startsWith('{') ? /"encryption"\s*:/.test(text) : text.includes('ENCRYPTED');
}
