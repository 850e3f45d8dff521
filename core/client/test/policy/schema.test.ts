import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { parsePolicy, readPolicyText } from '@signet/client/policy';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | false;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly type?: string;
  readonly pattern?: string;
}

const integrity = `sha512-${'A'.repeat(86)}==`;
/** One policy in which every key stands that there is. */
const everything = `
version: 1
mode: enforce
noMatch: deny
sequence: 3
expires: 2027-01-01
extends:
  - { url: https://p.example/policy, trustRoot: b, by: [d], sha256: '${'0'.repeat(64)}' }
  - { url: https://q.example/policy, trustRoot: c, by: d }
trustRoots:
  a: { builtin: sigstore-public-good }
  b: { file: x, sha256: '${'0'.repeat(64)}', packages: ['@b/*'], issuers: [https://i.example], registryKeys: k, witnesses: w }
  c: { tuf: { url: https://t.example, root: r }, packages: '@c/*', issuers: https://i.example }
publishers:
  d: { oidc: { issuer: https://i.example, san: x } }
  e: { oidc: { issuer: https://i.example, sanRegex: 'scan-[0-9]+@acme' } }
  f: { github: { repository: a/b, repositoryId: "1", ownerId: 2, workflow: .github/workflows/x.yml, signer: s, ref: r, environment: e, runner: self-hosted, trigger: push } }
  g: { key: { file: k.pub, notAfter: 2027-01-01 } }
defaults: { minimumReleaseAge: 7d, tofu: { pin: [issuer], onChange: warn }, downgrade: warn, enforceSince: 2026-01-01 }
rules:
  - { id: h, match: x, mode: warn, minimumReleaseAge: 1h, allowExceptions: true, require: [ { provenance: { by: d, repository: https://r.example, tagMatchesVersion: true } } ] }
  - { id: i, match: [y], require: [ registrySignature, { signature: { by: [d, e], threshold: 2 } }, { attestation: { predicateType: t, by: d, maxAge: 4w }, cel: 'true' } ] }
distrust:
  - { identity: { issuer: i, subject: s }, from: 2026-01-01, to: 2026-01-02T00:00:00Z, reason: r }
  - { integrity: '${integrity}', reason: r }
  - { logEntry: { origin: o, index: 1 }, reason: r }
exceptions:
  - { match: x@1.0.0, rules: h, codes: [TP110], integrity: '${integrity}', reason: r, expires: 2026-12-01, approvedBy: a }
`;

/** Walks value and schema together: what the schema does not allow, and which of its keys were met. */
function walk(schema: Schema, value: unknown, path: string, met: Set<Schema>): string[] {
  met.add(schema);
  if (schema.oneOf !== undefined && schema.properties === undefined) {
    const outcomes = schema.oneOf.map((one) => walk(one, value, path, fits(one, value) ? met : new Set()));
    return outcomes.some((problems) => problems.length === 0) ? [] : [`${path} fits nothing`];
  }
  if (!fits(schema, value)) return [`${path} is not as it should be`];
  if (Array.isArray(value))
    return value.flatMap((one, index) => walk(schema.items ?? {}, one, `${path}[${index}]`, met));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    const next = schema.properties?.[key] ?? schema.additionalProperties;
    return next === undefined || next === false
      ? [`${path}.${key} is unknown`]
      : walk(next, member, `${path}.${key}`, met);
  });
}

function fits({ type, pattern }: Schema, value: unknown): boolean {
  const found = Array.isArray(value) ? 'array' : typeof value === 'number' ? 'integer' : typeof value;
  if (type !== undefined && type !== found) return false;
  return pattern === undefined || (typeof value === 'string' && new RegExp(pattern).test(value));
}

function* membersOf(schema: Schema, path: string): Generator<[path: string, schema: Schema]> {
  for (const [key, member] of Object.entries(schema.properties ?? {})) {
    yield [`${path}.${key}`, member];
    yield* membersOf(member, `${path}.${key}`);
  }
  if (schema.additionalProperties) yield* membersOf(schema.additionalProperties, `${path}.*`);
  if (schema.items !== undefined) yield* membersOf(schema.items, `${path}[]`);
  for (const one of schema.oneOf ?? []) yield* membersOf(one, path);
}

describe('the JSON schema of policies', () => {
  it('allows what the reader allows, key by key, and has no other', async () => {
    const file = new URL('../../schema/trust-policy.schema.json', import.meta.url);
    const schema = JSON.parse(await readFile(file, 'utf8')) as Schema;
    parsePolicy(everything, { now: new Date('2026-11-20T00:00:00Z') });
    const met = new Set<Schema>();
    assert.deepEqual(walk(schema, readPolicyText(everything), 'policy', met), []);
    const missed = [...membersOf(schema, 'policy')].filter(([, member]) => !met.has(member)).map(([path]) => path);
    assert.deepEqual(missed, []);
  });
});
