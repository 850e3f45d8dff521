import { closest } from '@signet/primitives/basics';
import { parsePatterns } from './parse-patterns.ts';
import type { Mode, ProvenanceRequirement, Requirement, Rule } from './policy.ts';
import type { PolicyReader, Section } from './policy-reader.ts';
import type { Publisher } from './publisher.ts';

type Publishers = ReadonlyMap<string, Publisher>;
/** What rules refer to and what they inherit. */
export interface RuleContext {
  readonly mode: Mode;
  readonly publishers: Publishers;
  /** Milliseconds. */
  readonly minimumReleaseAge?: number;
}

type Place = readonly (string | number)[];

/** Reads `rules:`. A rule that asks for nothing, or for publishers that do not exist, is a mistake. */
export function parseRules(reader: PolicyReader, value: unknown, context: RuleContext): Rule[] {
  const { mode, publishers } = context;
  const ids = new Set<string>();
  return reader.list(value ?? [], ['rules']).map((entry, index) => {
    const place = ['rules', index];
    const section = reader.section(entry, place, [
      'id',
      'match',
      'mode',
      'require',
      'minimumReleaseAge',
      'allowExceptions',
    ]);
    const id = reader.string(reader.optional(section, 'id'), [...place, 'id']);
    if (ids.has(id)) throw reader.error([...place, 'id'], 'two rules have this id', { found: id });
    ids.add(id);
    const requirements = reader.list(reader.optional(section, 'require'), [...place, 'require']);
    if (requirements.length === 0) throw reader.error([...place, 'require'], 'the rule asks for nothing');
    const age = reader.optional(section, 'minimumReleaseAge');
    const minimumReleaseAge =
      age === undefined ? context.minimumReleaseAge : reader.duration(age, [...place, 'minimumReleaseAge']);
    const allowExceptions = reader.optional(section, 'allowExceptions');
    return {
      id,
      ...(allowExceptions === undefined
        ? {}
        : { allowExceptions: reader.boolean(allowExceptions, [...place, 'allowExceptions']) }),
      ...(minimumReleaseAge === undefined ? {} : { minimumReleaseAge }),
      match: parsePatterns(reader, reader.optional(section, 'match'), [...place, 'match']),
      mode: reader.oneOf(reader.optional(section, 'mode') ?? mode, [...place, 'mode'], ['enforce', 'warn']),
      require: requirements.map((one, at) => parseRequirement(reader, one, [...place, 'require', at], publishers)),
    };
  });
}

function parseRequirement(reader: PolicyReader, value: unknown, place: Place, publishers: Publishers): Requirement {
  if (value === 'registrySignature') {
    return { kind: 'registrySignature' };
  }
  const section = reader.section(value, place, ['provenance', 'signature', 'attestation', 'cel'], ['rego']);
  const [kind, second] = Object.keys(section).filter((key) => key !== 'cel');
  if (kind === undefined || second !== undefined) {
    throw reader.error(place, 'needs exactly one of provenance, signature and attestation');
  }
  const content = reader.optional(section, kind);
  const at = [...place, kind];
  const expression = reader.optional(section, 'cel');
  const cel = expression === undefined ? {} : { cel: reader.string(expression, [...place, 'cel']) };
  if (kind === 'provenance') return { ...parseProvenance(reader, content, at, publishers), ...cel };
  if (kind === 'signature' && expression !== undefined) {
    throw reader.error([...place, 'cel'], 'an expression is about provenance or an attestation, whose type is known');
  }
  if (kind === 'signature') {
    const fields = reader.section(content, at, ['by', 'threshold']);
    const threshold = reader.optional(fields, 'threshold');
    return {
      kind,
      by: parseBy(reader, fields, at, publishers),
      threshold: threshold === undefined ? 1 : reader.count(threshold, [...at, 'threshold']),
    };
  }
  const fields = reader.section(content, at, ['predicateType', 'by', 'maxAge']);
  const maxAge = reader.optional(fields, 'maxAge');
  return {
    kind: 'attestation',
    ...cel,
    predicateType: reader.string(reader.optional(fields, 'predicateType'), [...at, 'predicateType']),
    by: parseBy(reader, fields, at, publishers),
    ...(maxAge === undefined ? {} : { maxAge: reader.duration(maxAge, [...at, 'maxAge']) }),
  };
}

function parseProvenance(
  reader: PolicyReader,
  value: unknown,
  place: Place,
  publishers: Publishers,
): ProvenanceRequirement {
  const fields = reader.section(value, place, ['by', 'repository', 'tagMatchesVersion']);
  const repository = reader.optional(fields, 'repository');
  const tag = reader.optional(fields, 'tagMatchesVersion');
  const by = reader.optional(fields, 'by');
  if (by === undefined && repository === undefined) {
    throw reader.error(place, 'needs by or repository: provenance from anybody proves nothing about who publishes');
  }
  return {
    kind: 'provenance',
    ...(by === undefined ? {} : { by: parseBy(reader, fields, place, publishers) }),
    ...(repository === undefined ? {} : { repository: reader.url(repository, [...place, 'repository']) }),
    tagMatchesVersion: tag === undefined ? false : reader.boolean(tag, [...place, 'tagMatchesVersion']),
  };
}

function parseBy(reader: PolicyReader, section: Section, place: Place, publishers: Publishers): readonly string[] {
  const at = [...place, 'by'];
  const names = reader.strings(reader.optional(section, 'by'), at);
  const unknown = names.findIndex((name) => !publishers.has(name));
  if (unknown === -1) return names;
  const meant = closest(names[unknown] ?? '', [...publishers.keys()]);
  const hint = meant === undefined ? 'publishers: does not define it' : `did you mean ${meant}?`;
  throw reader.error([...at, unknown], `unknown publisher; ${hint}`, { found: names[unknown] });
}
