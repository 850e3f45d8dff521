import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parsePolicy, readPolicyText } from '@signet/client/policy';
import { root } from './repository.ts';

interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly required?: readonly string[];
}

interface Key {
  readonly type: string;
  readonly required: boolean;
}

const words: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'number',
  boolean: 'true or false',
  object: 'mapping',
};

/** The type in the words of the page. A schema that only says which keys go together is a mapping. */
function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return String(schema.const);
  if (schema.enum !== undefined) return schema.enum.join(', ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`;
  if (schema.type !== undefined) return words[schema.type] ?? schema.type;
  const kinds = [...new Set((schema.oneOf ?? [{ type: 'object' }]).map(typeOf))];
  // One text may stand where a list of texts may.
  return kinds.includes('list of text') ? 'list of text' : kinds.join(' or ');
}

/** Every key that the schema has, by its path. */
function keysOf(schema: Schema, at: string, found = new Map<string, Key>()): Map<string, Key> {
  const prefix = at === '' ? '' : `${at}.`;
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    const required = schema.required?.includes(name) === true;
    found.set(prefix + name, {
      type: typeOf(member),
      required: required || found.get(prefix + name)?.required === true,
    });
    keysOf(member, prefix + name, found);
  }
  if (typeof schema.additionalProperties === 'object') {
    found.set(`${prefix}NAME`, { type: typeOf(schema.additionalProperties), required: false });
    keysOf(schema.additionalProperties, `${prefix}NAME`, found);
  }
  if (schema.items !== undefined) keysOf(schema.items, `${at}[]`, found);
  for (const one of schema.oneOf ?? []) keysOf(one, at, found);
  return found;
}

/** The keys that stand in a value, by the same paths. */
function keysIn(value: unknown, at: string, known: ReadonlyMap<string, Key>): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => keysIn(one, `${at}[]`, known));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => {
    const prefix = at === '' ? '' : `${at}.`;
    const key = known.has(prefix + name) ? prefix + name : `${prefix}NAME`;
    return [key, ...keysIn(member, key, known)];
  });
}

describe('the page of the policy', () => {
  let page: string;
  let schema: Map<string, Key>;

  before(async () => {
    page = await readFile(path.join(root, 'docs/consumer/policy.md'), 'utf8');
    const text = await readFile(path.join(root, 'core/client/schema/trust-policy.schema.json'), 'utf8');
    schema = keysOf(JSON.parse(text), '');
  });

  it('explains every key of the schema with its type, and no other', () => {
    const rows = [...page.matchAll(/^\| `([^`|]+)` \| ([^|]*) \| ([^|]*) \| ([^|]+) \|$/gm)].slice();
    const keys = new Map(rows.map(([, key = '', type = '', fallback = '']) => [key, { type, fallback }]));
    assert.deepEqual([...keys.keys()].sort(), [...schema.keys()].sort());
    for (const [key, { type, required }] of schema) {
      assert.equal(keys.get(key)?.type, type, key);
      assert.equal(keys.get(key)?.fallback === 'required', required, `${key}: is it required?`);
    }
  });

  it('has an example with every key that the reader takes', () => {
    const example = /## Everything in one example\n\n```yaml\n(.*?)```/s.exec(page)?.[1] ?? '';
    parsePolicy(example, { now: new Date('2026-11-20T00:00:00Z') });
    const shown = new Set(keysIn(readPolicyText(example), '', schema));
    assert.deepEqual(
      [...schema.keys()].filter((key) => !shown.has(key)),
      [],
    );
  });

  it('says what the reader does about what is left out', () => {
    const policy = parsePolicy(
      `{ "version": 1, "publishers": { "a": { "oidc": { "issuer": "https://i.example", "san": "x" } } },
         "defaults": { "tofu": {} },
         "rules": [{ "id": "r", "match": "x", "require": [{ "signature": { "by": "a" } }, { "provenance": { "by": "a" } }] }] }`,
    );
    const [signature, provenance] = policy.rules[0]?.require ?? [];
    const defaults: Readonly<Record<string, unknown>> = {
      mode: policy.mode,
      noMatch: policy.noMatch,
      'defaults.tofu.pin': policy.pins.tofu?.pin.join(', '),
      'defaults.tofu.onChange': policy.pins.tofu?.onChange,
      'defaults.downgrade': policy.pins.downgrade,
      'rules[].require[].signature.threshold': signature?.kind === 'signature' ? signature.threshold : undefined,
      'rules[].require[].provenance.tagMatchesVersion':
        provenance?.kind === 'provenance' ? provenance.tagMatchesVersion : undefined,
    };
    for (const [key, value] of Object.entries(defaults)) {
      const row = page.split('\n').find((line) => line.startsWith(`| \`${key}\` |`));
      assert.equal(row?.split(' | ')[2], String(value), key);
    }
  });
});
