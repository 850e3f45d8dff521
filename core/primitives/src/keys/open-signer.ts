import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  isKeyDetails,
  type JsonObject,
  JsonReader,
  parseJson,
  parsePem,
  parsePublicKeyInfo,
  SignetError,
} from '../formats/index.ts';
import { externalCommandSigner } from './external-command.ts';
import { type KeyFileOptions, openKeyFile } from './key-file.ts';
import { pkcs11Signer } from './pkcs11.ts';
import type { Signer } from './signer.ts';

const reader = new JsonReader('ERR_KEY_FILE');
const commandFields = new Set(['format', 'type', 'keyDetails', 'publicKey', 'command', 'timeout']);
const deviceFields = new Set([
  'format',
  'type',
  'keyDetails',
  'publicKey',
  'module',
  'token',
  'label',
  'id',
  'pinFile',
]);
const maximumFile = 64 * 1024;

/**
 * Opens the signer that a file describes: a private key in it (see {@link openKeyFile}), or where the key is instead.
 *
 * ```
 * {"format":1,"type":"signet-external-key","keyDetails":"PKIX_ECDSA_P384_SHA_384","publicKey":"-----BEGIN PUBLIC KEY-----…",
 *  "command":["/usr/local/bin/sign-with-kms","--key","signet-ca"],"timeout":10}
 * {"format":1,"type":"signet-pkcs11-key","keyDetails":"PKIX_ECDSA_P384_SHA_384","module":"/usr/lib/softhsm/libsofthsm2.so",
 *  "token":"signet","label":"ca","pinFile":"./pin"}
 * ```
 *
 * `timeout` is in seconds. `pinFile` is relative to the file; its first line is the PIN.
 *
 * @throws ERR_KEY_FILE, ERR_KEY_SIGNER, ERR_KEY_UNSUPPORTED
 */
export async function openSigner(path: string, options: KeyFileOptions = {}): Promise<Signer> {
  const description = await readDescription(path);
  switch (description?.type) {
    case 'signet-external-key':
      return openCommand(path, reader.object(description, path, commandFields));
    case 'signet-pkcs11-key':
      return openDevice(path, reader.object(description, path, deviceFields));
    default:
      // Also everything that is malformed: the reader of key files says what is wrong with it.
      return openKeyFile(path, options);
  }
}

async function readDescription(path: string): Promise<JsonObject | undefined> {
  try {
    if ((await stat(path)).size > maximumFile) return undefined;
    const value = parseJson(await readFile(path), path);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

function openCommand(path: string, description: JsonObject): Signer {
  checkFormat(path, description);
  const command = reader
    .list(description, 'command', path, 100)
    .map((word) => reader.stringValue(word, `${path}.command`));
  const publicKey = publicKeyOf(path, description);
  if (publicKey === undefined) throw reader.error(`${path}.publicKey`, 'a public key in PEM');
  const { timeout } = description;
  if (timeout !== undefined && (typeof timeout !== 'number' || !(timeout > 0 && timeout <= 600))) {
    throw reader.error(`${path}.timeout`, 'seconds, at most 600', timeout);
  }
  return externalCommandSigner({
    command,
    publicKey,
    keyDetails: keyDetailsOf(path, description),
    ...(timeout === undefined ? {} : { timeout: timeout * 1000 }),
  });
}

async function openDevice(path: string, description: JsonObject): Promise<Signer> {
  checkFormat(path, description);
  const publicKey = publicKeyOf(path, description);
  const label = reader.optionalString(description, 'label', path);
  const id = reader.optionalString(description, 'id', path);
  const pinFile = reader.optionalString(description, 'pinFile', path);
  const pin = pinFile === undefined ? undefined : await readPin(path, resolve(dirname(path), pinFile));
  return pkcs11Signer({
    module: reader.string(description, 'module', path),
    token: reader.string(description, 'token', path),
    keyDetails: keyDetailsOf(path, description),
    ...(label === undefined ? {} : { label }),
    ...(id === undefined ? {} : { id }),
    ...(pin === undefined ? {} : { pin }),
    ...(publicKey === undefined ? {} : { publicKey }),
  });
}

async function readPin(path: string, pinFile: string): Promise<string> {
  try {
    const { mode } = await stat(pinFile);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new SignetError('ERR_KEY_FILE', `${pinFile}: other users may read the PIN; run: chmod 600 ${pinFile}`);
    }
    return (await readFile(pinFile, 'utf8')).split(/\r?\n/, 1)[0] ?? '';
  } catch (cause) {
    if (cause instanceof SignetError) throw cause;
    throw new SignetError('ERR_KEY_FILE', `${path}: its pinFile ${pinFile} cannot be read`, { cause });
  }
}

function checkFormat(path: string, { format }: JsonObject): void {
  if (format !== 1) throw reader.error(`${path}.format`, '1; newer ones need a newer Signet', format);
}

function keyDetailsOf(path: string, description: JsonObject) {
  const keyDetails = reader.string(description, 'keyDetails', path);
  if (!isKeyDetails(keyDetails))
    throw reader.error(`${path}.keyDetails`, 'an algorithm of Sigstore’s registry', keyDetails);
  return keyDetails;
}

function publicKeyOf(path: string, description: JsonObject) {
  const text = reader.optionalString(description, 'publicKey', path);
  if (text === undefined) return undefined;
  const [block] = parsePem(text);
  if (block?.label !== 'PUBLIC KEY') throw reader.error(`${path}.publicKey`, 'one PUBLIC KEY in PEM', text);
  return parsePublicKeyInfo(block.bytes);
}
