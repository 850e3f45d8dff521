import { closest } from '@signet/primitives/basics';
import { type Exception, unexceptional } from './exceptions.ts';
import { parseNamePattern } from './name-pattern.ts';
import type { Rule } from './policy.ts';
import type { PolicyReader } from './policy-reader.ts';
import { type PolicyCode, type ViolationCode, violationCodes } from './violation.ts';

/** An exception that nobody has to look at again is a hole. */
const longest = 180 * 24 * 3600 * 1000;

/** Reads `exceptions:`. Each needs bytes, a reason and an end. */
export function parseExceptions(reader: PolicyReader, value: unknown, rules: readonly Rule[], now: Date): Exception[] {
  const keys = ['match', 'rules', 'codes', 'integrity', 'reason', 'expires', 'approvedBy'];
  return reader.list(value ?? [], ['exceptions']).map((entry, index) => {
    const place = ['exceptions', index];
    const section = reader.section(entry, place, keys);
    const required = (key: string, code: PolicyCode): unknown => {
      const given = reader.optional(section, key);
      if (given === undefined || given === '') throw reader.error([...place, key], `${key} is required`, { code });
      return given;
    };
    const integrity = reader.string(required('integrity', 'TP007'), [...place, 'integrity']);
    if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)) {
      throw reader.error([...place, 'integrity'], 'expected one sha512 hash as in a lockfile', {
        code: 'TP007',
        found: integrity,
      });
    }
    const reason = reader.string(required('reason', 'TP005'), [...place, 'reason']);
    const expires = reader.time(required('expires', 'TP006'), [...place, 'expires']);
    if (expires.getTime() - now.getTime() > longest) {
      throw reader.error([...place, 'expires'], 'an exception lasts 180 days at most', { code: 'TP006' });
    }
    const approvedBy = reader.optional(section, 'approvedBy');
    return {
      match: parseMatch(reader, reader.optional(section, 'match'), [...place, 'match']),
      ...parseRuleIds(reader, reader.optional(section, 'rules'), [...place, 'rules'], rules),
      codes: parseCodes(reader, reader.optional(section, 'codes'), [...place, 'codes']),
      integrity,
      reason,
      expires,
      ...(approvedBy === undefined ? {} : { approvedBy: reader.string(approvedBy, [...place, 'approvedBy']) }),
    };
  });
}

type Place = readonly (string | number)[];

function parseMatch(reader: PolicyReader, value: unknown, place: Place): Exception['match'] {
  const text = reader.string(value, place);
  const pattern = parseNamePattern(text);
  if (typeof pattern === 'string' || pattern.removes) {
    throw reader.error(place, 'expected a package, name@1.2.3', { found: text });
  }
  return pattern;
}

function parseRuleIds(
  reader: PolicyReader,
  value: unknown,
  place: Place,
  rules: readonly Rule[],
): Pick<Exception, 'rules'> {
  if (value === undefined) return {};
  const known = rules.map(({ id }) => id);
  const ids = reader.strings(value, place);
  const unknown = ids.findIndex((id) => !known.includes(id));
  if (unknown === -1) return { rules: ids };
  const meant = closest(ids[unknown] ?? '', known);
  throw reader.error([...place, unknown], `unknown rule${meant === undefined ? '' : `; did you mean ${meant}?`}`, {
    found: ids[unknown],
  });
}

function parseCodes(reader: PolicyReader, value: unknown, place: Place): readonly ViolationCode[] {
  return reader.strings(value, place).map((code, index) => {
    if (!Object.hasOwn(violationCodes, code)) throw reader.error([...place, index], 'no such code', { found: code });
    if (unexceptional.has(code as ViolationCode)) {
      throw reader.error(
        [...place, index],
        `there is no exception from ${code}: ${violationCodes[code as ViolationCode]}`,
      );
    }
    return code as ViolationCode;
  });
}
