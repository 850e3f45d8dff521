/** Columns of a stream that is no terminal. */
const defaultWidth = 80;
/** Narrower than this no sentence can be read. */
const narrowest = 40;

/** The columns that text for a stream may take: the terminal's, else 80. */
export function widthOf(stream: object): number {
  const columns: unknown = 'columns' in stream ? stream.columns : undefined;
  return typeof columns === 'number' && columns > 0 ? Math.max(columns, narrowest) : defaultWidth;
}

/**
 * Breaks a paragraph into lines between words; a word that is longer than a line stands alone on one.
 *
 * @param text white space in it, line feeds too, stands for a space
 * @param before what the first line begins with
 * @param indent how far the lines after it are indented
 */
export function wrap(text: string, width: number, before = '', indent = 0): string[] {
  const lines: string[] = [];
  let line = before;
  let empty = true;
  for (const word of text.split(/\s+/).filter((one) => one !== '')) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = ' '.repeat(indent);
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  lines.push(line);
  return lines;
}

/** Breaks a command before its flags, with a backslash, so that it can still be copied and run. */
export function wrapCommand(command: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const part of command.split(/ (?=--\w|&& |\| )/)) {
    if (line !== '' && line.length + part.length + 5 > width) {
      lines.push(`${line} \\`);
      line = `  ${part}`;
    } else {
      line += line === '' ? part : ` ${part}`;
    }
  }
  return [...lines, line];
}
