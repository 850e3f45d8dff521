import { closest, SignetError } from '@signet/primitives/formats';

/** Fulcio writes `issuer-url` in YAML and `IssuerURL` in JSON; both are the same key. */
export function canonicalKey(key: string): string {
  return key.replace(/[-_]/g, '').toLowerCase();
}

/** What somebody who wrote `word` may have meant, as the end of a sentence; nothing when no known word is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  const meant = closest(word, known);
  return meant === undefined ? '' : `; did you mean "${meant}"?`;
}

function sentence(text: string): string {
  return text.endsWith('?') ? text : `${text}.`;
}

/** A mapping of the configuration whose keys are all known. Values are taken by their kebab-case names. */
export class Section {
  /** Where this mapping stands, for messages. */
  readonly path: string;
  readonly #values = new Map<string, unknown>();

  /**
   * @param known every key that may stand here, kebab-case
   * @throws ERR_ISSUER_CONFIG for what is not a mapping, an unknown key, or one key in two spellings
   */
  constructor(value: unknown, path: string, known: readonly string[]) {
    this.path = path;
    const names = new Map(known.map((name) => [canonicalKey(name), name]));
    for (const [key, entry] of entriesOf(value, path)) {
      const name = names.get(canonicalKey(key));
      if (name === undefined) {
        throw new SignetError(
          'ERR_ISSUER_CONFIG',
          `${path}: the key "${key}" ${sentence(`is not known${didYouMean(key, known)}`)}`,
          {
            expected: known.join(', '),
            found: key,
          },
        );
      }
      if (this.#values.has(name)) throw this.error(name, 'stands there twice');
      if (entry !== null && entry !== undefined) this.#values.set(name, entry);
    }
  }

  value(name: string): unknown {
    return this.#values.get(name);
  }

  /** A string, trimmed of nothing; undefined when it is absent or empty. */
  string(name: string): string | undefined {
    const value = this.#values.get(name);
    if (value === undefined || value === '') return undefined;
    if (typeof value !== 'string') throw this.error(name, 'must be a string');
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#values.get(name);
    if (value === undefined) return false;
    if (typeof value !== 'boolean') throw this.error(name, 'must be true or false');
    return value;
  }

  strings(name: string): string[] {
    const value = this.#values.get(name);
    if (value === undefined) return [];
    const list: unknown[] = Array.isArray(value) ? value : [value];
    return list.map((item) => {
      if (typeof item !== 'string' || item === '')
        throw this.error(name, 'must be a list of strings that are not empty');
      return item;
    });
  }

  entries(name: string): [string, unknown][] {
    const value = this.#values.get(name);
    return value === undefined ? [] : entriesOf(value, `${this.path}: ${name}`);
  }

  error(
    name: string,
    problem: string,
    details: { expected?: string; found?: string; cause?: unknown } = {},
  ): SignetError {
    return new SignetError('ERR_ISSUER_CONFIG', `${this.path}: "${name}" ${sentence(problem)}`, details);
  }
}

function entriesOf(value: unknown, path: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SignetError('ERR_ISSUER_CONFIG', `${path} must be a mapping of names to values.`);
  }
  return Object.entries(value);
}
