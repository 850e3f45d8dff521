/** One word of a template action. */
export type Word =
  | { readonly kind: 'field' | 'name' | 'string'; readonly text: string }
  | { readonly kind: 'dot'; readonly text: '.' }
  | { readonly kind: 'group'; readonly text: '('; readonly words: Word[] };

const wordPattern =
  /\s*(?:(\/\*[\s\S]*?\*\/)|\.([A-Za-z_]\w*)|(\.)|([A-Za-z_]\w*)|("(?:[^"\\\n]|\\.)*")|`([^`]*)`|([()]))/y;

/**
 * The words of what stands between `{{` and `}}`, parentheses grouped.
 *
 * @param fail makes the error for a problem described in words
 */
export function tokenizeAction(action: string, fail: (problem: string) => Error): Word[] {
  const root: Word[] = [];
  const open: Word[][] = [];
  let words = root;
  let position = 0;
  while (action.slice(position).trim() !== '') {
    wordPattern.lastIndex = position;
    const match = wordPattern.exec(action);
    if (match === null) throw fail(`"${action.slice(position).trim()}" is not understood`);
    position = wordPattern.lastIndex;
    const [, comment, field, dot, name, quoted, raw, parenthesis] = match;
    if (comment !== undefined) continue;
    if (field !== undefined) words.push({ kind: 'field', text: field });
    else if (dot !== undefined) words.push({ kind: 'dot', text: '.' });
    else if (name !== undefined) words.push({ kind: 'name', text: name });
    else if (quoted !== undefined) words.push({ kind: 'string', text: unquote(quoted, fail) });
    else if (raw !== undefined) words.push({ kind: 'string', text: raw });
    else if (parenthesis === '(') {
      const group: Word[] = [];
      words.push({ kind: 'group', text: '(', words: group });
      open.push(words);
      words = group;
    } else {
      const outer = open.pop();
      if (outer === undefined) throw fail('a parenthesis is closed that was not opened');
      words = outer;
    }
    const next = action[position];
    // Go wants a space between words: ".a.b" and ".a"b"" are something else there, so they are nothing here.
    if ((field ?? name) !== undefined && next !== undefined && !/[\s)]/.test(next)) {
      throw fail(`"${action.trim()}" is not understood`);
    }
  }
  if (open.length > 0) throw fail('a parenthesis is not closed');
  return root;
}

/** A Go string literal whose escapes are JSON's too. */
function unquote(literal: string, fail: (problem: string) => Error): string {
  try {
    const value: unknown = JSON.parse(literal);
    if (typeof value === 'string') return value;
  } catch {
    // Reported below: the reason is always an escape that JSON does not have.
  }
  throw fail(`the string ${literal} has an escape that is not understood`);
}
