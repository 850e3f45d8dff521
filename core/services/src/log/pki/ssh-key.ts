import { createHash } from 'node:crypto';
import { importPublicKey, verifySignatureByOid } from '@signet/primitives/crypto';
import { concat, der, type EcCurve, oids, parsePublicKeyInfo } from '@signet/primitives/formats';
import { checked, signatureError } from './pki-format.ts';
import { WireReader } from './wire-reader.ts';

/** One public key of SSH (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709; PROTOCOL.u2f of OpenSSH for keys on a token). */
export interface SshKey {
  /** For example `ssh-ed25519`. */
  readonly type: string;
  /** As it goes over the wire. */
  readonly blob: Uint8Array;
  /** @param signature the wire form of a signature: algorithm, blob, and for tokens flags and counter */
  verify(signature: Uint8Array, message: Uint8Array): boolean;
}

interface Algorithm {
  readonly oid: string;
  /** Signature of the wire as node:crypto takes it. */
  readonly decode: (blob: Uint8Array) => Uint8Array;
  /** Made by a token, which signs more than the message. */
  readonly application?: Uint8Array;
}

const curves: Readonly<Record<string, { curve: EcCurve; oid: string; algorithm: string; name: string }>> = {
  'ecdsa-sha2-nistp256': { curve: 'P-256', oid: oids.p256, algorithm: oids.ecdsaWithSha256, name: 'nistp256' },
  'ecdsa-sha2-nistp384': { curve: 'P-384', oid: oids.p384, algorithm: oids.ecdsaWithSha384, name: 'nistp384' },
  'ecdsa-sha2-nistp521': { curve: 'P-521', oid: oids.p521, algorithm: oids.ecdsaWithSha512, name: 'nistp521' },
};

/** @throws ERR_LOG_SIGNATURE for keys that OpenSSH does not sign with any more, or never did */
export function parseSshKey(blob: Uint8Array): SshKey {
  const reader = new WireReader(blob, 'the SSH key');
  const type = reader.text();
  const { spki, algorithms } = readKey(type, reader);
  reader.end();
  const key = checked('the SSH key', () => importPublicKey(parsePublicKeyInfo(spki)));
  return {
    type,
    blob,
    verify(signature, message) {
      const parts = new WireReader(signature, 'the SSH signature');
      const name = parts.text();
      const algorithm = algorithms.get(name);
      if (algorithm === undefined)
        throw signatureError(`the SSH signature is of ${name}, which is not for a key of ${type}`);
      const value = algorithm.decode(parts.string());
      let signed = message;
      if (algorithm.application !== undefined) {
        const flagsAndCounter = parts.take(5);
        signed = concat(sha256(algorithm.application), flagsAndCounter, sha256(message));
      }
      parts.end();
      return checked('the SSH signature', () =>
        verifySignatureByOid({ key, algorithm: algorithm.oid, message: signed, signature: value }),
      );
    },
  };
}

function readKey(type: string, reader: WireReader): { spki: Uint8Array; algorithms: Map<string, Algorithm> } {
  if (type === 'ssh-rsa') {
    const [exponent, modulus] = [readMpint(reader), readMpint(reader)];
    const numbers = der.sequence(der.integer(modulus), der.integer(exponent));
    const spki = der.sequence(der.sequence(der.oid(oids.rsaEncryption), der.null()), der.bitString(numbers));
    // SHA-1 (`ssh-rsa`) is gone from OpenSSH, and here.
    return {
      spki,
      algorithms: new Map([
        ['rsa-sha2-256', { oid: oids.sha256WithRsa, decode: identity }],
        ['rsa-sha2-512', { oid: oids.sha512WithRsa, decode: identity }],
      ]),
    };
  }
  const token = /^sk-(.+)@openssh\.com$/.exec(type)?.[1];
  const plain = token ?? type;
  const curve = token === 'ecdsa-sha2-nistp384' || token === 'ecdsa-sha2-nistp521' ? undefined : curves[plain];
  if (curve !== undefined) {
    if (reader.text() !== curve.name) throw signatureError('the SSH key names two curves');
    const parameters = der.sequence(der.oid(oids.ecPublicKey), der.oid(curve.oid));
    const spki = der.sequence(parameters, der.bitString(reader.string()));
    return { spki, algorithms: one(type, { oid: curve.algorithm, decode: ecdsaSignature }, token, reader) };
  }
  if (plain === 'ssh-ed25519') {
    const spki = der.sequence(der.sequence(der.oid(oids.ed25519)), der.bitString(reader.string()));
    return { spki, algorithms: one(type, { oid: oids.ed25519, decode: identity }, token, reader) };
  }
  throw signatureError(`SSH keys of type ${type} are not taken; use Ed25519, ECDSA or RSA`);
}

function one(
  type: string,
  algorithm: Algorithm,
  token: string | undefined,
  reader: WireReader,
): Map<string, Algorithm> {
  return new Map([[type, token === undefined ? algorithm : { ...algorithm, application: reader.string() }]]);
}

/** A positive number without leading zeros (RFC 4251 §5), so that a key has one form. */
function readMpint(reader: WireReader): bigint {
  const bytes = reader.string();
  const [first = 0, second = 0] = bytes;
  const padded = bytes.length > 1 && first === 0 && second < 0x80;
  if (bytes.length === 0 || first >= 0x80 || padded || bytes.length > 2049) {
    throw signatureError('a number of the SSH key is negative, too large or not in its shortest form');
  }
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function ecdsaSignature(blob: Uint8Array): Uint8Array {
  const reader = new WireReader(blob, 'the SSH signature');
  const [r, s] = [readMpint(reader), readMpint(reader)];
  reader.end();
  return der.sequence(der.integer(r), der.integer(s));
}

function identity(blob: Uint8Array): Uint8Array {
  return blob;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}
