import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inert, type KeyDetails, SignetError, toHex } from '@signet/primitives/formats';
import type { Pkcs11Key } from '@signet/primitives/keys';

/** Attributes of RFC 7512 that are understood, and `algorithm`, one of ours. All others are refused: they would choose another key. */
const known = new Set(['token', 'object', 'id', 'type', 'module-path', 'pin-source', 'algorithm']);

/**
 * A key on a device by its URI (RFC 7512): `pkcs11:token=NAME;object=NAME?module-path=FILE&pin-source=FILE&algorithm=NAME`.
 *
 * @param algorithms names of algorithms; without `algorithm` it is ECDSA P-256
 * @throws ERR_USAGE for what cannot be read, or a PIN in the URI, which everybody on the machine could read
 */
export async function pkcs11KeyOf(
  uri: string,
  cwd: string,
  algorithms: Readonly<Record<string, KeyDetails>>,
): Promise<Pkcs11Key> {
  const attributes = attributesOf(uri);
  if (attributes.has('pin-value')) {
    throw refuse('holds the PIN itself; put it into a file that only you can read, and say pin-source=FILE');
  }
  for (const name of attributes.keys())
    if (!known.has(name)) throw refuse(`has ${inert(name)}, which is not understood`);
  const text = (name: string) => attributes.get(name)?.toString('utf8');
  const [token, module] = [text('token'), text('module-path')];
  if (token === undefined || module === undefined) throw refuse('needs token=NAME and module-path=FILE');
  const [label, id] = [text('object'), attributes.get('id')];
  if (label === undefined && id === undefined) throw refuse('needs object=NAME or id=%XX');
  const name = text('algorithm') ?? 'ecdsa-p256';
  const keyDetails = Object.hasOwn(algorithms, name) ? algorithms[name] : undefined;
  if (keyDetails === undefined) throw refuse(`has an unknown algorithm: ${inert(name)}`);
  const pinSource = text('pin-source');
  const pin = pinSource === undefined ? undefined : await readPin(pinSource, cwd);
  return {
    module: resolve(cwd, module),
    token,
    keyDetails,
    ...(label === undefined ? {} : { label }),
    ...(id === undefined ? {} : { id: toHex(id) }),
    ...(pin === undefined ? {} : { pin }),
  };
}

function attributesOf(uri: string): Map<string, Buffer> {
  const [, path = '', query = ''] = /^pkcs11:([^?]*)(?:\?(.*))?$/s.exec(uri) ?? [];
  const attributes = new Map<string, Buffer>();
  for (const part of [...path.split(';'), ...query.split('&')].filter((one) => one !== '')) {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(part) ?? [];
    if (name === '' || attributes.has(name)) throw refuse(`has ${inert(part)}, or has it twice`);
    attributes.set(name, decode(value));
  }
  return attributes;
}

/** Percent-encoded bytes: an id is no text. */
function decode(value: string): Buffer {
  if (/%(?![0-9a-f]{2})/i.test(value)) throw refuse('has a % that is not followed by two hexadecimal digits');
  const parts = value.split(/(%[0-9a-f]{2})/i);
  return Buffer.concat(parts.map((part) => (/^%/.test(part) ? Buffer.from(part.slice(1), 'hex') : Buffer.from(part))));
}

async function readPin(source: string, cwd: string): Promise<string> {
  const path = /^file:\/\//.test(source) ? fileURLToPath(source) : resolve(cwd, source.replace(/^file:/, ''));
  try {
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new SignetError(
        'ERR_KEY_FILE',
        `${inert(path)}: other users may read the PIN; run: chmod 600 ${inert(path)}`,
      );
    }
    return (await readFile(path, 'utf8')).split(/\r?\n/, 1)[0] ?? '';
  } catch (cause) {
    if (cause instanceof SignetError) throw cause;
    throw new SignetError('ERR_KEY_FILE', `the PIN cannot be read from ${inert(path)}`, { cause });
  }
}

function refuse(problem: string): SignetError {
  return new SignetError('ERR_USAGE', `the pkcs11: URI ${problem}`, {
    expected: 'pkcs11:token=NAME;object=NAME?module-path=FILE&pin-source=FILE&algorithm=ecdsa-p256',
  });
}
