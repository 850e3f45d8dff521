import { toHex, utf8 } from './bytes.ts';
import { SignetError } from './errors.ts';
import { inert } from './inert.ts';
import { noteSignatureType } from './note.ts';
import { parseVerifierKey, type VerifierKey } from './verifier-key.ts';

/** A log or a witness of a policy. */
export interface PolicyKey {
  readonly key: VerifierKey;
  readonly url?: string;
}

/** A witness, or so many members of a group. */
export type Quorum =
  | { readonly kind: 'witness'; readonly name: string; readonly witness: PolicyKey }
  | { readonly kind: 'group'; readonly name: string; readonly threshold: number; readonly members: readonly Quorum[] };

/** Which logs are known, and how many of which witnesses must have cosigned a checkpoint (c2sp.org/tlog-policy). */
export interface TlogPolicy {
  /** Empty where the logs are known from elsewhere. */
  readonly logs: readonly PolicyKey[];
  readonly witnesses: readonly PolicyKey[];
  /** Undefined for `quorum none`: no cosignature is needed. */
  readonly quorum: Quorum | undefined;
}

const maximumLength = 1_000_000;
const maximumDefinitions = 1000;
const logTypes: readonly number[] = [0x01, 0x02, noteSignatureType.rfc6962, noteSignatureType.mlDsa44];
const witnessTypes: readonly number[] = [noteSignatureType.cosignatureV1, noteSignatureType.mlDsa44];

/**
 * Reads a policy file.
 *
 * @param input text, or the file's bytes: names and comments need not be UTF-8
 * @throws ERR_TLOG_POLICY with the line, ERR_INPUT_TOO_LARGE
 */
export function parseTlogPolicy(input: string | Uint8Array): TlogPolicy {
  const bytes = typeof input === 'string' ? utf8(input) : input;
  if (bytes.length > maximumLength) {
    throw new SignetError(
      'ERR_INPUT_TOO_LARGE',
      `the policy has ${bytes.length} bytes; at most ${maximumLength} are read`,
    );
  }
  // Octets above 127 are opaque: one character for each keeps different names different.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  const control = /[\u0000-\u0008\u000b-\u001f\u007f]/.exec(text);
  const reader = new PolicyReader();
  if (control !== null) {
    reader.line = text.slice(0, control.index).split('\n').length;
    throw reader.error(`the control character 0x${toHex(Buffer.from(control[0], 'latin1'))} is not allowed`);
  }
  const lines = text.split('\n');
  reader.line = lines.length;
  if (lines.pop() !== '') throw reader.error('the last line does not end in a newline');
  for (const [index, line] of lines.entries()) {
    reader.line = index + 1;
    reader.read(line);
  }
  return reader.finish();
}

class PolicyReader {
  line = 0;
  readonly #logs: PolicyKey[] = [];
  readonly #witnesses: PolicyKey[] = [];
  readonly #defined = new Map<string, Quorum>();
  readonly #members = new Set<string>();
  #quorum: { readonly value: Quorum | undefined } | undefined;

  read(line: string): void {
    const [keyword, ...items] = line.split(/[ \t]+/).filter((item) => item !== '');
    if (keyword === undefined || keyword.startsWith('#')) return;
    switch (keyword) {
      case 'log':
        this.#readLog(items);
        return;
      case 'witness':
        this.#readWitness(items);
        return;
      case 'group':
        this.#readGroup(items);
        return;
      case 'quorum':
        this.#readQuorum(items);
        return;
      default:
        throw this.error(`expected log, witness, group or quorum, found ${shown(keyword)}`);
    }
  }

  finish(): TlogPolicy {
    if (this.#quorum === undefined) throw this.error('there is no quorum line');
    return { logs: this.#logs, witnesses: this.#witnesses, quorum: this.#quorum.value };
  }

  #readLog([key, url, ...rest]: readonly string[]): void {
    if (key === undefined || rest.length > 0) throw this.error('expected log <vkey> [<url>]');
    this.#logs.push(this.#key(key, url, logTypes, this.#logs));
  }

  #readWitness([name, key, url, ...rest]: readonly string[]): void {
    if (name === undefined || key === undefined || rest.length > 0) {
      throw this.error('expected witness <name> <vkey> [<url>]');
    }
    const witness = this.#key(key, url, witnessTypes, this.#witnesses);
    this.#define(name, { kind: 'witness', name: opaque(name), witness });
    this.#witnesses.push(witness);
  }

  #readGroup([name, count, ...names]: readonly string[]): void {
    if (name === undefined || count === undefined || names.length === 0) {
      throw this.error('expected group <name> all|any|<k> <name>...');
    }
    const members = names.map((member) => {
      const found = this.#lookUp(member);
      // Otherwise one witness could count more than once.
      if (this.#members.has(member)) throw this.error(`${shown(member)} is a member already`);
      this.#members.add(member);
      return found;
    });
    const threshold = count === 'all' ? members.length : count === 'any' ? 1 : this.#threshold(count, members.length);
    this.#define(name, { kind: 'group', name: opaque(name), threshold, members });
  }

  #readQuorum([name, ...rest]: readonly string[]): void {
    if (name === undefined || rest.length > 0) throw this.error('expected quorum <name>');
    if (this.#quorum !== undefined) throw this.error('there is a second quorum line');
    this.#quorum = { value: name === 'none' ? undefined : this.#lookUp(name) };
  }

  #threshold(text: string, members: number): number {
    const threshold = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : 0;
    if (threshold >= 1 && threshold <= members) return threshold;
    throw this.error(`expected all, any or a number from 1 to ${members}, found ${shown(text)}`);
  }

  #lookUp(name: string): Quorum {
    const found = this.#defined.get(name);
    if (found === undefined) throw this.error(`${shown(name)} is not defined before this line`);
    return found;
  }

  #define(name: string, value: Quorum): void {
    if (name === 'none') throw this.error('none is not a name that can be defined');
    if (this.#defined.has(name)) throw this.error(`${shown(name)} is defined twice`);
    if (this.#defined.size >= maximumDefinitions) throw this.error(`more than ${maximumDefinitions} names are defined`);
    this.#defined.set(name, value);
  }

  #key(text: string, url: string | undefined, types: readonly number[], others: readonly PolicyKey[]): PolicyKey {
    let key: VerifierKey;
    try {
      key = parseVerifierKey(opaque(text));
    } catch (cause) {
      throw this.error(cause instanceof SignetError ? cause.message : 'the key is malformed', cause);
    }
    if (!types.includes(key.type)) throw this.error(`keys of type 0x${key.type.toString(16)} are not for this line`);
    const other = others.find(({ key: known }) => Buffer.compare(known.key, key.key) === 0);
    if (other !== undefined) throw this.error(`its public key is that of ${inert(other.key.name)}`);
    if (others.length >= maximumDefinitions) throw this.error(`more than ${maximumDefinitions} keys are defined`);
    return url === undefined ? { key } : { key, url: opaque(url) };
  }

  error(problem: string, cause?: unknown): SignetError {
    return new SignetError('ERR_TLOG_POLICY', `log policy, line ${this.line}: ${problem}`, { cause });
  }
}

/** The text that octets stand for, where they are UTF-8. */
function opaque(octets: string): string {
  return Buffer.from(octets, 'latin1').toString('utf8');
}

function shown(octets: string): string {
  return inert(JSON.stringify(opaque(octets).slice(0, 80)));
}
