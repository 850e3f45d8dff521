import { SignetError } from '@signet/primitives/formats';
import { Section } from './configuration-section.ts';
import { parseConfigurationText } from './configuration-text.ts';
import { type Issuer, issuerKeys, parseIssuer } from './issuer.ts';
import { parseProviders } from './providers.ts';

const topLevelKeys = ['oidc-issuers', 'meta-issuers', 'ci-issuer-metadata', 'define'];

/** The identity issuers that an authority trusts, checked whole. */
export class IssuerConfiguration {
  /** Issuers with one exact URL. */
  readonly issuers: readonly Issuer[];
  /** Issuers whose URL is a pattern with `*`. */
  readonly metaIssuers: readonly Issuer[];
  readonly #byUrl: ReadonlyMap<string, Issuer>;
  readonly #patterns: readonly { pattern: RegExp; issuer: Issuer }[];

  constructor(issuers: readonly Issuer[], metaIssuers: readonly Issuer[]) {
    this.issuers = issuers;
    this.metaIssuers = metaIssuers;
    this.#byUrl = new Map(issuers.map((issuer) => [issuer.url, issuer]));
    this.#patterns = metaIssuers.map((issuer) => ({ pattern: metaPattern(issuer.url), issuer }));
  }

  /**
   * The issuer that a token's `iss` names: an exact one, else the first pattern that matches the whole of it.
   *
   * @returns the issuer with its concrete URL; undefined when nobody of that name is trusted
   */
  find(issuerUrl: string): Issuer | undefined {
    const exact = this.#byUrl.get(issuerUrl);
    if (exact !== undefined) return exact;
    const match = this.#patterns.find(({ pattern }) => pattern.test(issuerUrl));
    return match === undefined ? undefined : { ...match.issuer, url: issuerUrl };
  }
}

/**
 * `*` stands for one part of a host name or path, and the pattern covers the whole URL: an unanchored one let anybody
 * append to it (GHSA-59jp-pj84-45mr).
 */
function metaPattern(url: string): RegExp {
  const parts = url.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}/-]/g, '\\$&'));
  return new RegExp(`^${parts.join('[-_a-zA-Z0-9]+')}$`);
}

/**
 * Reads an issuer configuration: Fulcio's own file, in YAML or JSON, or one with Signet's additions (`required-claims`,
 * `static-jwks`, `audiences`, `ca-cert`, `single-use-tokens`, `clock-skew`). Everything is checked here, templates and
 * patterns too, so that a server that starts has no mistake left to find in a release.
 *
 * @param text YAML or JSON, at most 1 MiB
 * @param source names it in errors
 * @throws ERR_ISSUER_CONFIG, ERR_INPUT_TOO_LARGE
 */
export function parseIssuers(text: string, source = 'The issuer configuration'): IssuerConfiguration {
  const root = new Section(parseConfigurationText(text), source, topLevelKeys);
  const providers = parseProviders(root.entries('ci-issuer-metadata'));
  const read = (key: 'oidc-issuers' | 'meta-issuers') =>
    root.entries(key).map(([url, value]) => {
      const meta = key === 'meta-issuers';
      return parseIssuer(url, new Section(value, `${key}: ${url}`, issuerKeys), { meta, providers });
    });
  const configuration = new IssuerConfiguration(read('oidc-issuers'), read('meta-issuers'));
  if (configuration.issuers.length + configuration.metaIssuers.length === 0) {
    throw new SignetError('ERR_ISSUER_CONFIG', `${source} names no issuer, so nobody could get a certificate.`, {
      expected:
        'at least one entry under oidc-issuers or meta-issuers: the identity provider whose logins or jobs count',
    });
  }
  return configuration;
}
