import {
  type Certificate,
  type FulcioClaims,
  fulcioClaims,
  fulcioIssuer,
  inert,
  oids,
  SignetError,
} from '@signet/primitives/formats';
import type { TrustMaterial } from '../trust/index.ts';
import type { ExpectedIdentity } from './options.ts';
import type { CertificateSigner } from './verified-bundle.ts';

type Re2Module = typeof import('re2js');
type Re2 = ReturnType<Re2Module['RE2JS']['compile']>;

const patterns = new Map<string, Re2>();
const maxCachedPatterns = 1000;

/**
 * Reads who a certificate is for (fulcio-spec, docs/oid-info.md).
 *
 * @throws ERR_CERT_FORMAT without an issuer, or without exactly one subject alternative name of a kind that Fulcio uses
 */
export function readIdentity(certificate: Certificate): CertificateSigner {
  const claims: FulcioClaims = fulcioClaims(certificate);
  const issuer = fulcioIssuer(claims);
  if (issuer === undefined || issuer === '') {
    throw new SignetError('ERR_CERT_FORMAT', 'the signing certificate does not name the issuer of its identity');
  }
  const [name, ...others] = certificate.subjectAlternativeNames;
  if (name === undefined || others.length > 0) {
    const found = `${others.length + (name === undefined ? 0 : 1)}`;
    throw new SignetError('ERR_CERT_FORMAT', 'the signing certificate has not exactly one subject alternative name', {
      expected: '1',
      found,
    });
  }
  const { type, value } = name;
  const known = type === 'email' || type === 'uri' || (type === 'otherName' && name.oid === oids.fulcioOtherName);
  if (!known || value === '') {
    throw new SignetError(
      'ERR_CERT_FORMAT',
      `the signing certificate names its subject as ${type}, which is not known`,
      {
        expected: 'an e-mail address, a URI or a user name',
        found: type,
      },
    );
  }
  return { kind: 'certificate', issuer, subject: { type, value }, claims, certificate };
}

/**
 * Compares the signer with the expected identities: exactly, or with an RE2 pattern for the whole subject.
 *
 * @throws ERR_IDENTITY_REQUIRED, ERR_IDENTITY_MISMATCH, ERR_IDENTITY_PATTERN
 */
export function checkIdentity(signer: CertificateSigner, expected: readonly ExpectedIdentity[]): void {
  if (expected.length === 0) throw identityRequired();
  const matches = expected.some(
    (identity) => identity.issuer === signer.issuer && subjectMatches(identity.subject, signer.subject.value),
  );
  if (matches) return;
  const found = `${inert(signer.subject.value)} (issuer ${inert(signer.issuer)})`;
  const wanted = expected.map(describeIdentity).join(' or ');
  throw new SignetError('ERR_IDENTITY_MISMATCH', `signed by ${found}; expected ${wanted}`, { expected: wanted, found });
}

/** The error for a call that would take anybody's signature. */
export function identityRequired(): SignetError {
  return new SignetError(
    'ERR_IDENTITY_REQUIRED',
    'no expected identity was given, and a signature by just anybody proves nothing; name issuer and subject',
  );
}

/**
 * A private trusted root vouches only for its own issuers (ARCHITECTURE decision 9).
 *
 * @throws ERR_IDENTITY_MISMATCH
 */
export function checkOwnedIssuer(signer: CertificateSigner, trust: TrustMaterial): void {
  if (trust.issuers.length === 0 || trust.issuers.includes(signer.issuer)) return;
  throw new SignetError(
    'ERR_IDENTITY_MISMATCH',
    `the trusted root "${trust.name}" does not vouch for the issuer ${inert(signer.issuer)}`,
    { expected: trust.issuers.join(' or '), found: inert(signer.issuer) },
  );
}

function subjectMatches(expected: ExpectedIdentity['subject'], subject: string): boolean {
  return typeof expected === 'string' ? expected === subject : compile(expected.pattern).test(subject);
}

/** Loaded when there is a pattern, and without waiting: most identities are exact, and verification is synchronous. */
function loadRe2(): Re2Module {
  return process.getBuiltinModule('node:module').createRequire(import.meta.url)('re2js') as Re2Module;
}

/** RE2 runs in time linear in the subject, whoever wrote pattern and subject. */
function compile(pattern: string): Re2 {
  const known = patterns.get(pattern);
  if (known !== undefined) return known;
  const { RE2JS } = loadRe2();
  try {
    // Compiled by itself first, so that no pattern can close the group around it.
    RE2JS.compile(pattern);
    const compiled = RE2JS.compile(`\\A(?:${pattern})\\z`);
    if (patterns.size >= maxCachedPatterns) patterns.clear();
    patterns.set(pattern, compiled);
    return compiled;
  } catch (cause) {
    throw new SignetError('ERR_IDENTITY_PATTERN', `${inert(pattern)} is not an RE2 expression`, { cause });
  }
}

function describeIdentity({ issuer, subject }: ExpectedIdentity): string {
  const shown = typeof subject === 'string' ? subject : `/^(?:${subject.pattern})$/`;
  return `${inert(shown)} (issuer ${inert(issuer)})`;
}
