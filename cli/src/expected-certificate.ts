import type { IdentityToken } from '@signet/client/identity';
import { inert } from '@signet/primitives/formats';

/** For whom a certificate would be issued, and what it would claim. All text is inert. */
export interface ExpectedCertificateText {
  readonly issuers: readonly string[];
  /** One of these; which one is the authority's configuration. */
  readonly subjects: readonly string[];
  readonly claims?: Readonly<Record<string, string>>;
}

/** What the certificate for a token will say, before it is asked for. */
export async function describeExpectedCertificate(token: IdentityToken): Promise<ExpectedCertificateText> {
  const { expectedCertificate } = await import('@signet/client/sign');
  const { issuers, subjects, claims } = expectedCertificate(token);
  const known = Object.entries(claims ?? {}).map(([name, value]) => [name, inert(value)] as const);
  return {
    issuers: issuers.map((issuer) => inert(issuer)),
    subjects: subjects.map(({ value }) => inert(value)),
    ...(known.length === 0 ? {} : { claims: Object.fromEntries(known) }),
  };
}
