/** What a terminal or a reader could be deceived by: controls, bidi and other format characters, invisible letters. */
const activeProperties = ['Cc', 'Cf', 'Cs', 'Co', 'Cn', 'Zl', 'Zp', 'Default_Ignorable_Code_Point'];
let active: RegExp | undefined;

/** Made when something is shown: to look up these properties takes a sixth of the time of importing the verifier. */
function activeCharacters(): RegExp {
  active ??= new RegExp(`[${activeProperties.map((property) => `\\p{${property}}`).join('')}]`, 'gu');
  return active;
}

/** How {@link inert} may be relaxed. */
export interface InertOptions {
  /** Keep line feeds, for text that is printed as a block of its own. Default false. */
  readonly lines?: boolean;
  /** Cut after this many UTF-16 units and say so. Default 4096. */
  readonly limit?: number;
}

/**
 * A foreign string made safe to show: every control character (so no ANSI sequence, no carriage return, no backspace),
 * every bidirectional override, every invisible or unassigned character stands escaped as `\u{…}`, and the length is
 * bounded. Certificates, statements, tokens, registries and package contents are written by others; whatever of them is
 * shown passes through here (ARCHITECTURE decision 12).
 *
 * @param text any value; what is not a string is converted first
 */
export function inert(text: unknown, options: InertOptions = {}): string {
  const limit = options.limit ?? 4096;
  const whole = typeof text === 'string' ? text : textOf(text);
  const kept = whole.length > limit ? whole.slice(0, limit) : whole;
  // Nearly everything is printable ASCII, where nothing is active.
  if (kept === whole && /^[ -~]*$/.test(kept)) return kept;
  const escaped = kept.replace(activeCharacters(), (character) =>
    options.lines && character === '\n' ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
  return kept === whole ? escaped : `${escaped}… (${whole.length - kept.length} more characters)`;
}

/** Parsed JSON and YAML may have a member `toString` of their own, which `String` would call or stumble over. */
function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[array of ${value.length}]`;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? '[object]' : String(value);
}

/**
 * A foreign URL made safe to show as a link: only http and https, without credentials, in its normal form.
 *
 * @returns undefined when it is anything else
 */
export function inertUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined;
  url.username = '';
  url.password = '';
  return inert(url.href);
}
