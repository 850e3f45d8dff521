import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toPem } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { formatInstanceFile, parseInstanceFile, parseIssuers } from '@signet/registry/operator';
import { createAuthority } from '@signet/services/ca';
import { parseDocument } from 'yaml';
import { root } from '../house/repository.ts';

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | false;
}

interface Key {
  readonly schema: Schema;
  readonly required: boolean;
}

/** Keys that stand for any name: an issuer's URL, a provider. */
function keysOf(schema: Schema, prefix = ''): Map<string, Key> {
  const keys = new Map<string, Key>();
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    const path = prefix + name;
    keys.set(path, { schema: member, required: schema.required?.includes(name) ?? false });
    for (const [key, value] of keysOf(member, `${path}.`)) keys.set(key, value);
    const any = member.additionalProperties;
    if (any) for (const [key, value] of keysOf(any, `${path}.NAME.`)) keys.set(key, value);
  }
  return keys;
}

/** The keys that stand in a value, by the same paths; what the schema leaves open is not looked into. */
function keysIn(schema: Schema, value: unknown, prefix = ''): Set<string> {
  const found = new Set<string>();
  if (schema.properties === undefined || typeof value !== 'object' || value === null) return found;
  for (const [name, member] of Object.entries(value)) {
    found.add(prefix + name);
    const next = schema.properties[name] ?? {};
    for (const key of keysIn(next, member, `${prefix}${name}.`)) found.add(key);
    const any = next.additionalProperties;
    if (!any) continue;
    for (const one of Object.values(member ?? {})) {
      for (const key of keysIn(any, one, `${prefix}${name}.NAME.`)) found.add(key);
    }
  }
  return found;
}

describe('the page of the configuration', () => {
  let page: string;
  const schemas = new Map<string, Schema>();

  before(async () => {
    page = await readFile(join(root, 'docs/operator/configuration.md'), 'utf8');
    for (const [name, file] of [
      ['instance.yaml', 'registry/schema/instance.schema.json'],
      ['issuers.yaml', 'core/services/schema/issuers.schema.json'],
    ] as const) {
      schemas.set(name, JSON.parse(await readFile(join(root, file), 'utf8')));
    }
  });

  const sectionOf = (name: string) =>
    page.split(/^## /m).find((section) => section.startsWith(name)) ?? assert.fail(name);
  const exampleOf = (name: string) => /```yaml\n(.*?)```/s.exec(sectionOf(name))?.[1] ?? assert.fail(name);
  const schemaOf = (name: string) => schemas.get(name) ?? assert.fail(name);

  for (const name of ['instance.yaml', 'issuers.yaml']) {
    it(`explains every key of ${name} that the schema has, with default and type, and no other`, () => {
      const keys = keysOf(schemaOf(name));
      const rows = [...sectionOf(name).matchAll(/^\| `([^`|]+)` \| ([^|]*) \| ([^|]*) \| ([^|]+) \|$/gm)];
      assert.deepEqual(
        rows.map(([, key]) => key),
        [...keys.keys()],
      );
      for (const [, key = '', type = '', fallback = ''] of rows) {
        const { schema, required } = keys.get(key) ?? assert.fail(key);
        assert.equal(fallback === 'required', required, `${key}: is it required?`);
        assert.equal(fallback === 'none', !required && schema.default === undefined, `${key}: has it a default?`);
        for (const value of schema.enum ?? []) assert.ok(type.includes(`\`${value}\``), `${key}: ${value}`);
      }
    });
  }

  it('has an example of instance.yaml with every key, which the reader takes', () => {
    const [example, schema] = [exampleOf('instance.yaml'), schemaOf('instance.yaml')];
    const read = parseInstanceFile(example);
    assert.deepEqual(
      [read.tls?.key, read.log?.limits.issuer],
      ['/etc/signet/tls.key', { perSecond: 500, burst: 10_000 }],
    );
    const shown = keysIn(schema, parseDocument(example).toJS());
    assert.deepEqual([...shown].sort(), [...keysOf(schema).keys()].sort());
  });

  it('is of the reader’s mind on what instance.yaml may leave out, and on what it may not', () => {
    const schema = schemaOf('instance.yaml');
    const whole = parseDocument(exampleOf('instance.yaml')).toJS();
    const without = (path: string) => {
      const copy = structuredClone(whole);
      const [last = '', ...parents] = path.split('.').reverse();
      delete parents.reverse().reduce((value, key) => value[key], copy)[last];
      return JSON.stringify(copy);
    };
    for (const [key, { required }] of keysOf(schema)) {
      // Rates come in pairs or not at all.
      if (required) assert.throws(() => parseInstanceFile(without(key)), { code: /ERR_INSTANCE_|ERR_LOG_CONFIG/ }, key);
      else parseInstanceFile(without(key));
    }
    const bare = parseInstanceFile(
      JSON.stringify(Object.fromEntries((schema.required ?? []).map((key) => [key, whole[key]]))),
    );
    const defaults = Object.entries(schema.properties ?? {}).filter(([, { default: value }]) => value !== undefined);
    for (const [key, { default: value }] of defaults) assert.deepEqual(bare[key as keyof typeof bare], value, key);
    assert.equal(bare.limits.publishBytes, schema.properties?.limits?.properties?.publishBytes?.default);
  });

  it('knows every key that init writes, commented out ones too', () => {
    const { log: _, tls: _tls, ...fresh } = parseInstanceFile(exampleOf('instance.yaml'));
    const text = formatInstanceFile(fresh);
    const keys = keysOf(schemaOf('instance.yaml'));
    for (const [, key = ''] of text.matchAll(/^#?([a-zA-Z]+):/gm)) assert.ok(keys.has(key), key);
  });

  it('names the same keys of the log in instance.yaml as the reader does when it meets another', () => {
    const { properties = {} } = schemaOf('instance.yaml').properties?.log ?? {};
    const limits = properties.limits?.properties ?? {};
    for (const [log, known] of [
      [{ x: 1 }, properties],
      [{ limits: { x: 1 } }, limits],
    ] as const) {
      const whole = parseDocument(exampleOf('instance.yaml')).toJS();
      let expected = '';
      try {
        parseInstanceFile(JSON.stringify({ ...whole, log }));
      } catch (error) {
        expected = /known are (.*)$/.exec((error as Error).message)?.[1] ?? '';
      }
      assert.deepEqual(expected.split(', ').sort(), Object.keys(known).sort());
    }
  });

  it('has an example of issuers.yaml with every key, which the reader takes', async () => {
    const schema = schemaOf('issuers.yaml');
    const signer = generateSigner('PKIX_ECDSA_P384_SHA_384');
    const { root: certificate } = await createAuthority({
      name: 'acme',
      rootSigner: signer,
      intermediateSigner: signer,
    });
    const pem = toPem('CERTIFICATE', certificate).trimEnd().replaceAll('\n', '\n      ');
    const example = exampleOf('issuers.yaml').replace('CERTIFICATE', pem);
    const read = parseIssuers(example);
    assert.deepEqual([read.issuers.length, read.metaIssuers.length], [4, 1]);
    assert.equal(read.find('https://build.acme.example')?.provider?.name, 'acme-build');
    const shown = keysIn(schema, parseDocument(example).toJS({ maxAliasCount: 100 }));
    assert.deepEqual([...shown].sort(), [...keysOf(schema).keys()].sort());
  });

  it('names the same keys of issuers.yaml as the reader does when it meets another', () => {
    const schema = schemaOf('issuers.yaml');
    const refusals: readonly [string, Schema | undefined | false][] = [
      ['x: 1', schema],
      ['oidc-issuers: { "https://a.example": { x: 1 } }', schema.properties?.['oidc-issuers']?.additionalProperties],
      ['ci-issuer-metadata: { a: { x: 1 } }', schema.properties?.['ci-issuer-metadata']?.additionalProperties],
    ];
    for (const [text, part] of refusals) {
      let expected = '';
      try {
        parseIssuers(text);
      } catch (error) {
        expected = (error as { expected?: string }).expected ?? '';
      }
      assert.ok(part);
      assert.deepEqual(expected.split(', ').sort(), Object.keys(part.properties ?? {}).sort(), text);
    }
    const types = schema.properties?.['oidc-issuers'];
    const { enum: known = [] } = (types?.additionalProperties ? types.additionalProperties : {}).properties?.type ?? {};
    for (const type of known) {
      const more = {
        'ci-provider': 'github-workflow',
        'spiffe-trust-domain': 'a.example',
        'subject-domain': 'a.example',
      };
      const wanted = { 'ci-provider': ['ci-provider'], spiffe: ['spiffe-trust-domain'], username: ['subject-domain'] };
      const keys = wanted[type as keyof typeof wanted] ?? [];
      const issuer = { type, ...Object.fromEntries(keys.map((key) => [key, more[key as keyof typeof more]])) };
      if (type === 'uri') Object.assign(issuer, { 'subject-domain': 'https://a.example' });
      parseIssuers(JSON.stringify({ 'oidc-issuers': { 'https://a.example': issuer } }));
    }
  });
});
