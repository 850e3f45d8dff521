import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey, randomBytes } from 'node:crypto';
import { SignetError } from '@signet/primitives/formats';
import { createDurably, makeDirectory, readIfPresent } from '../durable-files.ts';
import type { InstanceLayout } from '../layout.ts';

/** Keys of the development identity provider: good for nothing but making identities up. */
export interface DevelopmentKeys {
  readonly keyId: string;
  /** P-256, for ES256 (RFC 7518 §3.4). */
  readonly privateKey: JsonWebKey;
  readonly publicKey: JsonWebKey;
  /** Signs the provider's cookies. */
  readonly cookieKey: string;
}

/** Makes the keys unless they exist. */
export async function createDevelopmentKeys(layout: InstanceLayout): Promise<void> {
  await makeDirectory(layout.development.directory, 0o700);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const file = {
    format: 1,
    type: 'signet-development-identity',
    keyId: randomBytes(8).toString('hex'),
    privateKey: privateKey.export({ format: 'jwk' }),
    cookieKey: randomBytes(32).toString('base64url'),
  };
  await createDurably(layout.development.identityKeys, `${JSON.stringify(file, undefined, 2)}\n`, 0o600);
}

/**
 * Reads the keys. Who can read this file can be anybody on this instance, which is why it exists for development alone.
 *
 * @throws ERR_DEVELOPMENT_ONLY when the instance has no development identity provider; ERR_INSTANCE when the file is damaged
 */
export async function readDevelopmentKeys(layout: InstanceLayout): Promise<DevelopmentKeys> {
  const path = layout.development.identityKeys;
  const text = await readIfPresent(path);
  if (text === undefined) {
    throw new SignetError(
      'ERR_DEVELOPMENT_ONLY',
      `${layout.directory} has no development identity provider; it is made by signet up --dev-identity`,
    );
  }
  try {
    const file = JSON.parse(text);
    if (file.format !== 1 || typeof file.keyId !== 'string' || typeof file.cookieKey !== 'string') throw new Error();
    const privateKey = createPrivateKey({ key: file.privateKey, format: 'jwk' });
    return {
      keyId: file.keyId,
      privateKey: privateKey.export({ format: 'jwk' }),
      publicKey: createPublicKey(privateKey).export({ format: 'jwk' }),
      cookieKey: file.cookieKey,
    };
  } catch (cause) {
    throw new SignetError('ERR_INSTANCE', `${path} is not a file of development keys, format 1`, { cause });
  }
}
