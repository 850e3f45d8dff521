/**
 * The part of Go's text/template language that Fulcio's provider templates use: fields, `index`, `if`/`else if`/`else`,
 * `eq`, `ne`, `not`, `and`, `or`, string literals, comments and trim markers, over a map of strings with
 * `missingkey=error`. Anything else is an error when the template is compiled, which is when the server starts.
 */
import { SignetError } from '@signet/primitives/formats';
import { tokenizeAction, type Word } from './go-template-words.ts';

/** A compiled template. */
export interface Template {
  /** The text it was compiled from. */
  readonly source: string;
  /**
   * @param values what fields stand for
   * @throws MissingValueError when a field has no value
   */
  render(values: ReadonlyMap<string, string>): string;
}

/** A field of a template has no value: neither a claim nor a default of that name exists. */
export class MissingValueError extends Error {
  override readonly name = 'MissingValueError';
  readonly field: string;

  constructor(field: string) {
    super(`no value for "${field}"`);
    this.field = field;
  }
}

type Value = string | boolean;
type Values = ReadonlyMap<string, string>;
type Expression = (values: Values) => Value;
type Node = string | { readonly print: Expression } | Branch;
interface Branch {
  readonly cases: { readonly condition: Expression; readonly body: Node[] }[];
  otherwise: Node[];
}

const maxTemplateLength = 4096;
const maxNesting = 8;

/**
 * Compiles a template of the subset above. Text without `{{` is, as in Fulcio, the name of one claim.
 *
 * @throws ERR_ISSUER_CONFIG with the place and the words that are not understood
 */
export function compileTemplate(source: string): Template {
  if (source.length > maxTemplateLength) throw malformed(source.slice(0, 40), 'it is longer than 4096 characters');
  if (!source.includes('{{')) {
    return { source, render: (values) => field(values, source) };
  }
  const nodes = parse(source);
  return { source, render: (values) => renderNodes(nodes, values) };
}

function parse(source: string): Node[] {
  const root: Node[] = [];
  const open: { branch: Branch; body: Node[] }[] = [];
  let body = root;
  const top = () => {
    const last = open.at(-1);
    if (last === undefined) throw malformed(source, 'an "else" or "end" stands without its "if"');
    return last;
  };
  for (const piece of split(source)) {
    if (piece.kind === 'text') {
      if (piece.text !== '') body.push(piece.text);
      continue;
    }
    const words = tokenizeAction(piece.text, (problem) => malformed(source, problem));
    const [first, second] = words;
    if (first === undefined) {
      // A comment says nothing; an action without anything is a mistake.
      if (piece.text.trim() === '') throw malformed(source, 'an action is empty');
      continue;
    }
    if (first.kind === 'name' && first.text === 'if') {
      if (open.length >= maxNesting) throw malformed(source, 'its "if" are nested too deeply');
      const branch: Branch = { cases: [], otherwise: [] };
      body.push(branch);
      const inner: Node[] = [];
      branch.cases.push({ condition: expression(words.slice(1), source), body: inner });
      open.push({ branch, body });
      body = inner;
    } else if (first.kind === 'name' && first.text === 'else') {
      const { branch } = top();
      body = [];
      if (second === undefined) branch.otherwise = body;
      else if (second.kind === 'name' && second.text === 'if') {
        branch.cases.push({ condition: expression(words.slice(2), source), body });
      } else throw malformed(source, 'after "else" only "if" may follow');
    } else if (first.kind === 'name' && first.text === 'end' && second === undefined) {
      body = top().body;
      open.pop();
    } else {
      body.push({ print: expression(words, source) });
    }
  }
  if (open.length > 0) throw malformed(source, 'an "if" has no "end"');
  return root;
}

/** Text and actions in turn, with the white space removed that trim markers (`{{-`, `-}}`) ask for. */
function split(source: string): { kind: 'text' | 'action'; text: string }[] {
  const pieces: { kind: 'text' | 'action'; text: string }[] = [];
  let rest = source;
  let trimNext = false;
  for (;;) {
    const start = rest.indexOf('{{');
    let text = start < 0 ? rest : rest.slice(0, start);
    if (trimNext) text = text.trimStart();
    if (start < 0) {
      pieces.push({ kind: 'text', text });
      return pieces;
    }
    const end = rest.indexOf('}}', start);
    if (end < 0) throw malformed(source, 'an action "{{" is not closed');
    let action = rest.slice(start + 2, end);
    if (/^-\s/.test(action)) {
      action = action.slice(1);
      text = text.trimEnd();
    }
    trimNext = /\s-$/.test(action);
    if (trimNext) action = action.slice(0, -1);
    pieces.push({ kind: 'text', text }, { kind: 'action', text: action });
    rest = rest.slice(end + 2);
  }
}

const functions: Record<string, { min: number; max: number; call(args: Expression[], values: Values): Value }> = {
  eq: {
    min: 2,
    max: 8,
    call: ([left, ...others], values) => {
      const value = left?.(values);
      return others.some((other) => other(values) === value);
    },
  },
  ne: { min: 2, max: 2, call: ([left, right], values) => left?.(values) !== right?.(values) },
  not: { min: 1, max: 1, call: ([only], values) => !truth(only?.(values)) },
  and: { min: 1, max: 8, call: (args, values) => pick(args, values, (value) => !truth(value)) },
  or: { min: 1, max: 8, call: (args, values) => pick(args, values, truth) },
};

function pick(args: Expression[], values: Values, stop: (value: Value) => boolean): Value {
  let value: Value = '';
  for (const argument of args) {
    value = argument(values);
    if (stop(value)) break;
  }
  return value;
}

function expression(words: readonly Word[], source: string, depth = 0): Expression {
  if (depth > maxNesting) throw malformed(source, 'its parentheses are nested too deeply');
  const [first, second, third] = words;
  if (first === undefined) throw malformed(source, 'an action is empty');
  if (first.kind !== 'name') {
    if (second !== undefined) throw malformed(source, `"${second.text}" is not expected after a value`);
    return operand(first, source, depth);
  }
  if (first.text === 'index') {
    // A key that is missing from a map of strings gives Go's zero value, the empty string.
    if (second?.kind !== 'dot' || third?.kind !== 'string' || words.length !== 3) {
      throw malformed(source, 'only {{ index . "name" }} is understood of index');
    }
    return (values) => values.get(third.text) ?? '';
  }
  const called = Object.hasOwn(functions, first.text) ? functions[first.text] : undefined;
  if (called === undefined) throw malformed(source, `the function "${first.text}" is not supported`);
  const args = words.slice(1).map((word) => operand(word, source, depth));
  if (args.length < called.min || args.length > called.max) {
    throw malformed(source, `the function "${first.text}" has ${args.length} arguments`);
  }
  return (values) => called.call(args, values);
}

function operand(word: Word, source: string, depth: number): Expression {
  switch (word.kind) {
    case 'field':
      return (values) => field(values, word.text);
    case 'string':
      return () => word.text;
    case 'group':
      return expression(word.words, source, depth + 1);
    case 'name':
      if (word.text === 'true' || word.text === 'false') return () => word.text === 'true';
      throw malformed(source, `"${word.text}" is not a value`);
    case 'dot':
      throw malformed(source, '"." stands for all claims and cannot be a value');
  }
}

function field(values: Values, name: string): string {
  const value = values.get(name);
  if (value === undefined) throw new MissingValueError(name);
  return value;
}

function renderNodes(nodes: readonly Node[], values: Values): string {
  let text = '';
  for (const node of nodes) {
    if (typeof node === 'string') text += node;
    else if ('print' in node) text += String(node.print(values));
    else {
      const chosen = node.cases.find(({ condition }) => truth(condition(values)));
      text += renderNodes(chosen?.body ?? node.otherwise, values);
    }
  }
  return text;
}

function truth(value: Value | undefined): boolean {
  return value === true || (typeof value === 'string' && value !== '');
}

function malformed(source: string, problem: string): SignetError {
  return new SignetError('ERR_ISSUER_CONFIG', `The template ${JSON.stringify(source)} is not usable: ${problem}.`);
}
