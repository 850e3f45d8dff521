import assert from 'node:assert/strict';
import { type PluginConfiguration, parseConfiguration } from '../src/configuration.ts';
import { configurationSchema, type Schema } from '../src/configuration-schema.ts';

type Json = Readonly<Record<string, unknown>>;

const least = { names: ['@acme/*'], trustedRoot: './trusted_root.json', policy: './trust-policy.yaml' };
const parse = (section: unknown): PluginConfiguration => parseConfiguration(section, '/etc/verdaccio/config.yaml');

/** Keys that make sense only beside others. */
const beside: Readonly<Record<string, Json>> = {
  advertise: { publicUrl: 'https://npm.acme.example/' },
  attestPublish: {
    publicUrl: 'https://npm.acme.example/',
    signatures: { key: 'a', keys: 'b' },
    witnesses: { signingConfig: 'c' },
  },
  witnesses: { publicUrl: 'https://npm.acme.example/', signatures: { key: 'a', keys: 'b' } },
  trustedPublishing: { publicUrl: 'https://npm.acme.example/' },
};

/** Members that a mapping needs for another member to be tried. */
const companions: Readonly<Record<string, Json>> = {
  'signatures.key': { keys: './keys.json' },
  'signatures.keys': { key: './key.pem' },
  'witnesses.log': { tsa: 'https://npm.acme.example/tsa' },
  'witnesses.tsa': { log: 'https://npm.acme.example/log' },
  'trustedPublishing.package': { issuer: 'https://issuer.example', claims: { sub: 'x' } },
  'trustedPublishing.packages': { issuer: 'https://issuer.example', claims: { sub: 'x' } },
  'trustedPublishing.issuer': { package: '@acme/widgets', claims: { sub: 'x' } },
  'trustedPublishing.claims': { package: '@acme/widgets', issuer: 'https://issuer.example' },
};

interface Key {
  /** Without brackets: `trustedPublishing.issuer`. */
  readonly place: readonly string[];
  readonly schema: Schema;
}

function keysOf(schema: Schema, place: readonly string[] = []): readonly Key[] {
  const mapping = schema.oneOf?.find(({ properties }) => properties) ?? schema.items ?? schema;
  return Object.entries(mapping.properties ?? {}).flatMap(([key, member]) => [
    { place: [...place, key], schema: member },
    ...keysOf(member, [...place, key]),
  ]);
}

/** A whole section in which one key has a value. */
function sectionWith(place: readonly string[], value: unknown): Json {
  const [top = '', ...inner] = place;
  const named = place.join('.');
  const wrapped = inner.reduceRight<unknown>((member, key, index) => {
    const outer = [top, ...inner.slice(0, index + 1)].join('.');
    return { ...(companions[outer] ?? {}), [key]: member };
  }, value);
  const list = top === 'trustedPublishing' && named !== top;
  return { ...least, ...(beside[top] ?? {}), [top]: list ? [wrapped] : wrapped };
}

const wrong = (schema: Schema): readonly unknown[] => {
  const kinds: readonly unknown[] = [42.5, -1, true, '', null, 'ftp://x/', [{}], { 'no such key': 1 }];
  return kinds.filter((value) => {
    if (schema.type === 'boolean') return typeof value !== 'boolean';
    if (schema.format === 'path' || (schema.type === 'string' && schema.format === undefined))
      return value !== 'ftp://x/';
    if (schema.oneOf?.some(({ format }) => format === 'path')) return value !== 'ftp://x/';
    return true;
  });
};

describe('the configuration of the plugin', () => {
  const keys = keysOf(configurationSchema);

  it('has a schema with a type, an example and a word for every key', () => {
    assert.ok(keys.length >= 35);
    for (const { place, schema } of keys) {
      const name = place.join('.');
      assert.ok(schema.description, `${name} has no description`);
      assert.ok(schema.type ?? schema.enum ?? schema.oneOf, `${name} has no type`);
      assert.ok(schema.examples ?? schema.properties, `${name} has no example`);
    }
  });

  it('takes every example and every default of the schema', () => {
    for (const { place, schema } of keys) {
      for (const example of schema.examples ?? []) {
        assert.ok(parse(sectionWith(place, example)), `${place.join('.')}: ${JSON.stringify(example)}`);
      }
      if ('default' in schema) parse(sectionWith(place, schema.default));
    }
  });

  it('is what the schema says where nothing is said', () => {
    const found = parse(least) as unknown as Json;
    const members = { ...found, changes: { ...(found.changes as Json), owners: {} } };
    for (const { place, schema } of keys) {
      if (!('default' in schema) || place[0] === 'uplinks') continue;
      const value = place.reduce<unknown>((from, key) => (from as Json)[key], members);
      assert.deepEqual(value, schema.default, place.join('.'));
    }
    assert.deepEqual((found.changes as Json).owners, []);
    assert.deepEqual(found.uplinks, { mode: 'verify', refreshSeconds: 86_400 });
    assert.deepEqual(parse({ ...least, uplinks: {} }).uplinks, found.uplinks);
  });

  it('is refused when a key has a value of another kind, and the key is named', () => {
    for (const { place, schema } of keys) {
      for (const value of wrong(schema)) {
        assert.throws(
          () => parse(sectionWith(place, value)),
          (error: Error & { code?: string }) =>
            error.code === 'ERR_PLUGIN_CONFIG' && error.message.includes(`signet.${place[0]}`),
          `${place.join('.')}: ${JSON.stringify(value)}`,
        );
      }
    }
  });

  it('is refused with a key that nobody knows, at every depth', () => {
    assert.throws(
      () => parse({ ...least, enabled: true }),
      /unknown key signet\.enabled; known are names, trustedRoot/,
    );
    for (const { place, schema } of keys) {
      if (schema.properties === undefined) continue;
      const name = `signet.${place.join('.')}`;
      assert.throws(() => parse(sectionWith(place, { zzz: 1 })), new RegExp(`unknown key ${name}\\.zzz; known are`));
    }
  });

  it('is refused when a required key is missing', () => {
    for (const key of Object.keys(least)) {
      assert.throws(() => parse({ ...least, [key]: undefined }), new RegExp(`signet\\.${key} is missing`));
    }
    assert.throws(() => parse({ ...least, signatures: { key: 'x' } }), /signet\.signatures\.keys is missing/);
    for (const nothing of [undefined, null, [], 'x']) assert.throws(() => parse(nothing), /signet must be a mapping/);
  });

  it('makes paths absolute from the folder of the file that it stands in', () => {
    const { policy, signatures } = parse({ ...least, signatures: { key: './a.pem', keys: '/b.json' } });
    assert.equal(policy, '/etc/verdaccio/trust-policy.yaml');
    assert.deepEqual(signatures, { key: { file: '/etc/verdaccio/a.pem' }, keys: '/b.json' });
  });

  it('lets groups of trusted publishers name packages and scopes that the registry owns, and no others', () => {
    const group = (more: Json) => ({
      ...least,
      publicUrl: 'https://npm.acme.example/',
      trustedPublishing: [{ issuer: 'https://issuer.example', claims: { sub: 'x' }, ...more }],
    });
    const [one] = parse(group({ packages: ['@acme/a', '@acme/b'] })).trustedPublishing;
    assert.deepEqual(
      ['@acme/a', '@acme/b', '@acme/c'].map((name) => one?.packages.has(name)),
      [true, true, false],
    );
    assert.equal(parse(group({ packages: ['@acme/*'] })).trustedPublishing[0]?.packages.has('@acme/c'), true);
    for (const bad of [
      {},
      { package: '@acme/a', packages: ['@acme/b'] },
      { packages: [] },
      { packages: ['@acme/a', 'express'] },
      { packages: ['*'] },
      { packages: ['@other/*'] },
    ]) {
      assert.throws(() => parse(group(bad)), { code: 'ERR_PLUGIN_CONFIG' }, JSON.stringify(bad));
    }
  });
});
