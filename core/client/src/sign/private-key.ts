import { createPrivateKey, type KeyObject, randomBytes, scrypt } from 'node:crypto';
import { fromBase64, fromUtf8, parsePem, SignetError, toBase64, toPem, utf8 } from '@signet/primitives/formats';
import { isObject, jsonObject, textMember } from '../http/index.ts';

/** Labels under which cosign keeps its encrypted keys: today's, and that of before 2022. */
const cosignLabels = ['ENCRYPTED SIGSTORE PRIVATE KEY', 'ENCRYPTED COSIGN PRIVATE KEY'];

/** scrypt of cosign (go-securesystemslib `encrypted`): 64 MiB. More than 512 MiB is not derived, whoever wrote the file. */
const cosignScrypt = { N: 65536, r: 8, p: 1 } as const;
const maximumMemory = 512 * 1024 * 1024;

/**
 * Reads a private key in PEM: PKCS#8, plain or encrypted (RFC 5958, RFC 8018), SEC 1, PKCS#1, or cosign's encrypted form.
 *
 * @throws ERR_KEY_FILE when it is none of these, or encrypted and no or a wrong passphrase is given
 */
export async function readPrivateKeyPem(
  text: string,
  options: { readonly passphrase?: string } = {},
): Promise<KeyObject> {
  const { passphrase } = options;
  const [block] = parsePem(text, 'private key');
  if (block === undefined) throw failure('it is no PEM');
  if (cosignLabels.includes(block.label)) {
    const pkcs8 = await openCosignKey(block.bytes, passphrase);
    return createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  }
  if (!block.label.endsWith('PRIVATE KEY')) throw failure(`it holds a ${block.label}`);
  const encrypted = block.label === 'ENCRYPTED PRIVATE KEY' || text.includes('ENCRYPTED');
  if (encrypted && passphrase === undefined) throw encryptedFailure();
  try {
    return createPrivateKey({ key: text, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (cause) {
    throw failure(encrypted ? 'the passphrase is wrong, or the file was changed' : 'it cannot be read', cause);
  }
}

/**
 * A private key as cosign keeps it: scrypt, and NaCl's secretbox (XSalsa20 and Poly1305).
 *
 * @returns PEM text
 */
export async function toCosignPem(key: KeyObject, passphrase: string): Promise<string> {
  const [salt, nonce] = [randomBytes(32), randomBytes(24)];
  const box = await secretbox(await derive(passphrase, salt, cosignScrypt), nonce);
  const ciphertext = box.encrypt(new Uint8Array(key.export({ format: 'der', type: 'pkcs8' })));
  const value = {
    kdf: { name: 'scrypt', params: cosignScrypt, salt: toBase64(salt) },
    cipher: { name: 'nacl/secretbox', nonce: toBase64(nonce) },
    ciphertext: toBase64(ciphertext),
  };
  return toPem('ENCRYPTED SIGSTORE PRIVATE KEY', utf8(JSON.stringify(value)));
}

async function openCosignKey(bytes: Uint8Array, passphrase: string | undefined): Promise<Uint8Array> {
  if (passphrase === undefined) throw encryptedFailure();
  const { kdf, cipher, ciphertext } = jsonObject(bytes, 'cosign’s private key', 'ERR_KEY_FILE');
  const params = isObject(kdf) && isObject(kdf.params) ? kdf.params : {};
  const { N, r, p } = params;
  const salt = isObject(kdf) ? textMember(kdf, 'salt') : undefined;
  const nonce = isObject(cipher) ? textMember(cipher, 'nonce') : undefined;
  const known = isObject(kdf) && kdf.name === 'scrypt' && isObject(cipher) && cipher.name === 'nacl/secretbox';
  const integers = [N, r, p].every((value) => Number.isSafeInteger(value) && Number(value) > 0);
  if (!known || salt === undefined || nonce === undefined || typeof ciphertext !== 'string' || !integers) {
    throw failure('it is not encrypted with scrypt and nacl/secretbox');
  }
  const cost = { N: Number(N), r: Number(r), p: Number(p) };
  if (128 * cost.N * cost.r * cost.p > maximumMemory) throw failure('its scrypt asks for more than 512 MiB');
  try {
    const key = await derive(passphrase, fromBase64(salt, 'salt'), cost);
    const box = await secretbox(key, fromBase64(nonce, 'nonce'));
    return box.decrypt(fromBase64(ciphertext, 'ciphertext'));
  } catch (cause) {
    throw failure('the passphrase is wrong, or the file was changed', cause);
  }
}

async function secretbox(key: Uint8Array, nonce: Uint8Array) {
  // Loaded for such keys alone.
  const { xsalsa20poly1305 } = await import('@noble/ciphers/salsa.js');
  return xsalsa20poly1305(key, nonce);
}

function derive(
  passphrase: string,
  salt: Uint8Array,
  { N, r, p }: { readonly N: number; readonly r: number; readonly p: number },
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, 32, { N, r, p, maxmem: maximumMemory + 1024 * 1024 }, (error, key) => {
      if (error === null) resolve(new Uint8Array(key));
      else reject(error);
    });
  });
}

/** The first line of a passphrase file. Line ends do not count; a byte order mark and other bytes do. */
export function firstLine(bytes: Uint8Array, what: string): string {
  const [line = ''] = fromUtf8(bytes, what).split(/\r?\n/, 1);
  if (line === '') throw new SignetError('ERR_CONFIGURATION', `${what} is empty`);
  return line;
}

function encryptedFailure(): SignetError {
  return failure('it is encrypted; give the passphrase by SIGNET_PASSPHRASE_FILE');
}

function failure(problem: string, cause?: unknown): SignetError {
  return new SignetError('ERR_KEY_FILE', `the private key cannot be used: ${problem}`, { cause });
}
