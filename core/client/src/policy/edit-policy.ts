import { createRequire } from 'node:module';
import { type AttestationFacts, signedBy } from './facts.ts';
import { decisive, identityOf } from './pin.ts';
import { PolicyReader } from './policy-reader.ts';
import { githubIssuer } from './publisher.ts';
import type { ViolationCode } from './violation.ts';

type Yaml = typeof import('yaml');

const require = (name: string): unknown => createRequire(import.meta.url)(name);

/** A package whose evidence verified: what a rule can be made from. */
export interface ProvenPackage {
  readonly name: string;
  readonly attestations: readonly AttestationFacts[];
}

/** A publisher as it stands in a policy. */
type PublisherEntry =
  | { readonly github: Readonly<Record<string, string>> }
  | { readonly oidc: { readonly issuer: string; readonly san: readonly string[] } };

interface Suggestion {
  readonly publisher: string;
  readonly entry: PublisherEntry;
  readonly provenance: boolean;
  readonly names: string[];
}

/**
 * Rules that hold each package to who publishes it now: one publisher an identity, with the numbers that cannot be registered again,
 * and one rule for all packages of a publisher.
 */
function suggest(packages: readonly ProvenPackage[], taken: ReadonlySet<string>): Suggestion[] {
  const suggestions = new Map<string, Suggestion>();
  const used = new Set(taken);
  for (const { name, attestations } of packages) {
    const [first] = [...decisive(attestations)].sort((a, b) => timeOf(b) - timeOf(a));
    if (first === undefined) continue;
    const entry = publisherEntry(first);
    if (entry === undefined) continue;
    const provenance = first.predicateType.startsWith('https://slsa.dev/provenance/');
    const key = JSON.stringify([entry, provenance]);
    const known = suggestions.get(key);
    if (known !== undefined) {
      if (!known.names.includes(name)) known.names.push(name);
      continue;
    }
    const publisher = free(used, 'github' in entry ? (entry.github.repository ?? name) : (entry.oidc.san[0] ?? name));
    suggestions.set(key, { publisher, entry, provenance, names: [name] });
  }
  return [...suggestions.values()];
}

function timeOf({ verified }: AttestationFacts): number {
  return signedBy(verified)?.getTime() ?? 0;
}

function publisherEntry({ verified }: AttestationFacts): PublisherEntry | undefined {
  const { signer } = verified;
  if (signer.kind !== 'certificate') return undefined;
  const { issuer, repository = '', repositoryId, ownerId, workflow } = identityOf(signer);
  const slug = /^https:\/\/github\.com\/([A-Za-z0-9-]+\/[A-Za-z0-9\-_.]+)$/.exec(repository)?.[1];
  if (issuer === githubIssuer && slug !== undefined && repositoryId !== undefined) {
    const github = {
      repository: slug,
      repositoryId,
      ...(ownerId === undefined ? {} : { ownerId }),
      ...(workflow?.startsWith('.github/workflows/') ? { workflow } : {}),
    };
    return { github };
  }
  return { oidc: { issuer: signer.issuer, san: [signer.subject.value] } };
}

function free(used: Set<string>, wish: string): string {
  const base =
    wish
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '') || 'publisher';
  let name = base;
  for (let count = 2; used.has(name); count++) name = `${base}-${count}`;
  used.add(name);
  return name;
}

function ruleOf({ publisher, provenance, names }: Suggestion): Record<string, unknown> {
  const by = { by: [publisher] };
  return {
    id: publisher,
    match: [...names].sort(),
    require: [provenance ? { provenance: by } : { signature: by }],
  };
}

/**
 * An enforcing policy from what is installed: every package that is proven must go on being published by the same, and none may become less
 * well proven.
 *
 * @param trustRoots the section as it is to stand in the file
 * @returns YAML
 */
export function suggestPolicy(
  packages: readonly ProvenPackage[],
  trustRoots: Readonly<Record<string, unknown>>,
): string {
  const { Document } = require('yaml') as Yaml;
  const suggestions = suggest(packages, new Set());
  const document = new Document({
    version: 1,
    mode: 'enforce',
    noMatch: 'allow',
    trustRoots,
    defaults: { tofu: { onChange: 'error' }, downgrade: 'error' },
    publishers: Object.fromEntries(suggestions.map(({ publisher, entry }) => [publisher, entry])),
    rules: suggestions.map(ruleOf),
  });
  document.commentBefore =
    ' Who may publish what this project installs. Written by signet policy init; look at every line, then it is yours.';
  return document.toString({ lineWidth: 120 });
}

/**
 * Adds publishers and rules for packages to a policy, and leaves everything else in it as it is, comments too.
 *
 * @throws ERR_POLICY_INVALID when the text is no policy
 */
export function addRules(text: string, path: string, packages: readonly ProvenPackage[]): string {
  const document = editable(text, path);
  const publishers = document.get('publishers');
  const { isMap } = require('yaml') as Yaml;
  const taken = new Set(isMap(publishers) ? publishers.items.map(({ key }) => String(key)) : []);
  for (const suggestion of suggest(packages, taken)) {
    if (!isMap(document.get('publishers'))) document.set('publishers', document.createNode({}));
    document.setIn(['publishers', suggestion.publisher], document.createNode(suggestion.entry));
    append(document, 'rules', ruleOf(suggestion));
  }
  return document.toString({ lineWidth: 120 });
}

/** An exception as people write it. */
export interface ExceptionEntry {
  readonly match: string;
  readonly codes: readonly ViolationCode[];
  readonly integrity: string;
  readonly reason: string;
  /** A date, `2026-12-01`. */
  readonly expires: string;
  readonly approvedBy?: string;
}

/**
 * Adds an exception to a policy, and leaves everything else in it as it is.
 *
 * @throws ERR_POLICY_INVALID when the text is no policy
 */
export function addException(text: string, path: string, exception: ExceptionEntry): string {
  const document = editable(text, path);
  append(document, 'exceptions', { ...exception });
  return document.toString({ lineWidth: 120 });
}

function editable(text: string, path: string): InstanceType<Yaml['Document']> {
  // Says what is wrong with it, if something is.
  new PolicyReader(text, path);
  const { parseDocument } = require('yaml') as Yaml;
  return parseDocument(text) as unknown as InstanceType<Yaml['Document']>;
}

function append(document: InstanceType<Yaml['Document']>, section: string, value: unknown): void {
  const { isSeq } = require('yaml') as Yaml;
  if (!isSeq(document.get(section))) document.set(section, document.createNode([]));
  const list = document.get(section);
  if (isSeq(list)) list.add(document.createNode(value));
}
