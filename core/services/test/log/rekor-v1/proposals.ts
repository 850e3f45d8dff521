import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { preAuthenticationEncoding, utf8 } from '@signet/primitives/formats';

export const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64');
export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

/** A key with its PEM. */
export interface TestKey {
  readonly privateKey: KeyObject;
  readonly pem: string;
}

export function makeKey(namedCurve = 'P-256'): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  return { privateKey, pem: String(publicKey.export({ format: 'pem', type: 'spki' })) };
}

export interface Proposal {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: Record<string, unknown>;
}

/** A hashedrekord 0.0.1 over `message`. */
export function hashedRekord(message: string, { privateKey, pem }: TestKey): Proposal {
  return {
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: 'sha256', value: sha256(message) } },
      signature: {
        content: base64(sign('sha256', utf8(message), privateKey)),
        publicKey: { content: base64(pem) },
      },
    },
  };
}

/** JSON of a DSSE envelope, signed by each key. */
export function envelope(
  payload: string,
  keys: readonly TestKey[],
  payloadType = 'application/vnd.in-toto+json',
): string {
  const message = preAuthenticationEncoding(payloadType, utf8(payload));
  const signatures = keys.map(({ privateKey }) => ({ sig: base64(sign('sha256', message, privateKey)), keyid: '' }));
  return JSON.stringify({ payloadType, payload: base64(payload), signatures });
}

export function dsse(text: string, keys: readonly TestKey[]): Proposal {
  const verifiers = keys.map(({ pem }) => base64(pem));
  return { apiVersion: '0.0.1', kind: 'dsse', spec: { proposedContent: { envelope: text, verifiers } } };
}
