import { createRequire } from 'node:module';
import { closest, SignetError } from '@signet/primitives/basics';
import type { Document, LineCounter } from 'yaml';
import type { PolicyCode } from './violation.ts';

type Yaml = typeof import('yaml');

const require = (name: string): unknown => createRequire(import.meta.url)(name);

/** Loaded where YAML is read only: seventy files, which a run whose policy is known already does without. */
function yaml(): Yaml {
  return require('yaml') as Yaml;
}

/** Members of a policy file by name; read them through a {@link PolicyReader}. */
export type Section = Readonly<Record<string, unknown>>;

type Place = readonly (string | number)[];

const maxLength = 1024 * 1024;

/**
 * Reads a policy file so strictly that whoever writes it learns of every mistake: YAML 1.2 (JSON is YAML), no key twice, no unknown
 * key, no tags, no merge keys, few aliases. Errors name file, line and place.
 */
export class PolicyReader {
  readonly root: unknown;
  readonly #file: string;
  readonly #text: string;
  #source: { readonly document: Document; readonly lines: LineCounter } | undefined;

  /**
   * @param file names the file in messages
   * @param root what an earlier reader of the same text made of it, which spares reading YAML again
   * @throws ERR_POLICY_INVALID, ERR_INPUT_TOO_LARGE
   */
  constructor(text: string, file: string, root?: unknown) {
    this.#file = file;
    this.#text = text;
    if (text.length > maxLength) {
      throw new SignetError('ERR_INPUT_TOO_LARGE', `${file} is larger than ${maxLength} characters`);
    }
    if (root !== undefined) {
      this.root = root;
      return;
    }
    const { document, lines } = this.#parse();
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) {
      const { line } = lines.linePos(problem.pos[0]);
      throw new SignetError('ERR_POLICY_INVALID', `${file}:${line}: ${problem.message}`, { cause: problem });
    }
    try {
      this.root = document.toJS({ maxAliasCount: 100 });
    } catch (cause) {
      throw new SignetError('ERR_POLICY_INVALID', `${file} uses too many aliases`, { cause });
    }
  }

  #parse(): { readonly document: Document; readonly lines: LineCounter } {
    if (this.#source === undefined) {
      const { LineCounter, parseDocument } = yaml();
      const lines = new LineCounter();
      const document = parseDocument(this.#text, {
        version: '1.2',
        schema: 'core',
        strict: true,
        uniqueKeys: true,
        merge: false,
        lineCounter: lines,
        prettyErrors: false,
      }) as Document;
      this.#source = { document, lines };
    }
    return this.#source;
  }

  /**
   * The error for what stands at `place`.
   *
   * @param details.code where it has one
   */
  error(place: Place, problem: string, details: { code?: PolicyCode; found?: unknown } = {}): SignetError {
    const where = place.reduce<string>(
      (path, step) => (typeof step === 'number' ? `${path}[${step}]` : path === '' ? step : `${path}.${step}`),
      '',
    );
    const line = this.#lineOf(place);
    const position = line === undefined ? this.#file : `${this.#file}:${line}`;
    const code = details.code === undefined ? '' : `${details.code} `;
    return new SignetError('ERR_POLICY_INVALID', `${position}: ${code}${where === '' ? '' : `${where}: `}${problem}`, {
      ...(details.found === undefined ? {} : { found: show(details.found) }),
    });
  }

  /**
   * A mapping with none but known keys.
   *
   * @param later keys that the format has and this version does not understand; ignoring one would loosen the policy
   */
  section(value: unknown, place: Place, known: readonly string[], later: readonly string[] = []): Section {
    const section = this.mapping(value, place);
    for (const key of Object.keys(section)) {
      if (known.includes(key)) continue;
      if (later.includes(key)) {
        throw this.error(
          [...place, key],
          'this version of signet does not support it yet; ignoring it could let a package pass',
        );
      }
      const meant = closest(key, [...known, ...later]);
      const hint = meant === undefined ? `known are ${known.join(', ')}` : `did you mean ${meant}?`;
      throw this.error([...place, key], `unknown key; ${hint}`, { code: 'TP001' });
    }
    return section;
  }

  /** A mapping with keys of the writer's choice. */
  mapping(value: unknown, place: Place): Section {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.error(place, `expected a mapping, found ${show(value)}`);
    }
    return value as Section;
  }

  optional(section: Section, key: string): unknown {
    return Object.hasOwn(section, key) ? section[key] : undefined;
  }

  list(value: unknown, place: Place): readonly unknown[] {
    if (!Array.isArray(value)) throw this.error(place, `expected a list, found ${show(value)}`);
    return value;
  }

  /** A list of strings with at least one; a single string counts as a list of one. */
  strings(value: unknown, place: Place): readonly string[] {
    const list = typeof value === 'string' ? [value] : this.list(value, place);
    if (list.length === 0) throw this.error(place, 'the list is empty, which would allow nobody or nothing');
    return list.map((element, index) => this.string(element, [...place, index]));
  }

  string(value: unknown, place: Place): string {
    if (typeof value !== 'string' || value === '') throw this.error(place, `expected a text, found ${show(value)}`);
    return value;
  }

  /** An identifier of digits, which YAML may have read as a number. */
  digits(value: unknown, place: Place): string {
    const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
    if (typeof text !== 'string' || !/^\d{1,20}$/.test(text)) {
      throw this.error(place, `expected a numeric id, such as "4242", found ${show(value)}`);
    }
    return text;
  }

  boolean(value: unknown, place: Place): boolean {
    if (typeof value !== 'boolean') throw this.error(place, `expected true or false, found ${show(value)}`);
    return value;
  }

  oneOf<Name extends string>(value: unknown, place: Place, names: readonly Name[]): Name {
    const found = names.find((name) => name === value);
    if (found !== undefined) return found;
    throw this.error(place, `expected ${names.join(' or ')}, found ${show(value)}`);
  }

  count(value: unknown, place: Place): number {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 100) {
      throw this.error(place, `expected a number from 1 to 100, found ${show(value)}`);
    }
    return value;
  }

  /** A URL of http or https, as written: identities and issuers are compared as strings. */
  url(value: unknown, place: Place): string {
    const text = this.string(value, place);
    const url = URL.parse(text);
    if (url === null || !['https:', 'http:'].includes(url.protocol) || url.username !== '' || url.password !== '') {
      throw this.error(place, `expected a URL of http or https without credentials, found ${show(text)}`);
    }
    return text;
  }

  /** RFC 3339 or a date, which counts as its first moment in UTC. */
  time(value: unknown, place: Place): Date {
    const match =
      typeof value === 'string' && /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:\d\d))?$/.test(value);
    const time = new Date(match ? value : Number.NaN);
    if (Number.isNaN(time.getTime())) {
      throw this.error(place, `expected a time such as 2026-11-01T00:00:00Z, found ${show(value)}`);
    }
    return time;
  }

  /** `90s`, `15m`, `12h`, `7d` or `4w`, in milliseconds. */
  duration(value: unknown, place: Place): number {
    const match = typeof value === 'string' ? /^(\d{1,6})(s|m|h|d|w)$/.exec(value) : null;
    const seconds = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }[match?.[2] ?? ''];
    if (match === null || seconds === undefined) {
      throw this.error(place, `expected a duration such as 7d or 12h, found ${show(value)}`);
    }
    return Number(match[1]) * seconds * 1000;
  }

  #lineOf(place: Place): number | undefined {
    const { isMap, isNode, isPair } = yaml();
    const { document, lines } = this.#parse();
    let node: unknown = document.contents;
    let offset: number | undefined;
    for (const step of place) {
      if (isMap(node)) {
        const pair = node.items.find((item) => isPair(item) && isNode(item.key) && item.key.toJSON() === step);
        if (pair === undefined) break;
        if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
        node = pair.value;
      } else if (typeof step === 'number' && isNode(node) && 'items' in node && Array.isArray(node.items)) {
        node = node.items[step];
        if (isNode(node)) offset = node.range?.[0] ?? offset;
      } else break;
    }
    return offset === undefined ? undefined : lines.linePos(offset).line;
  }
}

function show(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : (JSON.stringify(value) ?? typeof value).slice(0, 100);
}
