import type { Issuer } from './issuer.ts';
import type { IssuerConfiguration } from './issuers.ts';

/** What one configured issuer lets people obtain. */
export interface IssuerAudit {
  readonly url: string;
  readonly type: string;
  readonly audiences: readonly string[];
  /** Rules in force, in words. */
  readonly requiredClaims: readonly string[];
  readonly singleUseTokens: boolean;
  /** Where its keys come from. */
  readonly keys: 'static' | 'discovery';
  /** Templates in force, by extension, for CI providers. */
  readonly templates?: Readonly<Record<string, string>>;
  /** What somebody without any tie to the operator could obtain; empty when nothing is known. */
  readonly warnings: readonly string[];
}

/** Issuers at which anybody can make an account, by the host of their URL. */
const publicIssuers: readonly (readonly [RegExp, string])[] = [
  [/^token\.actions\.githubusercontent\.com$/, 'any workflow of any GitHub repository'],
  [/^gitlab\.com$/, 'any job of any project on gitlab.com'],
  [/^(agent\.)?buildkite\.com$/, 'any job of any Buildkite organization'],
  [/^oidc\.circleci\.com$/, 'any job of any CircleCI organization'],
  [/^oidc\.codefresh\.io$/, 'any pipeline of any Codefresh account'],
  [/(^|\.)buddy\.works$/, 'any pipeline of any Buddy workspace'],
  [/^accounts\.google\.com$/, 'anybody with a Google account'],
  [/^login\.microsoftonline\.com$/, 'anybody with a Microsoft account'],
  [/^oauth2\.sigstore\.dev$/, 'anybody with an account at one of the providers behind it'],
  [/(^|\.)amazonaws\.com$/, 'any cluster of any AWS account'],
  [/^container\.googleapis\.com$/, 'any cluster of any Google Cloud project'],
  [/(^|\.)azure\.com$/, 'any cluster of any Azure subscription'],
];

/** Says what every configured issuer lets people obtain: for `signet ca audit`. */
export function auditIssuers(configuration: IssuerConfiguration): readonly IssuerAudit[] {
  return [...configuration.issuers, ...configuration.metaIssuers].map((issuer) => ({
    url: issuer.url,
    type: issuer.declaredType,
    audiences: issuer.audiences,
    requiredClaims: issuer.requiredClaims.map(({ claim, description }) => `${claim}: ${description}`),
    singleUseTokens: issuer.singleUseTokens,
    keys: issuer.staticKeys === undefined ? 'discovery' : 'static',
    ...(issuer.provider === undefined
      ? {}
      : {
          templates: Object.fromEntries([
            ['subject', issuer.provider.subjectAlternativeName.source],
            ...issuer.provider.extensions.map(([name, template]) => [name, template.source]),
          ]),
        }),
    warnings: warningsOf(issuer),
  }));
}

function warningsOf(issuer: Issuer): string[] {
  const warnings: string[] = [];
  const host = new URL(issuer.url.replaceAll('*', '1')).hostname;
  const strangers = publicIssuers.find(([pattern]) => pattern.test(host))?.[1];
  if (issuer.requiredClaims.length === 0) {
    if (strangers !== undefined) warnings.push(`${strangers} can obtain a certificate; add required-claims`);
    else if (issuer.meta) warnings.push('every issuer that the pattern matches can name anybody; add required-claims');
  }
  if (issuer.type === 'email' && issuer.skipEmailVerification) {
    warnings.push('e-mail addresses are certified that the issuer did not verify');
  }
  return warnings;
}
