import { allocate, fromUtf8 } from './bytes.ts';
import { parseDer, tags } from './der.ts';
import { der, headerLength, writeHeader } from './der-writer.ts';
import { SignetError } from './errors.ts';
import { oids } from './oids.ts';
import type { Certificate } from './x509.ts';

/**
 * Names of the claims that Fulcio writes into certificates by the last arc of their OID, 1.3.6.1.4.1.57264.1.N
 * (sigstore/fulcio docs/oid-info.md). 7 is the type of an otherName and no extension.
 */
export const fulcioClaimArcs = {
  issuerV1: 1,
  githubWorkflowTrigger: 2,
  githubWorkflowSha: 3,
  githubWorkflowName: 4,
  githubWorkflowRepository: 5,
  githubWorkflowRef: 6,
  issuer: 8,
  buildSignerUri: 9,
  buildSignerDigest: 10,
  runnerEnvironment: 11,
  sourceRepositoryUri: 12,
  sourceRepositoryDigest: 13,
  sourceRepositoryRef: 14,
  sourceRepositoryIdentifier: 15,
  sourceRepositoryOwnerUri: 16,
  sourceRepositoryOwnerIdentifier: 17,
  buildConfigUri: 18,
  buildConfigDigest: 19,
  buildTrigger: 20,
  runInvocationUri: 21,
  sourceRepositoryVisibility: 22,
  deploymentEnvironment: 23,
  tokenSubject: 24,
} as const;

export type FulcioClaimName = keyof typeof fulcioClaimArcs;

/** What a Fulcio certificate says of its signer; absent claims are absent keys. */
export type FulcioClaims = { readonly [Name in FulcioClaimName]?: string };

export const fulcioClaimNames = Object.keys(fulcioClaimArcs) as readonly FulcioClaimName[];

/** Dotted OID of a claim's extension. */
export function fulcioClaimOid(name: FulcioClaimName): string {
  return `${oids.fulcio}.${fulcioClaimArcs[name]}`;
}

const claimsByOid: ReadonlyMap<string, { readonly name: FulcioClaimName; readonly isRaw: boolean }> = new Map(
  fulcioClaimNames.map((name) => [fulcioClaimOid(name), { name, isRaw: isRaw(name) }]),
);

/** Arcs 1 to 6 hold the text itself, later ones a DER UTF8String (docs/oid-info.md). */
function isRaw(name: FulcioClaimName): boolean {
  return fulcioClaimArcs[name] <= 6;
}

/**
 * Reads the claims of a certificate.
 *
 * @throws ERR_CERT_FORMAT when a claim is not encoded as its OID demands
 */
export function fulcioClaims(certificate: Certificate): FulcioClaims {
  const claims: { [Name in FulcioClaimName]?: string } = {};
  for (const extension of certificate.extensionList) {
    const claim = claimsByOid.get(extension.oid);
    if (claim === undefined) continue;
    const { name } = claim;
    const text = claim.isRaw ? extension.ascii() : extension.shortText();
    if (text !== undefined) {
      claims[name] = text;
      continue;
    }
    try {
      const { value } = extension;
      claims[name] = fromUtf8(claim.isRaw ? value : parseDer(value, name).expect(tags.utf8String).content, name);
    } catch (cause) {
      throw new SignetError('ERR_CERT_FORMAT', `certificate: claim ${name} is not encoded as its OID demands`, {
        cause,
      });
    }
  }
  return claims;
}

/** The issuer of the identity: arc 8, or arc 1 in certificates from before 2022. */
export function fulcioIssuer(claims: FulcioClaims): string | undefined {
  return claims.issuer ?? claims.issuerV1;
}

/**
 * Encodes claims as certificate extensions, in the order of their arcs; empty and absent claims are left out.
 *
 * @returns one DER Extension each
 */
export function fulcioExtensions(claims: FulcioClaims): readonly Uint8Array[] {
  const extensions: Uint8Array[] = [];
  for (const name of fulcioClaimNames) {
    const value = claims[name];
    if (value === undefined || value === '') continue;
    extensions.push(claimExtension(name, value));
  }
  return extensions;
}

/** `SEQUENCE { OID, OCTET STRING { text or UTF8String } }` in one piece: a certificate has two dozen of them. */
function claimExtension(name: FulcioClaimName, value: string): Uint8Array {
  const oid = der.oid(fulcioClaimOid(name));
  const length = Buffer.byteLength(value);
  const text = isRaw(name) ? length : headerLength(length) + length;
  const content = oid.length + headerLength(text) + text;
  const whole = allocate(headerLength(content) + content);
  let at = writeHeader(whole, 0, tags.sequence, content);
  whole.set(oid, at);
  at = writeHeader(whole, at + oid.length, tags.octetString, text);
  if (!isRaw(name)) at = writeHeader(whole, at, tags.utf8String, length);
  encoder.encodeInto(value, whole.subarray(at));
  return whole;
}

const encoder = new TextEncoder();
