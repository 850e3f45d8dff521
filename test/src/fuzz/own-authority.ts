import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { type Certificate, der, oids, parseDer, toBase64 } from '@signet/primitives/formats';

const hashes: Readonly<Record<string, string>> = {
  [oids.ecdsaWithSha256]: 'sha256',
  [oids.ecdsaWithSha384]: 'sha384',
  [oids.ecdsaWithSha512]: 'sha512',
};

function extension(oid: string, value: Uint8Array): Uint8Array {
  return der.sequence(der.oid(oid), der.boolean(true), der.octetString(value));
}

/** A certificate authority that signs anything, under the name of a real one: it brings changed certificates past the signature. */
export class OwnAuthority {
  readonly #key: KeyObject;
  readonly #certificate: Uint8Array;

  /** @param name DER of the Name that the certificates have as their issuer */
  constructor(name: Uint8Array) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = privateKey;
    const algorithm = der.sequence(der.oid(oids.ecdsaWithSha256));
    const tbs = der.sequence(
      der.context(0, der.integer(2)),
      der.integer(1),
      algorithm,
      name,
      der.sequence(der.time(new Date('2000-01-01T00:00:00Z')), der.time(new Date('2049-01-01T00:00:00Z'))),
      name,
      publicKey.export({ format: 'der', type: 'spki' }),
      der.context(3, der.sequence(extension(oids.basicConstraints, der.sequence(der.boolean(true))))),
    );
    this.#certificate = der.sequence(tbs, algorithm, der.bitString(sign('sha256', tbs, privateKey)));
  }

  /** The authority as a member of `certificateAuthorities` in a trusted root. */
  get instance(): unknown {
    return {
      uri: 'https://ca.example',
      certChain: { certificates: [{ rawBytes: toBase64(this.#certificate) }] },
      validFor: { start: '1970-01-01T00:00:00Z' },
    };
  }

  /** The certificate with other contents, signed by this authority. */
  reissue(certificate: Certificate, tbs: Uint8Array): Uint8Array {
    const algorithm = parseDer(certificate.bytes).sequence()[1]?.bytes ?? new Uint8Array();
    const hash = hashes[certificate.signatureAlgorithm] ?? 'sha256';
    return der.sequence(tbs, algorithm, der.bitString(sign(hash, tbs, this.#key)));
  }
}
