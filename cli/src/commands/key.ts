import type { KeyObject } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { inert, SignetError, toPem } from '@signet/primitives/formats';
import { type Command, type CommandContext, flagOption, type Option, textOption } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { givenPassphrase, newPassphrase, passphraseFor } from '../passphrase.ts';
import { algorithmOption, openPrivateKey } from '../signer.ts';

const plain: Option = { type: 'boolean', description: 'write the private key without a passphrase' };

const generate: Command = {
  name: 'key generate',
  summary: 'make a key pair: NAME.key, encrypted, and NAME.pub',
  usage: 'key generate NAME [flags]',
  details: [
    'The private key is encrypted (scrypt, AES-256-GCM) and readable by you alone. You are asked for a passphrase, twice and\n' +
      'unseen; without a terminal it is the first line of the file that SIGNET_PASSPHRASE_FILE names, or COSIGN_PASSWORD. NAME.pub is what verifiers need: signet verify --key, or a publisher’s key in a policy.',
  ],
  examples: [
    { command: 'signet key generate release', explanation: 'release.key and release.pub, ECDSA P-256' },
    { command: 'signet key generate release --algorithm ecdsa-p384', explanation: 'another algorithm' },
  ],
  options: {
    algorithm: {
      type: 'string',
      argument: 'NAME',
      description: 'ecdsa-p256 (default), ecdsa-p384, rsa-3072, ed25519…',
    },
    'no-passphrase': plain,
  },
  async run(context, values, positionals) {
    const name = only(positionals, 'signet key generate takes one NAME');
    const options = await protection(context, `${name}.key`, flagOption(values, 'no-passphrase'));
    const { createKeyFile } = await import('@signet/primitives/keys');
    const keyDetails = algorithmOption(values) ?? 'PKIX_ECDSA_P256_SHA_256';
    const { publicKey } = await createKeyFile(resolve(context.cwd, `${name}.key`), keyDetails, options);
    return await finish(context, name, publicKey.spki);
  },
};

const importKey: Command = {
  name: 'key import',
  summary: 'take a private key from PEM (PKCS#8, SEC 1, PKCS#1, cosign) to NAME.key and NAME.pub',
  usage: 'key import FILE NAME [flags]',
  details: [
    'An encrypted file is opened with SIGNET_PASSPHRASE_FILE (or COSIGN_PASSWORD), and the new one encrypted with the same\n' +
      'passphrase; at a terminal you are asked for both. The given file stays as it is.',
  ],
  examples: [{ command: 'signet key import cosign.key release', explanation: 'a key that cosign made' }],
  options: { 'no-passphrase': plain },
  async run(context, values, positionals) {
    const [file, name, third] = positionals;
    if (file === undefined || name === undefined || third !== undefined) {
      throw new SignetError('ERR_USAGE', 'signet key import takes FILE and NAME');
    }
    const privateKey = await readPrivateKey(context, file);
    const options = await protection(context, `${name}.key`, flagOption(values, 'no-passphrase'));
    const { signerFromPrivateKey, writeKeyFile } = await import('@signet/primitives/keys');
    const { publicKey, keyDetails } = signerFromPrivateKey(privateKey);
    await writeKeyFile(resolve(context.cwd, `${name}.key`), privateKey, keyDetails, options);
    return await finish(context, name, publicKey.spki);
  },
};

const exportKey: Command = {
  name: 'key export',
  summary: 'the public key of a key file in PEM; with --private the private one, encrypted',
  usage: 'key export FILE [flags]',
  details: [
    'Prints the public key. With --private the private key in PEM, encrypted with the passphrase of SIGNET_PASSPHRASE_FILE: as\n' +
      'PKCS#8, which openssl reads, or with --format cosign as cosign keeps its keys.',
  ],
  examples: [
    { command: 'signet key export release.key', explanation: 'the public key, also of a device' },
    { command: 'signet key export release.key --private --format cosign --out cosign.key', explanation: 'for cosign' },
  ],
  options: {
    private: { type: 'boolean', description: 'the private key' },
    format: { type: 'string', argument: 'NAME', description: 'of the private key: pkcs8 (default) or cosign' },
    out: { type: 'string', argument: 'FILE', description: 'where it is written (standard output)' },
  },
  async run(context, values, positionals) {
    const file = only(positionals, 'signet key export takes one FILE');
    const pem = flagOption(values, 'private')
      ? await privatePem(context, file, textOption(values, 'format') ?? 'pkcs8')
      : toPem('PUBLIC KEY', (await openPrivateKey(context, file)).publicKey.spki);
    const out = textOption(values, 'out');
    if (out !== undefined) await writeNew(resolve(context.cwd, out), pem);
    if (context.json) context.printJson(out === undefined ? { format: 1, pem } : { format: 1, out });
    else context.print(out === undefined ? pem.trimEnd() : inert(out));
    return exitCodes.ok;
  },
};

export const command: Command = {
  name: 'key',
  summary: 'make, take in and give out keys for signing without an identity',
  usage: 'key generate|import|export … [flags]',
  examples: [
    { command: 'signet key generate release', explanation: 'a new key pair' },
    { command: 'signet key import cosign.key release', explanation: 'one that cosign made' },
    { command: 'signet key export release.key', explanation: 'its public key' },
  ],
  options: {},
  subcommands: { generate, import: importKey, export: exportKey },
  async run() {
    throw new SignetError('ERR_USAGE', 'signet key needs a verb: generate, import or export');
  },
};

function only(positionals: readonly string[], problem: string): string {
  const [name, second] = positionals;
  if (name === undefined || second !== undefined) throw new SignetError('ERR_USAGE', problem);
  return name;
}

/** Nobody gets a private key in the clear without having said so. */
async function protection(
  context: CommandContext,
  file: string,
  unprotected: boolean,
): Promise<{ readonly passphrase?: string }> {
  if (unprotected) {
    // A passphrase file that cannot be read is a mistake all the same.
    await givenPassphrase(context);
    return {};
  }
  const passphrase = await newPassphrase(context, file);
  if (passphrase !== undefined) return { passphrase };
  throw new SignetError(
    'ERR_USAGE',
    'a private key is written encrypted: put a passphrase into a file and name it by SIGNET_PASSPHRASE_FILE, or say --no-passphrase',
  );
}

async function readPrivateKey(context: CommandContext, file: string): Promise<KeyObject> {
  const path = resolve(context.cwd, file);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SignetError('ERR_KEY_FILE', `the private key ${inert(file)} cannot be read`, { cause });
  });
  const passphrase = await passphraseFor(context, file, text);
  const options = passphrase === undefined ? {} : { passphrase };
  if (text.trimStart().startsWith('{')) {
    const { readKeyFile } = await import('@signet/primitives/keys');
    return (await readKeyFile(path, options)).privateKey;
  }
  const { readPrivateKeyPem } = await import('@signet/client/sign');
  return await readPrivateKeyPem(text, options);
}

async function privatePem(context: CommandContext, file: string, format: string): Promise<string> {
  const key = await readPrivateKey(context, file);
  const passphrase = await newPassphrase(context, 'the private key that is given out');
  if (passphrase === undefined) {
    throw new SignetError(
      'ERR_USAGE',
      'a private key is given out encrypted alone; name a passphrase by SIGNET_PASSPHRASE_FILE',
    );
  }
  if (format === 'pkcs8') {
    return String(key.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase }));
  }
  if (format !== 'cosign') throw new SignetError('ERR_USAGE', '--format is pkcs8 or cosign', { found: inert(format) });
  const { toCosignPem } = await import('@signet/client/sign');
  return await toCosignPem(key, passphrase);
}

async function finish(context: CommandContext, name: string, spki: Uint8Array): Promise<number> {
  const files = { privateKey: `${name}.key`, publicKey: `${name}.pub` };
  await writeFile(resolve(context.cwd, files.publicKey), toPem('PUBLIC KEY', spki));
  if (context.json) context.printJson({ format: 1, ...files });
  else for (const file of Object.values(files)) context.print(inert(file));
  return exitCodes.ok;
}

async function writeNew(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: 'wx', mode: 0o600 }).catch((cause: unknown) => {
    throw new SignetError('ERR_USAGE', `${inert(path)} cannot be written, or is there already`, { cause });
  });
}
