import { concat } from '@signet/primitives/formats';
import { mutateBytes } from './mutate-bytes.ts';
import type { Random } from './random.ts';

/** A TLV that can be changed: unlike the parser under test this one takes everything that has a length. */
interface Element {
  tag: number;
  /** Of a constructed value, or of an OCTET STRING that holds a value. */
  children: Element[] | undefined;
  content: Uint8Array;
  /** How its length is written. */
  length: 'minimal' | 'long' | 'indefinite' | 'wrong';
}

function readElements(bytes: Uint8Array, depth: number): Element[] | undefined {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    let length = bytes[at + 1] ?? 0x80;
    let start = at + 2;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 3) return undefined;
      length = 0;
      for (; start < at + 2 + count; start++) length = length * 256 + (bytes[start] ?? 0);
    }
    if (start + length > bytes.length) return undefined;
    const content = bytes.subarray(start, start + length);
    const isNested = (tag & 0x20) !== 0 || (tag === 0x04 && content[0] === 0x30);
    const children = isNested && depth < 24 ? readElements(content, depth + 1) : undefined;
    elements.push({ tag, content, children, length: 'minimal' });
    at = start + length;
  }
  return elements;
}

function encodeLength(length: number, how: Element['length']): Uint8Array {
  if (how === 'indefinite') return Uint8Array.of(0x80);
  const shown = how === 'wrong' ? length + 1 : length;
  if (how === 'long') return Uint8Array.of(0x84, shown >>> 24, (shown >> 16) & 0xff, (shown >> 8) & 0xff, shown & 0xff);
  if (shown < 0x80) return Uint8Array.of(shown);
  if (shown < 0x100) return Uint8Array.of(0x81, shown);
  return shown < 0x10000
    ? Uint8Array.of(0x82, shown >> 8, shown & 0xff)
    : Uint8Array.of(0x83, shown >> 16, (shown >> 8) & 0xff, shown & 0xff);
}

function encode(element: Element): Uint8Array {
  const content = element.children === undefined ? element.content : concat(...element.children.map(encode));
  const end = element.length === 'indefinite' ? new Uint8Array(2) : new Uint8Array();
  return concat(Uint8Array.of(element.tag), encodeLength(content.length, element.length), content, end);
}

/** Every list of siblings in the tree. */
function siblings(elements: Element[]): Element[][] {
  return [elements, ...elements.flatMap(({ children }) => (children === undefined ? [] : siblings(children)))];
}

const tags = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x1f, 0x30, 0x31, 0x80, 0xa0, 0xa3,
];

function change(lists: Element[][], random: Random): void {
  const list = random.pick(lists.filter(({ length }) => length > 0));
  const at = random.below(list.length);
  const element = list[at] as Element;
  const other = random.pick(random.pick(lists.filter(({ length }) => length > 0)));
  switch (random.below(9)) {
    case 0:
      list.splice(at, 1);
      return;
    case 1:
      list.splice(at, 0, structuredClone(element));
      return;
    case 2:
      list[at] = structuredClone(other);
      return;
    case 3:
      list.reverse();
      return;
    case 4:
      element.tag = random.oneIn(2) ? random.pick(tags) : element.tag ^ (1 << random.below(8));
      return;
    case 5:
      element.length = random.pick(['long', 'indefinite', 'wrong'] as const);
      return;
    case 6:
      list[at] = {
        tag: random.pick([0x30, 0x31, 0xa0, 0x04]),
        children: [element],
        content: element.content,
        length: 'minimal',
      };
      return;
    default:
      if (element.children === undefined) {
        element.content =
          element.content.length === 0 ? random.bytes(1 + random.below(4)) : mutateBytes(element.content, random);
      } else {
        element.children.push(structuredClone(other));
      }
  }
}

/** Changes the structure of DER: elements are lost, doubled, moved, retagged, or written with another length. */
export function mutateDer(bytes: Uint8Array, random: Random): Uint8Array {
  const elements = readElements(bytes, 0);
  if (elements === undefined || elements.length === 0 || random.oneIn(4)) return mutateBytes(bytes, random);
  for (let count = random.oneIn(3) ? 2 : 1; count > 0; count--) {
    const lists = siblings(elements);
    if (lists.some(({ length }) => length > 0)) change(lists, random);
  }
  return concat(...elements.map(encode));
}
