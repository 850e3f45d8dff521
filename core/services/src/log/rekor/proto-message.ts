import { SignetError } from '@signet/primitives/formats';

/**
 * Reads one message of protobuf's JSON mapping with the leniency that Rekor's gateway has (protojson): names in
 * lowerCamelCase or as in the .proto file, null for absent, bytes in standard or URL base64 with or without padding,
 * enums by name or number. Unknown names are refused, as upstream does.
 */
export class ProtoMessage {
  readonly #fields = new Map<string, unknown>();
  readonly #path: string;

  /**
   * @param names the message's fields in lowerCamelCase
   * @throws ERR_LOG_REQUEST
   */
  constructor(value: unknown, path: string, names: readonly string[]) {
    this.#path = path;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw requestError(`${path} is not an object`);
    }
    for (const [key, field] of Object.entries(value)) {
      const name = names.find((known) => known === key || protoName(known) === key);
      if (name === undefined) {
        throw requestError(
          `${path} has the unknown field ${JSON.stringify(key.slice(0, 80))}; it takes ${names.join(', ')}`,
        );
      }
      if (this.#fields.has(name)) throw requestError(`${path}.${name} stands there twice, under both of its names`);
      if (field !== null) this.#fields.set(name, field);
    }
  }

  has(name: string): boolean {
    return this.#fields.has(name);
  }

  /** The one field of a oneof that is set. */
  oneOf<Name extends string>(names: readonly Name[]): Name {
    const [set, ...others] = names.filter((name) => this.has(name));
    if (set === undefined) throw requestError(`${this.#path} has none of ${names.join(', ')}`);
    if (others.length > 0) throw requestError(`${this.#path} has more than one of ${names.join(', ')}`);
    return set;
  }

  message(name: string, names: readonly string[]): ProtoMessage {
    if (!this.has(name)) throw requestError(`${this.#path}.${name} is missing`);
    return new ProtoMessage(this.#fields.get(name), `${this.#path}.${name}`, names);
  }

  messages(name: string, names: readonly string[], maximum: number): ProtoMessage[] {
    const list = this.#fields.get(name) ?? [];
    if (!Array.isArray(list)) throw requestError(`${this.#path}.${name} is not an array`);
    if (list.length === 0) throw requestError(`${this.#path}.${name} is empty`);
    if (list.length > maximum) throw requestError(`${this.#path}.${name} has more than ${maximum} elements`);
    return list.map((element, i) => new ProtoMessage(element, `${this.#path}.${name}[${i}]`, names));
  }

  /** Bytes that must not be empty. */
  bytes(name: string): Uint8Array {
    const bytes = this.optionalBytes(name);
    if (bytes.length === 0) throw requestError(`${this.#path}.${name} is missing or empty`);
    return bytes;
  }

  /** Bytes, empty when absent. */
  optionalBytes(name: string): Uint8Array {
    const text = this.#fields.get(name) ?? '';
    const path = `${this.#path}.${name}`;
    if (typeof text !== 'string') throw requestError(`${path} is not a base64 string`);
    if (!/^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}$/.test(text)) throw requestError(`${path} is not base64`);
    const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
    const unpadded = padding === 0 ? text : text.slice(0, -padding);
    if (unpadded.length % 4 === 1 || (padding > 0 && text.length % 4 !== 0)) {
      throw requestError(`${path} is base64 of an impossible length`);
    }
    return new Uint8Array(Buffer.from(unpadded, 'base64url'));
  }

  text(name: string): string {
    const value = this.#fields.get(name) ?? '';
    if (typeof value !== 'string') throw requestError(`${this.#path}.${name} is not a string`);
    return value;
  }

  /** Name of an enum value that is written by name or number. */
  enumName<Name extends string>(name: string, values: Readonly<Record<Name, number>>): Name {
    const given = this.#fields.get(name) ?? 0;
    for (const [known, number] of Object.entries(values)) {
      if (known === given || number === given) return known as Name;
    }
    throw requestError(`${this.#path}.${name} is ${JSON.stringify(given).slice(0, 80)}, which this log does not know`);
  }
}

/** A request that cannot be read. */
export function requestError(reason: string): SignetError {
  return new SignetError('ERR_LOG_REQUEST', `invalid request: ${reason}`);
}

// Names of fields, of which there are few.
const protoNames = new Map<string, string>();

function protoName(name: string): string {
  let found = protoNames.get(name);
  if (found === undefined) {
    found = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    protoNames.set(name, found);
  }
  return found;
}
