import { createHash } from 'node:crypto';

/** A key as npm's registry API serves it at `/-/npm/v1/keys`. */
export interface ServedKey {
  readonly keyid: string;
  readonly keytype: string;
  readonly scheme: string;
  /** base64 of SubjectPublicKeyInfo. */
  readonly key: string;
  /** RFC 3339; versions that were published before it stay verifiable. Null while the key signs. */
  readonly expires: string | null;
}

/** A P-256 key in npm's form, without an end. Its id is npm's: the hash of the key, base64 without padding. */
export function signingKeyOf(spki: Uint8Array): ServedKey {
  const keyid = `SHA256:${createHash('sha256').update(spki).digest('base64').replace(/=+$/, '')}`;
  const kind = 'ecdsa-sha2-nistp256';
  return { keyid, keytype: kind, scheme: kind, key: Buffer.from(spki).toString('base64'), expires: null };
}
