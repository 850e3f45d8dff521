import type { AttestationFacts, PackageFacts } from './facts.ts';
import { ownersOf } from './ownership.ts';
import type { Policy } from './policy.ts';
import { PolicyReader } from './policy-reader.ts';
import { type ViolationCode, violationCodes } from './violation.ts';

/** A made-up package and what a policy should say about it. */
export interface PolicyCase {
  readonly name: string;
  readonly facts: PackageFacts;
  readonly now: Date;
  /** Codes of violations; none for "allowed". */
  readonly expect: readonly ViolationCode[];
}

const claims = [
  'sourceRepositoryUri',
  'sourceRepositoryIdentifier',
  'sourceRepositoryOwnerIdentifier',
  'sourceRepositoryRef',
  'buildConfigUri',
  'buildTrigger',
  'runnerEnvironment',
  'deploymentEnvironment',
] as const;

/**
 * Reads cases for a policy: a list of `{name, package, integrity, now, evidence, expect}`. What is not said about evidence is as good as it
 * could be: under the root that owns the name, signed now.
 *
 * @throws ERR_POLICY_INVALID
 */
export function parsePolicyCases(text: string, policy: Policy, path: string): readonly PolicyCase[] {
  const reader = new PolicyReader(text, path);
  return reader.list(reader.root, []).map((entry, index) => {
    const section = reader.section(entry, [index], ['name', 'package', 'integrity', 'now', 'evidence', 'expect']);
    const spec = reader.string(reader.optional(section, 'package'), [index, 'package']);
    const at = spec.lastIndexOf('@');
    if (at <= 0) throw reader.error([index, 'package'], 'expected name@version', { found: spec });
    const name = spec.slice(0, at);
    const given = reader.optional(section, 'now');
    const now = given === undefined ? new Date() : reader.time(given, [index, 'now']);
    const evidence = reader.list(reader.optional(section, 'evidence') ?? [], [index, 'evidence']);
    const integrity = reader.optional(section, 'integrity');
    const [owner] = ownersOf(policy, name);
    return {
      name: reader.string(reader.optional(section, 'name') ?? spec, [index, 'name']),
      now,
      facts: {
        name,
        version: spec.slice(at + 1),
        ...(integrity === undefined ? {} : { integrity: reader.string(integrity, [index, 'integrity']) }),
        attestations: evidence.map((one, number) =>
          parseEvidence(reader, one, [index, 'evidence', number], { now, trustRoot: owner?.name ?? '' }),
        ),
      },
      expect: parseExpectation(reader, reader.optional(section, 'expect'), [index, 'expect']),
    };
  });
}

type Place = readonly (string | number)[];

function parseEvidence(
  reader: PolicyReader,
  value: unknown,
  place: Place,
  defaults: { readonly now: Date; readonly trustRoot: string },
): AttestationFacts {
  const section = reader.section(value, place, ['issuer', 'subject', 'claims', 'predicateType', 'trustRoot', 'time']);
  const text = (key: string, fallback?: string): string =>
    reader.string(reader.optional(section, key) ?? fallback, [...place, key]);
  const given = reader.section(reader.optional(section, 'claims') ?? {}, [...place, 'claims'], claims);
  const time = reader.optional(section, 'time');
  return {
    predicateType: text('predicateType', 'https://slsa.dev/provenance/v1'),
    predicate: {},
    verified: {
      signer: {
        kind: 'certificate',
        issuer: text('issuer'),
        subject: { type: 'uri', value: text('subject') },
        claims: Object.fromEntries(
          Object.keys(given).map((key) => [key, reader.string(reader.optional(given, key), [...place, 'claims', key])]),
        ),
      },
      timestamps: [{ time: time === undefined ? defaults.now : reader.time(time, [...place, 'time']) }],
      logEntries: [{ index: 0n }],
      trustRoot: text('trustRoot', defaults.trustRoot),
    },
  };
}

function parseExpectation(reader: PolicyReader, value: unknown, place: Place): readonly ViolationCode[] {
  if (value === 'allowed') return [];
  return reader.strings(value, place).map((code, index) => {
    if (!Object.hasOwn(violationCodes, code)) {
      throw reader.error([...place, index], 'expected allowed, or codes such as TP111', { found: code });
    }
    return code as ViolationCode;
  });
}
