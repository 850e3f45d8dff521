import { createRequire } from 'node:module';
import type { SignerFacts } from './facts.ts';
import { matchesGlob } from './name-pattern.ts';

/** An identity, or several that count alike. */
export type Publisher = OidcPublisher | GithubPublisher | KeyPublisher;

/** Whoever holds a key. */
export interface KeyPublisher {
  readonly kind: 'key';
  readonly name: string;
  /** A file with the public key in PEM, relative to the policy file. */
  readonly file: string;
  /** Signatures must be from before, by a clock that the trust root names. */
  readonly notAfter?: Date;
}

/** Identities by issuer and the subject alternative name of the certificate. */
export interface OidcPublisher {
  readonly kind: 'oidc';
  readonly name: string;
  readonly issuer: string;
  readonly subjects: readonly string[] | SubjectPattern;
}

/** Subjects that a regular expression describes as a whole. */
export interface SubjectPattern {
  readonly regex: string;
  matches(subject: string): boolean;
}

/** Workflows of GitHub Actions by the claims in their certificates. Absent members are not compared. */
export interface GithubPublisher {
  readonly kind: 'github';
  readonly name: string;
  /** `owner/name` or `owner/*`, compared without case. */
  readonly repository?: string;
  readonly repositoryId?: string;
  readonly ownerId?: string;
  /** Path of the workflow that was started, `.github/workflows/release.yml`. */
  readonly workflow?: string;
  /** `owner/name/path` of the workflow that signed, when that is a reusable one. */
  readonly signer?: string;
  /** Glob on the git ref, `refs/tags/v*`. */
  readonly ref?: string;
  readonly environment?: string;
  readonly runner?: string;
  readonly trigger?: readonly string[];
}

type Re2Module = typeof import('re2js');

const require = (name: string): unknown => createRequire(import.meta.url)(name);

export const githubIssuer = 'https://token.actions.githubusercontent.com';

/** Identities that nobody means by a pattern of theirs. */
const probes = [
  '',
  'a',
  'mallory@evil.example',
  'https://github.com/mallory/evil/.github/workflows/publish.yml@refs/heads/main',
  'https://evil.example/',
  'spiffe://evil.example/ns/default/sa/default',
];

/**
 * Compiles a regular expression on subjects. RE2 syntax, so that no input takes more than linear time, and always for the whole
 * subject.
 *
 * @returns the pattern, or a sentence on what is wrong with it
 */
export function subjectPattern(regex: string): SubjectPattern | string {
  // Loaded for policies that use patterns only: most name their identities.
  const { RE2JS } = require('re2js') as Re2Module;
  let compiled: ReturnType<Re2Module['RE2JS']['compile']>;
  try {
    compiled = RE2JS.compile(regex);
  } catch (error) {
    return `it is not an RE2 regular expression: ${error instanceof Error ? error.message : String(error)}`;
  }
  const probe = probes.find((subject) => compiled.matches(subject));
  if (probe !== undefined) return `it also matches arbitrary identities, for example ${JSON.stringify(probe)}`;
  return { regex, matches: (subject) => compiled.matches(subject) };
}

/** In what a signer differs from a publisher. */
export interface Difference {
  readonly field: string;
  readonly expected: string;
  readonly found: string;
}

/**
 * Compares a signer with a publisher.
 *
 * @returns what differs; nothing when the signer is the publisher
 */
export function compareSigner(publisher: Publisher, signer: SignerFacts): readonly Difference[] {
  if (publisher.kind === 'key') {
    // Verification has found out under whose key it verifies; what the bundle says of that proves nothing.
    if (signer.kind === 'key' && signer.publisher === publisher.name) return [];
    const found = signer.kind === 'key' ? 'another key' : `${signer.subject.value} (issuer ${signer.issuer})`;
    return [{ field: 'signer', expected: `the key of ${publisher.name}`, found }];
  }
  if (signer.kind !== 'certificate') {
    return [{ field: 'signer', expected: `an identity of ${publisher.name}`, found: 'a key' }];
  }
  return publisher.kind === 'oidc' ? compareOidc(publisher, signer) : compareGithub(publisher, signer);
}

type CertificateSigner = Extract<SignerFacts, { kind: 'certificate' }>;

function compareOidc(publisher: OidcPublisher, { issuer, subject }: CertificateSigner): Difference[] {
  const differences: Difference[] = [];
  if (issuer !== publisher.issuer) differences.push({ field: 'issuer', expected: publisher.issuer, found: issuer });
  const { subjects } = publisher;
  const known = 'regex' in subjects ? subjects.matches(subject.value) : subjects.includes(subject.value);
  if (!known) {
    const expected = 'regex' in subjects ? `/^(?:${subjects.regex})$/` : subjects.join(' or ');
    differences.push({ field: 'subject', expected, found: subject.value });
  }
  return differences;
}

function compareGithub(publisher: GithubPublisher, { issuer, subject, claims }: CertificateSigner): Difference[] {
  const differences: Difference[] = [];
  const compare = (
    field: string,
    expected: string | undefined,
    found: string | undefined,
    equal = expected === found,
  ) => {
    if (expected !== undefined && (found === undefined || !equal)) {
      differences.push({ field, expected, found: found ?? 'nothing' });
    }
  };
  compare('issuer', githubIssuer, issuer);
  const source = claims.sourceRepositoryUri;
  const repository = source === undefined ? undefined : withoutPrefix(source, 'https://github.com/');
  const glob = publisher.repository?.toLowerCase();
  compare('ownerId', publisher.ownerId, claims.sourceRepositoryOwnerIdentifier);
  compare('repositoryId', publisher.repositoryId, claims.sourceRepositoryIdentifier);
  compare('repository', publisher.repository, repository, matchesGlob(glob ?? '', repository?.toLowerCase() ?? ''));
  const started = claims.buildConfigUri === undefined ? undefined : withoutRef(claims.buildConfigUri);
  const path = started !== undefined && source !== undefined ? withoutPrefix(started, `${source}/`) : undefined;
  compare('workflow', publisher.workflow, path);
  compare('signer', publisher.signer, withoutPrefix(withoutRef(subject.value), 'https://github.com/'));
  compare(
    'ref',
    publisher.ref,
    claims.sourceRepositoryRef,
    matchesGlob(publisher.ref ?? '', claims.sourceRepositoryRef ?? ''),
  );
  compare('environment', publisher.environment, claims.deploymentEnvironment);
  compare('runner', publisher.runner, claims.runnerEnvironment);
  const trigger = claims.buildTrigger;
  compare(
    'trigger',
    publisher.trigger?.join(' or '),
    trigger,
    trigger !== undefined && publisher.trigger?.includes(trigger),
  );
  return differences;
}

/** The rest of a URL after its beginning, of which host and owner know no case. */
function withoutPrefix(text: string, prefix: string): string | undefined {
  return text.toLowerCase().startsWith(prefix.toLowerCase()) ? text.slice(prefix.length) : undefined;
}

function withoutRef(workflow: string): string {
  const at = workflow.indexOf('@refs/');
  return at === -1 ? workflow : workflow.slice(0, at);
}
