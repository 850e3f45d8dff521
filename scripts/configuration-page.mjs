// Writes the table of keys in docs/operator/registry.md and the JSON Schema for editors from the plugin's schema:
// `node scripts/configuration-page.mjs --write`. Without --write it fails when either is not what the code says;
// test/src/house/configuration.test.ts runs it so.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { configurationSchema } from '../plugins/verdaccio/src/configuration-schema.ts';

const page = fileURLToPath(new URL('../docs/operator/registry.md', import.meta.url));
const file = fileURLToPath(new URL('../plugins/verdaccio/schema/signet.schema.json', import.meta.url));
const [begin, end] = [
  '<!-- Written by scripts/configuration-page.mjs from the schema; do not edit. -->',
  '<!-- End of the keys. -->',
];

const code = (value) => `\`${JSON.stringify(value).replaceAll('|', '\\|')}\``;

function typeName(schema) {
  if (schema.oneOf) return schema.oneOf.map(typeName).join(' or ');
  if (schema.enum) return schema.enum.map((one) => `\`${one}\``).join(', ');
  if (schema.format) return schema.format;
  if (schema.type === 'array') return schema.items?.type === 'string' ? 'list of texts' : 'list of mappings';
  return { object: 'mapping', string: 'text', integer: 'whole number', boolean: '`true`, `false`' }[schema.type];
}

/** Every key with a value of its own; a mapping stands by its members alone unless it has an example. */
function rows(schema, where, required) {
  const { properties, items } = schema;
  const inner = schema.oneOf?.find((one) => one.properties) ?? schema;
  const own = [];
  if (where !== '' && (schema.examples || !properties)) {
    const [example] = schema.examples ?? [];
    if (example === undefined || !schema.description) throw new Error(`${where} has no example or no description`);
    const fallback = required ? 'required' : 'default' in schema ? code(schema.default) : 'none';
    own.push(`| \`${where}\` | ${typeName(schema)} | ${fallback} | ${code(example)} | ${schema.description} |`);
  } else if (where !== '') {
    own.push(`| \`${where}\` | ${typeName(schema)} | none | its members | ${schema.description} |`);
  }
  const members = Object.entries(inner.properties ?? {}).flatMap(([key, member]) =>
    rows(member, where === '' ? key : `${where}.${key}`, inner.required?.includes(key)),
  );
  const elements = items?.properties
    ? Object.entries(items.properties).flatMap(([key, member]) =>
        rows(member, `${where}[].${key}`, items.required?.includes(key)),
      )
    : [];
  return [...own, ...members, ...elements];
}

function pageText(text) {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < 0) throw new Error(`${page} has no place for the keys`);
  const head = '| key | type | default | example | what it says |\n| --- | --- | --- | --- | --- |';
  return `${text.slice(0, from)}${begin}\n\n${head}\n${rows(configurationSchema, '').join('\n')}\n\n${text.slice(to)}`;
}

const wanted = [
  [page, pageText(readFileSync(page, 'utf8'))],
  [file, `${JSON.stringify(configurationSchema, undefined, 2)}\n`],
];
for (const [path, text] of wanted) {
  let found = '';
  try {
    found = readFileSync(path, 'utf8');
  } catch {
    // Not there yet.
  }
  // The formatter may set the JSON in other lines.
  const same = path === file && found !== '' ? isDeepStrictEqual(JSON.parse(found), JSON.parse(text)) : found === text;
  if (!same && process.argv.includes('--write')) writeFileSync(path, text);
  else if (!same) {
    console.error(`${path} is not what the schema says: npm run generate`);
    process.exitCode = 1;
  }
}
