import { type ErrorCode, toBase64 } from '@signet/primitives/formats';
import { type Lab, type Recipe, signingTime } from '../lab.ts';

// biome-ignore lint/suspicious/noExplicitAny: documents are changed here in every place, also to what no type allows
export type Json = any;
export type Root = ReturnType<Lab['trustedRoot']>;

export interface Labs {
  /** Whose bundle it is. */
  readonly lab: Lab;
  /** Has the same names, and certificates with the same numbers. */
  readonly twin: Lab;
  /** Has the same names, and a timestamp authority with another number. */
  readonly other: Lab;
}

/** What is changed of a bundle and its trusted root; `code` says how it is refused, and without it it must be accepted. */
export interface Kind {
  readonly what: string;
  readonly recipe?: Recipe;
  readonly edit?: (bundle: Json, root: Root, labs: Labs) => void;
  /** Changes the text of the bundle. */
  readonly text?: (text: string) => string;
  readonly code?: ErrorCode;
}

export const v2: Recipe = { entry: 'hashedrekord 0.0.2' };
export const envelope: Recipe = { content: 'dsse', entry: 'dsse 0.0.1' };
export const withoutPromise: Recipe = { integratedTime: 'none', timestamp: signingTime };
export const late = new Date(signingTime.getTime() + 3_600_000);

export const material = (bundle: Json): Json => bundle.verificationMaterial;
export const entryOf = (bundle: Json): Json => material(bundle).tlogEntries[0];
export const proofOf = (bundle: Json): Json => entryOf(bundle).inclusionProof;
export const timestampsOf = (bundle: Json): Json[] => material(bundle).timestampVerificationData.rfc3161Timestamps;
export const rawBytes = (bytes: Uint8Array) => ({ rawBytes: toBase64(bytes) });
export const editNote = (bundle: Json, change: (note: string) => string): void => {
  proofOf(bundle).checkpoint.envelope = change(proofOf(bundle).checkpoint.envelope);
};

/** As bundles before v0.3 have their certificate. */
export function older(bundle: Json, version: '0.1' | '0.2', ...chain: Uint8Array[]): void {
  bundle.mediaType = `application/vnd.dev.sigstore.bundle+json;version=${version}`;
  const { certificate } = material(bundle);
  delete material(bundle).certificate;
  material(bundle).x509CertificateChain = { certificates: [certificate, ...chain.map(rawBytes)] };
}
