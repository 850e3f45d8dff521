type Path = readonly string[];

const most = 40;

/**
 * Says in plain words how a policy or trust lock differs from another, a sentence for each difference: what was added, removed or
 * changed, under the names that people gave it.
 *
 * @param before plain values, as `readPolicyText` gives them
 * @returns nothing when both say the same
 */
export function describeChanges(before: unknown, after: unknown): readonly string[] {
  const sentences = [...compare([], before, after)];
  if (sentences.length <= most) return sentences;
  return [...sentences.slice(0, most), `and ${sentences.length - most} more`];
}

function* compare(path: Path, before: unknown, after: unknown): Generator<string> {
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  const where = path.join('.') || 'the file';
  if (before === undefined) {
    yield `${where} is new: ${show(after)}`;
  } else if (after === undefined) {
    yield `${where} is gone; it was ${show(before)}`;
  } else {
    const [old, now] = [members(before), members(after)];
    if (old === undefined || now === undefined) {
      yield `${where} was ${show(before)} and is now ${show(after)}`;
      return;
    }
    for (const key of new Set([...old.keys(), ...now.keys()]))
      yield* compare([...path, key], old.get(key), now.get(key));
  }
}

/** Members by name; those of a list by their id, or by what they are about, so that order makes no difference. */
function members(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  const named = new Map<string, unknown>();
  for (const element of value) {
    const name = nameOf(element);
    // Two alike are told apart by their number.
    let key = name;
    for (let count = 2; named.has(key); count++) key = `${name} (${count})`;
    named.set(key, element);
  }
  return named;
}

function nameOf(element: unknown): string {
  if (typeof element !== 'object' || element === null || Array.isArray(element)) return JSON.stringify(element) ?? '?';
  const entry = element as Readonly<Record<string, unknown>>;
  const name = entry.id ?? entry.match;
  return name === undefined ? JSON.stringify(element) : typeof name === 'string' ? name : JSON.stringify(name);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}
