import type { Random } from './random.ts';

const characters = [
  '',
  ' ',
  '\n',
  '\n\n',
  '\t',
  '\r\n',
  '\0',
  '+',
  '=',
  '0',
  '-',
  '—',
  '— ',
  '\u2028',
  'é',
  '\ud800',
  '"',
];

type Change = (text: string, random: Random) => string;

function splice(text: string, at: number, removed: number, inserted: string): string {
  return text.slice(0, at) + inserted + text.slice(at + removed);
}

function changeLines(text: string, random: Random): string {
  const lines = text.split('\n');
  const at = random.below(lines.length);
  const line = lines[at] ?? '';
  switch (random.below(5)) {
    case 0:
      lines.splice(at, 1);
      break;
    case 1:
      lines.splice(at, 0, line);
      break;
    case 2:
      lines.splice(random.below(lines.length), 1, line);
      break;
    case 3:
      lines.splice(at, 1, ...line.split(' '));
      break;
    default:
      lines.splice(random.below(lines.length), 0, ...lines.splice(at, 1));
  }
  return lines.join('\n');
}

const changes: readonly Change[] = [
  (text, random) => {
    const at = random.below(text.length);
    return splice(text, at, 1, String.fromCharCode(text.charCodeAt(at) ^ (1 << random.below(7))));
  },
  (text, random) => splice(text, random.below(text.length + 1), random.below(2), random.pick(characters)),
  (text, random) => splice(text, random.below(text.length), 1 + random.below(8), ''),
  (text, random) => {
    const from = random.below(text.length);
    return splice(text, random.below(text.length), 0, text.slice(from, from + 1 + random.below(80)));
  },
  (text, random) => text.slice(0, random.below(text.length)),
  changeLines,
  changeLines,
];

/** One to three changes of characters, ranges or lines. */
export function mutateText(text: string, random: Random): string {
  let changed = text;
  for (let count = random.oneIn(3) ? 1 + random.below(3) : 1; count > 0; count--) {
    changed = random.pick(changes)(changed, random);
  }
  return changed;
}
