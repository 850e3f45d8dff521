import { mutateBytes } from './mutate-bytes.ts';
import { mutateDer } from './mutate-der.ts';
import { mutateText } from './mutate-text.ts';
import type { Random } from './random.ts';

type Container = Record<string, unknown> | unknown[];

/** A place in a document: the object or array that holds the value, and its key there. */
interface Place {
  readonly container: Container;
  readonly key: string;
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}

function places(value: unknown): Place[] {
  if (!isContainer(value)) return [];
  return Object.entries(value).flatMap(([key, child]) => [{ container: value, key }, ...places(child)]);
}

function get({ container, key }: Place): unknown {
  return (container as Record<string, unknown>)[key];
}

function set({ container, key }: Place, value: unknown): void {
  // Not an assignment: `__proto__` is a name like any other here.
  Object.defineProperty(container, key, { value, enumerable: true, configurable: true, writable: true });
}

const scalars = ['', '0', '1', '-1', '9223372036854775807', '9223372036854775808', '1e3', ' ', 'AA==', 'AA', '\u0000'];
const values = [
  null,
  true,
  false,
  0,
  1,
  -1,
  1.5,
  1e300,
  2 ** 53,
  [],
  {},
  [[]],
  [null],
  { rawBytes: 'AAAA' },
  ...scalars,
];
const keys = ['__proto__', 'constructor', 'certificate', 'x509CertificateChain', 'publicKey', 'messageDigest', 'keyid'];

/** Changes what a string stands for: JSON, DER or other bytes in base64, a signed note, or plain text. */
export function mutateString(text: string, random: Random): string {
  if (text.includes('\n')) return mutateText(text, random);
  const isBase64 = text.length >= 8 && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
  if (!isBase64 || random.oneIn(6)) return mutateText(text, random);
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  return Buffer.from(mutateEncoded(bytes, random)).toString('base64');
}

function mutateEncoded(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes[0] === 0x7b && !random.oneIn(4)) {
    try {
      const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
      return new Uint8Array(Buffer.from(JSON.stringify(mutateJson(value, random))));
    } catch {
      return mutateBytes(bytes, random);
    }
  }
  if (bytes[0] === 0x30) return mutateDer(bytes, random);
  if (bytes[0] === 0x2d)
    return new Uint8Array(Buffer.from(mutateText(Buffer.from(bytes).toString('latin1'), random), 'latin1'));
  return mutateBytes(bytes, random);
}

function change(document: unknown, random: Random, donor: unknown): void {
  const all = places(document);
  if (all.length === 0) return;
  const place = random.pick(all);
  const value = get(place);
  switch (random.below(12)) {
    case 0:
      if (Array.isArray(place.container)) place.container.splice(Number(place.key), 1);
      else delete place.container[place.key];
      return;
    case 1:
      // A copy: what a run changes may not be there in the next.
      set(place, structuredClone(random.pick(values)));
      return;
    case 2:
      set(place, structuredClone(get(random.pick(all))));
      return;
    case 3:
      if (Array.isArray(place.container)) place.container.push(structuredClone(value));
      else set({ container: place.container, key: random.pick(keys) }, structuredClone(value));
      return;
    case 4:
      set(place, random.oneIn(2) ? [value] : { [place.key]: value });
      return;
    case 5: {
      // What stands in the same place of another document.
      const same = places(donor).filter(({ key }) => key === place.key);
      if (same.length > 0) set(place, structuredClone(get(random.pick(same))));
      return;
    }
    default: {
      const strings = all.filter((one) => typeof get(one) === 'string');
      if (strings.length === 0) return;
      const chosen = random.pick(strings);
      set(chosen, mutateString(get(chosen) as string, random));
    }
  }
}

/**
 * Changes a JSON value: members are lost, doubled, moved, replaced, taken from another document; strings are changed in what
 * they encode.
 *
 * @param donor a document of the same kind
 */
export function mutateJson(value: unknown, random: Random, donor: unknown = value): unknown {
  const document = structuredClone(value);
  for (let count = random.oneIn(4) ? 2 + random.below(2) : 1; count > 0; count--) change(document, random, donor);
  return document;
}
