import { createPublicKey, type JsonWebKey, X509Certificate } from 'node:crypto';
import { describeValue, parsePem, toPem } from '@signet/primitives/formats';
import type { JSONWebKeySet } from 'jose';
import { type ClaimRule, parseClaimRule } from './claim-rules.ts';
import type { Section } from './configuration-section.ts';
import type { CiProvider } from './providers.ts';
import { checkSubjectDomain } from './subject-domain.ts';

export type IssuerType = 'email' | 'ci-provider' | 'kubernetes' | 'spiffe' | 'uri' | 'username' | 'chainguard-identity';

/** One trusted OpenID issuer. */
export interface Issuer {
  /** The `iss` of its tokens; with `meta`, a pattern with `*` until an `iss` was matched. */
  readonly url: string;
  readonly meta: boolean;
  readonly type: IssuerType;
  /** The type as it was written, for `/api/v2/configuration`. */
  readonly declaredType: string;
  /** A token must be meant for one of these. The first is what clients are told to ask for. */
  readonly audiences: readonly [string, ...string[]];
  /** The claim that clients sign as proof of possession. */
  readonly challengeClaim: 'email' | 'sub';
  /** Only with `ci-provider`. */
  readonly provider?: CiProvider;
  /** Where a federated token names its real issuer: names of nested claims. Only with `email`. */
  readonly issuerClaim?: readonly string[];
  readonly subjectDomain?: string;
  readonly spiffeTrustDomain?: string;
  readonly skipEmailVerification: boolean;
  /** PEM of the authorities that may vouch for the issuer's HTTPS server, instead of the system's. */
  readonly caCertificates?: string;
  readonly requiredClaims: readonly ClaimRule[];
  /** Keys of an issuer that this server cannot reach. Nothing is fetched then. */
  readonly staticKeys?: JSONWebKeySet;
  readonly singleUseTokens: boolean;
  readonly clockSkewSeconds: number;
  readonly description?: string;
  readonly contact?: string;
}

export const issuerKeys = [
  'issuer-url',
  'client-id',
  'type',
  'ci-provider',
  'issuer-claim',
  'subject-domain',
  'spiffe-trust-domain',
  'challenge-claim',
  'ca-cert',
  'skip-email-verification',
  'environment',
  'contact',
  'description',
  'required-claims',
  'static-jwks',
  'audiences',
  'single-use-tokens',
  'clock-skew',
] as const;

const types: readonly IssuerType[] = [
  'email',
  'ci-provider',
  'kubernetes',
  'spiffe',
  'uri',
  'username',
  'chainguard-identity',
];

/** Deprecated types of Fulcio, each now a provider of the same name. */
const providerTypes = new Set(['github-workflow', 'gitlab-pipeline', 'buildkite-job', 'codefresh-workflow']);
const defaultAudience = 'sigstore';
const defaultClockSkewSeconds = 5;
const maxClockSkewSeconds = 300;

/**
 * Reads and checks one issuer.
 *
 * @param url the key it stands under
 * @throws ERR_ISSUER_CONFIG
 */
export function parseIssuer(
  url: string,
  section: Section,
  context: { readonly meta: boolean; readonly providers: ReadonlyMap<string, CiProvider> },
): Issuer {
  const { meta } = context;
  checkUrl(url, section, meta);
  const declaredUrl = section.string('issuer-url');
  if (declaredUrl !== undefined && declaredUrl !== url) {
    throw section.error('issuer-url', 'differs from the key it stands under', { expected: url, found: declaredUrl });
  }
  const declaredType = section.string('type') ?? '';
  const type = providerTypes.has(declaredType) ? 'ci-provider' : types.find((known) => known === declaredType);
  if (type === undefined) {
    throw section.error('type', 'is not known', { expected: types.join(', '), found: declaredType });
  }
  const providerName = section.string('ci-provider') ?? (providerTypes.has(declaredType) ? declaredType : undefined);
  const provider = providerName === undefined ? undefined : context.providers.get(providerName);
  if (type === 'ci-provider' && provider === undefined) {
    throw section.error('ci-provider', 'names no provider', {
      expected: [...context.providers.keys()].join(', '),
      found: providerName ?? 'nothing',
    });
  }
  if (type !== 'ci-provider' && providerName !== undefined) {
    throw section.error('ci-provider', 'is only for issuers of type ci-provider');
  }
  const clientId = section.string('client-id');
  const [audience = defaultAudience, ...others] = [
    ...new Set([...(clientId === undefined ? [] : [clientId]), ...section.strings('audiences')]),
  ];
  const issuerClaim = parseIssuerClaim(section, type);
  const subjectDomain = section.string('subject-domain');
  const spiffeTrustDomain = section.string('spiffe-trust-domain');
  if (type === 'spiffe') checkSpiffe(spiffeTrustDomain, section, meta);
  if (type === 'uri' || type === 'username') checkSubjectDomain(type, subjectDomain, url, section);
  const caCertificates = parseCaCertificates(section);
  const staticKeys = parseStaticKeys(section, meta);
  const description = section.string('description');
  const contact = section.string('contact');
  return {
    url,
    meta,
    type,
    declaredType,
    audiences: [audience, ...others],
    challengeClaim: parseChallengeClaim(section, type),
    skipEmailVerification: section.boolean('skip-email-verification'),
    requiredClaims: section
      .entries('required-claims')
      .map(([claim, value]) => parseClaimRule(claim, value, (problem) => section.error('required-claims', problem))),
    singleUseTokens: section.boolean('single-use-tokens'),
    clockSkewSeconds: parseClockSkew(section),
    ...(type === 'ci-provider' && provider !== undefined ? { provider } : {}),
    ...(issuerClaim === undefined ? {} : { issuerClaim }),
    ...(subjectDomain === undefined ? {} : { subjectDomain }),
    ...(spiffeTrustDomain === undefined ? {} : { spiffeTrustDomain }),
    ...(caCertificates === undefined ? {} : { caCertificates }),
    ...(staticKeys === undefined ? {} : { staticKeys }),
    ...(description === undefined ? {} : { description }),
    ...(contact === undefined ? {} : { contact }),
  };
}

const loopbackHosts = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** Keys and discovery must come over an authenticated connection; certificates carry the URL as ASCII (notes P6). */
function checkUrl(url: string, section: Section, meta: boolean): void {
  const sample = meta ? url.replaceAll('*', '1') : url;
  if (!meta && url.includes('*')) throw section.error('issuer-url', 'holds "*", which only meta-issuers may');
  if (meta && !url.includes('*')) throw section.error('issuer-url', 'holds no "*"; it belongs under oidc-issuers');
  if (!/^[\x21-\x7e]{1,512}$/.test(url) || !URL.canParse(sample)) {
    throw section.error('issuer-url', 'is not an absolute URL in ASCII', { found: url });
  }
  const parsed = new URL(sample);
  if (parsed.username !== '' || parsed.password !== '' || parsed.hash !== '' || parsed.search !== '') {
    throw section.error('issuer-url', 'may have neither credentials nor query nor fragment (OpenID Discovery §4.1)');
  }
  const loopback = parsed.protocol === 'http:' && loopbackHosts.has(parsed.hostname);
  if (parsed.protocol !== 'https:' && !loopback) {
    throw section.error('issuer-url', 'must be https (http only on a loopback address)', { found: url });
  }
}

function parseChallengeClaim(section: Section, type: IssuerType): 'email' | 'sub' {
  const declared = section.string('challenge-claim');
  if (declared === undefined) return type === 'email' ? 'email' : 'sub';
  if (declared !== 'email' && declared !== 'sub') {
    throw section.error('challenge-claim', 'is not known', { expected: 'email or sub', found: declared });
  }
  return declared;
}

/** Fulcio takes a JSONPath here; its own configuration only ever names nested members. */
function parseIssuerClaim(section: Section, type: IssuerType): readonly string[] | undefined {
  const path = section.string('issuer-claim');
  if (path === undefined) return undefined;
  if (type !== 'email') throw section.error('issuer-claim', 'is only for issuers of type email');
  if (!/^\$(\.[\w-]+)+$/.test(path)) {
    throw section.error('issuer-claim', 'is not a path of names', { expected: '$.name.name', found: path });
  }
  return path.split('.').slice(1);
}

function checkSpiffe(trustDomain: string | undefined, section: Section, meta: boolean): void {
  // Many issuers for one trust domain: any of them could speak for the others' workloads.
  if (meta) throw section.error('type', 'spiffe is not possible for meta-issuers');
  if (trustDomain === undefined || !/^[a-z0-9._-]{1,255}$/.test(trustDomain)) {
    throw section.error('spiffe-trust-domain', 'must be a trust domain', {
      expected: 'lower-case letters, digits, ".", "-" and "_"',
      ...(trustDomain === undefined ? {} : { found: trustDomain }),
    });
  }
}

function parseCaCertificates(section: Section): string | undefined {
  const text = section.string('ca-cert');
  if (text === undefined) return undefined;
  try {
    const blocks = parsePem(text, 'ca-cert');
    if (blocks.length === 0) throw new Error('no PEM block');
    for (const { label, bytes } of blocks) new X509Certificate(toPem(label, bytes));
  } catch (cause) {
    throw section.error('ca-cert', 'must be certificates in PEM', { cause });
  }
  return text;
}

function parseStaticKeys(section: Section, meta: boolean): JSONWebKeySet | undefined {
  let value = section.value('static-jwks');
  if (value === undefined) return undefined;
  if (meta) throw section.error('static-jwks', 'would give every issuer that the pattern matches the same keys');
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value);
    } catch (cause) {
      throw section.error('static-jwks', 'is not JSON', { cause });
    }
  }
  if (!isKeySet(value) || value.keys.length === 0) {
    throw section.error('static-jwks', 'must be a JSON Web Key Set with keys', { expected: '{ "keys": [ … ] }' });
  }
  // A private key here would sit in a file that people copy about; a symmetric one could never verify a token.
  if (value.keys.some((key) => key.kty === 'oct' || key.d !== undefined)) {
    throw section.error('static-jwks', 'must hold public keys only');
  }
  for (const key of value.keys) {
    try {
      createPublicKey({ key: key as JsonWebKey, format: 'jwk' });
    } catch (cause) {
      throw section.error('static-jwks', `holds a key (kid ${describeValue(key.kid)}) that is no public key`, {
        cause,
      });
    }
  }
  return value;
}

function isKeySet(value: unknown): value is JSONWebKeySet {
  if (typeof value !== 'object' || value === null || !('keys' in value) || !Array.isArray(value.keys)) return false;
  return value.keys.every((key: unknown) => typeof key === 'object' && key !== null && 'kty' in key);
}

function parseClockSkew(section: Section): number {
  const value = section.value('clock-skew');
  if (value === undefined) return defaultClockSkewSeconds;
  const match = typeof value === 'string' || typeof value === 'number' ? /^(\d{1,4})(s|m)?$/.exec(`${value}`) : null;
  const seconds = Number(match?.[1] ?? Number.NaN) * (match?.[2] === 'm' ? 60 : 1);
  if (!(seconds <= maxClockSkewSeconds)) {
    throw section.error('clock-skew', 'is not a duration of at most five minutes', {
      expected: 'seconds, or a text like 30s or 2m',
      found: describeValue(value),
    });
  }
  return seconds;
}
