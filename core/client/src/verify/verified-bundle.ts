import type { Certificate, Envelope, FulcioClaims, PublicKeyInfo, Statement } from '@signet/primitives/formats';
import type { VerifiedCosignature } from './witnesses.ts';

/** Who signed, as the certificate says. */
export interface CertificateSigner {
  readonly kind: 'certificate';
  /** URL of the identity issuer. */
  readonly issuer: string;
  readonly subject: { readonly type: 'email' | 'uri' | 'otherName'; readonly value: string };
  readonly claims: FulcioClaims;
  readonly certificate: Certificate;
}

/** The key that signed; who holds it is the caller's knowledge. */
export interface KeySigner {
  readonly kind: 'key';
  readonly publicKey: PublicKeyInfo;
  /** The bundle's unauthenticated hint. */
  readonly hint: string;
}

/** A time at which the signature existed, and who vouches for it. */
export interface VerifiedTimestamp {
  readonly source: 'tsa' | 'log';
  readonly time: Date;
  /** The authority's URI or the log's base URL. */
  readonly authority: string;
}

/** A place in a transparency log that was proved or promised. */
export interface VerifiedLogEntry {
  readonly baseUrl: string;
  readonly logId: Uint8Array;
  /** The log's own number of the entry: the promised one, else the proved one. */
  readonly index: bigint;
  /** First line of the checkpoint, where there is one. */
  readonly origin?: string;
  /** Only where the log signed it. */
  readonly integratedTime?: Date;
  /** Only where a policy of witnesses was given: those of its witnesses that have cosigned the checkpoint. */
  readonly cosignatures?: readonly VerifiedCosignature[];
  readonly kind: string;
  readonly version: string;
}

/** What is known to be true once a bundle has verified. */
export interface VerifiedBundle {
  readonly signer: CertificateSigner | KeySigner;
  /** With an envelope. */
  readonly statement?: Statement;
  readonly envelope?: Envelope;
  /** With a message signature. */
  readonly message?: { readonly signature: Uint8Array };
  readonly timestamps: readonly VerifiedTimestamp[];
  readonly logEntries: readonly VerifiedLogEntry[];
  /** Name of the trust material. */
  readonly trustRoot: string;
  /** What was checked, one short sentence each, in order. */
  readonly checks: readonly string[];
}
