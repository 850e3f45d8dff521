import { createCipheriv, createDecipheriv, createPrivateKey, type KeyObject, randomBytes, scrypt } from 'node:crypto';
import { link, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describeValue, fromBase64, isKeyDetails, type KeyDetails, SignetError, toBase64 } from '../formats/index.ts';
import { generatePrivateKey, type SigningPlace, signerFromPrivateKey } from './memory.ts';
import type { Signer } from './signer.ts';

/** What a key file holds: JSON with a format version (ARCHITECTURE, decision 17). */
interface KeyFile {
  readonly format: 1;
  readonly type: 'signet-private-key';
  readonly keyDetails: KeyDetails;
  /** base64 of PKCS#8 DER, or of its ciphertext followed by the 16-byte tag. */
  readonly privateKey: string;
  readonly encryption?: {
    readonly cipher: 'aes-256-gcm';
    readonly nonce: string;
    readonly kdf: 'scrypt';
    readonly salt: string;
    readonly cost: number;
    readonly blockSize: number;
    readonly parallelization: number;
  };
}

export interface KeyFileOptions extends SigningPlace {
  /** Encrypts or decrypts the file; without it the file's mode is its only guard. */
  readonly passphrase?: string;
}

const scryptParameters = { cost: 2 ** 17, blockSize: 8, parallelization: 1 } as const;
const maximumScryptMemory = 512 * 1024 * 1024;
const maximumFile = 64 * 1024;
const tagLength = 16;

function failure(path: string, problem: string, cause?: unknown): SignetError {
  return new SignetError('ERR_KEY_FILE', `private key file ${path}: ${problem}`, { cause });
}

/**
 * Makes a private key and writes it to a new file of mode 0600. When this returns, the key would survive a power cut.
 *
 * @throws ERR_KEY_FILE when the file exists already or cannot be written
 */
export async function createKeyFile(
  path: string,
  keyDetails: KeyDetails,
  options: KeyFileOptions = {},
): Promise<Signer> {
  const privateKey = generatePrivateKey(keyDetails);
  await writeKeyFile(path, privateKey, keyDetails, options);
  return signerFromPrivateKey(privateKey, keyDetails, options);
}

/** Writes an existing private key as {@link createKeyFile} does. */
export async function writeKeyFile(
  path: string,
  privateKey: KeyObject,
  keyDetails: KeyDetails,
  options: KeyFileOptions = {},
): Promise<void> {
  if (await exists(path)) throw failure(path, 'it exists already and is never overwritten');
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  const { passphrase } = options;
  const file: KeyFile = {
    format: 1,
    type: 'signet-private-key',
    keyDetails,
    ...(passphrase === undefined ? { privateKey: toBase64(pkcs8) } : await encrypt(pkcs8, passphrase)),
  };
  const temporary = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(file, undefined, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // A link, unlike a rename, fails when another process has made the file in the meantime.
    await link(temporary, path);
    await rm(temporary);
    await syncDirectory(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true });
    throw failure(path, 'it cannot be written', cause);
  }
}

/**
 * Opens a file that {@link createKeyFile} wrote.
 *
 * @throws ERR_KEY_FILE when it is missing, readable by others, encrypted and no or a wrong passphrase is given, or of a
 *   newer format
 */
export async function openKeyFile(path: string, options: KeyFileOptions = {}): Promise<Signer> {
  const { privateKey, keyDetails } = await readKeyFile(path, options);
  return signerFromPrivateKey(privateKey, keyDetails, options);
}

/**
 * The private key itself, for those who take it elsewhere. Whoever only signs uses {@link openKeyFile}.
 *
 * @throws as {@link openKeyFile}
 */
export async function readKeyFile(
  path: string,
  { passphrase }: KeyFileOptions,
): Promise<{ privateKey: KeyObject; keyDetails: KeyDetails }> {
  let text: string;
  try {
    const { mode, size } = await stat(path);
    if (size > maximumFile) throw failure(path, `it is longer than ${maximumFile} bytes`);
    // Windows has no such modes; there the folder's access list guards the file.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const found = (mode & 0o777).toString(8).padStart(4, '0');
      throw failure(path, `other users may read it (mode ${found}); run: chmod 600 ${path}`);
    }
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof SignetError) throw cause;
    throw failure(path, 'it cannot be read', cause);
  }
  const file = parseKeyFile(path, text);
  let pkcs8: Uint8Array = fromBase64(file.privateKey, 'privateKey');
  if (file.encryption !== undefined) {
    if (passphrase === undefined) {
      throw failure(path, 'it is encrypted; give the passphrase by SIGNET_PASSPHRASE_FILE');
    }
    pkcs8 = await decrypt(path, pkcs8, file.encryption, passphrase);
  }
  try {
    const privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
    return { privateKey, keyDetails: file.keyDetails };
  } catch (cause) {
    throw failure(path, 'its private key is not PKCS#8', cause);
  }
}

function parseKeyFile(path: string, text: string): KeyFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw failure(path, 'it is not JSON', cause);
  }
  const file = value as Partial<KeyFile> | null;
  if (file === null || typeof file !== 'object' || file.type !== 'signet-private-key') {
    throw failure(path, 'it is not a private key of Signet');
  }
  if (file.format !== 1)
    throw failure(path, `its format is ${describeValue(file.format)}, this version reads 1; update Signet`);
  if (typeof file.privateKey !== 'string' || typeof file.keyDetails !== 'string' || !isKeyDetails(file.keyDetails)) {
    throw failure(path, 'keyDetails or privateKey is missing or unknown');
  }
  return file as KeyFile;
}

async function encrypt(pkcs8: Uint8Array, passphrase: string): Promise<Pick<KeyFile, 'privateKey' | 'encryption'>> {
  const [salt, nonce] = [randomBytes(16), randomBytes(12)];
  const cipher = createCipheriv('aes-256-gcm', await deriveKey(passphrase, salt, scryptParameters), nonce);
  const ciphertext = Buffer.concat([cipher.update(pkcs8), cipher.final(), cipher.getAuthTag()]);
  return {
    privateKey: toBase64(ciphertext),
    encryption: {
      cipher: 'aes-256-gcm',
      nonce: toBase64(nonce),
      kdf: 'scrypt',
      salt: toBase64(salt),
      ...scryptParameters,
    },
  };
}

async function decrypt(
  path: string,
  bytes: Uint8Array,
  encryption: NonNullable<KeyFile['encryption']>,
  passphrase: string,
): Promise<Uint8Array> {
  const { cost, blockSize, parallelization } = encryption;
  const memory = 128 * cost * blockSize * parallelization;
  if (encryption.cipher !== 'aes-256-gcm' || encryption.kdf !== 'scrypt' || !(memory <= maximumScryptMemory)) {
    throw failure(path, 'its encryption is not scrypt with AES-256-GCM within 512 MiB');
  }
  const key = await deriveKey(passphrase, fromBase64(encryption.salt, 'salt'), { cost, blockSize, parallelization });
  const decipher = createDecipheriv('aes-256-gcm', key, fromBase64(encryption.nonce, 'nonce'), {
    authTagLength: tagLength,
  });
  decipher.setAuthTag(bytes.subarray(bytes.length - tagLength));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(0, bytes.length - tagLength)), decipher.final()]);
  } catch (cause) {
    throw failure(path, 'the passphrase is wrong, or the file was changed', cause);
  }
}

function deriveKey(
  passphrase: string,
  salt: Uint8Array,
  { cost, blockSize, parallelization }: { cost: number; blockSize: number; parallelization: number },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { cost, blockSize, parallelization, maxmem: maximumScryptMemory + 1024 * 1024 };
    scrypt(passphrase.normalize('NFC'), salt, 32, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    // Whatever else is wrong with the path shows when it is written.
    return false;
  }
}

/** Makes a rename in `directory` durable. Windows cannot open directories, and journals the rename itself. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
