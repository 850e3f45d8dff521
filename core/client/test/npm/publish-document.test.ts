import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { createPublishDocument, type JsonObject, parsePublishDocument, sha512Integrity } from '@signet/client/npm';
import { utf8 } from '@signet/primitives/formats';
import fc from 'fast-check';

/** Those parts of a document that the attacks change. */
interface Draft {
  versions: { '1.2.3': { dist: object } };
  _attachments: { '@acme/widgets-1.2.3.tgz': object; '@acme/widgets-1.2.3.sigstore': object };
  'dist-tags': object;
}

const bundle = { mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json', note: 'später ✓' };
const tarball = utf8('not yet a tarball');

function documentOf(name: string, extra: { bundle?: unknown } = { bundle }): JsonObject {
  const manifest = { name, version: '1.2.3', description: 'An example' };
  return createPublishDocument({ manifest, tarball, registry: 'https://npm.acme.example/base', tag: 'next', ...extra });
}

/** A copy of a good document, for spoiling. */
function spoil(change: (document: Draft) => void, name = '@acme/widgets'): unknown {
  const copy = JSON.parse(JSON.stringify(documentOf(name))) as Draft;
  change(copy);
  return copy;
}

describe('publish documents', () => {
  for (const name of ['@acme/widgets', 'widgets']) {
    it(`are read as they were written, for ${name}`, () => {
      const parsed = parsePublishDocument(documentOf(name));
      assert.equal(parsed.name, name);
      assert.equal(parsed.version, '1.2.3');
      assert.deepEqual(parsed.tags, ['next']);
      assert.deepEqual(parsed.tarball, tarball);
      assert.equal(parsed.tarballName, 'widgets-1.2.3.tgz');
      assert.equal(parsed.tarballKey, `${name}-1.2.3.tgz`);
      assert.equal(parsed.integrity, sha512Integrity(tarball));
      assert.deepEqual(parsed.bundle, bundle);
      assert.equal(parsed.bundleText, JSON.stringify(bundle));
      assert.equal(parsed.bundleName, 'widgets-1.2.3.sigstore');
      assert.equal(parsed.bundleKey, `${name}-1.2.3.sigstore`);
    });
  }

  it('can come as text or bytes', () => {
    const json = JSON.stringify(documentOf('widgets'));
    assert.equal(parsePublishDocument(json).name, 'widgets');
    assert.equal(parsePublishDocument(utf8(json)).name, 'widgets');
    assert.throws(() => parsePublishDocument(`${json}}`), { code: 'ERR_PUBLISH_DOCUMENT' });
    assert.throws(() => parsePublishDocument(json, { document: 100 }), { code: 'ERR_INPUT_TOO_LARGE' });
    assert.throws(() => parsePublishDocument(json, { bundle: 10 }), { code: 'ERR_INPUT_TOO_LARGE' });
  });

  it('need no bundle', () => {
    const parsed = parsePublishDocument(documentOf('widgets', {}));
    assert.equal('bundle' in parsed, false);
  });

  it('of npm’s own publisher are read, and ours are the same', async () => {
    const { publish } = createRequire(import.meta.url)('libnpmpublish') as {
      publish(manifest: unknown, tarball: Buffer, options: unknown): Promise<unknown>;
    };
    let received = '';
    const server = createServer(async (request, response) => {
      received = await text(request);
      response.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const manifest = { name: '@acme/widgets', version: '1.2.3', description: 'An example' };
      await publish(manifest, Buffer.from(tarball), { registry, defaultTag: 'next', access: 'public' });
      assert.equal(parsePublishDocument(received).tarballName, 'widgets-1.2.3.tgz');
      const ours = createPublishDocument({ manifest, tarball, registry, tag: 'next', access: 'public' });
      assert.deepEqual(JSON.parse(JSON.stringify(ours)), JSON.parse(received));
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  const evil = utf8('evil');
  const attacks: Record<string, [change: (document: Draft) => void, code?: string]> = {
    'another name at the top': [(d) => Object.assign(d, { name: '@acme/other' })],
    'another _id': [(d) => Object.assign(d, { _id: 'left-pad' })],
    'another name in the manifest': [(d) => Object.assign(d.versions['1.2.3'], { name: 'left-pad' })],
    'another version in the manifest': [(d) => Object.assign(d.versions['1.2.3'], { version: '1.2.4' })],
    'another _id in the manifest': [(d) => Object.assign(d.versions['1.2.3'], { _id: '@acme/widgets@9.9.9' })],
    'a second version': [(d) => Object.assign(d.versions, { '1.2.4': {} })],
    'no version': [(d) => Object.assign(d, { versions: {} })],
    'a version that is a range': [(d) => Object.assign(d, { versions: { '^1.2.3': d.versions['1.2.3'] } })],
    'versions that are a list': [(d) => Object.assign(d, { versions: [d.versions['1.2.3']] })],
    'a version only on the prototype': [(d) => Object.assign(d, { versions: {}, toString: 1 })],
    'a second tarball under its unscoped name': [
      (d) => Object.assign(d._attachments, { 'widgets-1.2.3.tgz': d._attachments['@acme/widgets-1.2.3.tgz'] }),
    ],
    'a second bundle': [
      (d) =>
        Object.assign(d._attachments, { 'widgets-1.2.3.sigstore': d._attachments['@acme/widgets-1.2.3.sigstore'] }),
    ],
    'an attachment of another version': [(d) => Object.assign(d._attachments, { '@acme/widgets-1.2.2.tgz': {} })],
    'an attachment with a path': [(d) => Object.assign(d._attachments, { '../../widgets-1.2.3.tgz': {} })],
    'an attachment of another scope': [(d) => Object.assign(d._attachments, { '@evil/widgets-1.2.3.tgz': {} })],
    'an attachment named __proto__': [
      (d) => Object.defineProperty(d._attachments, '__proto__', { value: {}, enumerable: true }),
    ],
    'no tarball': [(d) => Reflect.deleteProperty(d._attachments, '@acme/widgets-1.2.3.tgz')],
    'a tarball with a wrong length': [(d) => Object.assign(d._attachments['@acme/widgets-1.2.3.tgz'], { length: 1 })],
    'a tarball without a length': [(d) => Reflect.deleteProperty(d._attachments['@acme/widgets-1.2.3.tgz'], 'length')],
    'a tarball whose base64 has a space': [
      (d) =>
        Object.assign(d._attachments['@acme/widgets-1.2.3.tgz'], {
          data: `${Buffer.from(tarball).toString('base64')} `,
        }),
    ],
    'an empty tarball': [(d) => Object.assign(d._attachments['@acme/widgets-1.2.3.tgz'], { data: '', length: 0 })],
    'other bytes than dist.integrity': [
      (d) =>
        Object.assign(d._attachments['@acme/widgets-1.2.3.tgz'], {
          data: Buffer.from(evil).toString('base64'),
          length: evil.length,
        }),
      'ERR_INTEGRITY_MISMATCH',
    ],
    'no dist.integrity': [(d) => Reflect.deleteProperty(d.versions['1.2.3'].dist, 'integrity')],
    'two hashes in dist.integrity': [
      (d) =>
        Object.assign(d.versions['1.2.3'].dist, { integrity: `${sha512Integrity(tarball)} ${sha512Integrity(evil)}` }),
      'ERR_INTEGRITY_FORMAT',
    ],
    'another shasum': [
      (d) => Object.assign(d.versions['1.2.3'].dist, { shasum: createHash('sha1').update(evil).digest('hex') }),
      'ERR_INTEGRITY_MISMATCH',
    ],
    'another file in dist.tarball': [
      (d) => Object.assign(d.versions['1.2.3'].dist, { tarball: 'http://x.example/@acme/widgets/-/widgets-1.2.4.tgz' }),
    ],
    'a dist.tarball that is no URL': [(d) => Object.assign(d.versions['1.2.3'].dist, { tarball: 'widgets-1.2.3.tgz' })],
    'a bundle that is not JSON': [
      (d) => Object.assign(d._attachments['@acme/widgets-1.2.3.sigstore'], { data: '{', length: 1 }),
    ],
    'a bundle with a key twice': [
      (d) => Object.assign(d._attachments['@acme/widgets-1.2.3.sigstore'], { data: '{"a":1,"a":2}', length: 13 }),
    ],
    'a bundle that is a list': [
      (d) => Object.assign(d._attachments['@acme/widgets-1.2.3.sigstore'], { data: '[]', length: 2 }),
    ],
    'a bundle with a wrong length': [
      (d) => Object.assign(d._attachments['@acme/widgets-1.2.3.sigstore'], { length: 3 }),
    ],
    'a tag that points elsewhere': [(d) => Object.assign(d['dist-tags'], { latest: '0.0.1' })],
    'a tag that is a range': [(d) => Object.assign(d['dist-tags'], { '1.x': '1.2.3' })],
    'an unknown access': [(d) => Object.assign(d, { access: 'everyone' })],
  };
  for (const [what, [change, code = 'ERR_PUBLISH_DOCUMENT']] of Object.entries(attacks)) {
    it(`are refused with ${what}`, () => assert.throws(() => parsePublishDocument(spoil(change)), { code }));
  }

  it('are refused as text with a key twice, however it is spelled', () => {
    const text = JSON.stringify(spoil(() => undefined));
    parsePublishDocument(text);
    for (const again of ['"access":null,', '"_\\u0061ttachments":{},']) {
      assert.throws(() => parsePublishDocument(text.replace('{', `{"access":null,${again}`)), {
        code: 'ERR_PUBLISH_DOCUMENT',
      });
    }
  });

  it('never fail in another way than with a Signet error', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 6 }),
        fc.constantFrom('', 'versions', '_attachments', 'dist-tags'),
        (value, at) => {
          const body = at === '' ? value : spoil((document) => Object.assign(document, { [at]: value }));
          try {
            parsePublishDocument(body);
          } catch (error) {
            assert.match((error as { code?: string }).code ?? String(error), /^ERR_/);
            assert.equal((error as Error).name, 'SignetError');
          }
        },
      ),
    );
  });

  it('are not made of what npm would not publish', () => {
    const registry = 'http://127.0.0.1/';
    const make = (manifest: JsonObject, extra = {}): unknown =>
      createPublishDocument({ manifest, tarball, registry, ...extra });
    for (const manifest of [
      { name: 'Upper', version: '1.0.0' },
      { name: 'a' },
      { name: 'a', version: 'v1.0.0' },
      { name: 'a', version: '1.0.0+build' },
      { name: 'a', version: '1.0.0', private: true },
      { name: 'a', version: '1.0.0', packageExtensions: {} },
    ]) {
      assert.throws(() => make(manifest), { code: 'ERR_PUBLISH_DOCUMENT' });
    }
    const manifest = { name: 'a', version: '1.0.0' };
    assert.throws(() => make(manifest, { tag: '1.x' }), { code: 'ERR_PUBLISH_DOCUMENT' });
    assert.throws(() => make(manifest, { access: 'restricted' }), { code: 'ERR_PUBLISH_DOCUMENT' });
    assert.throws(() => make(manifest, { bundle: {} }), { code: 'ERR_PUBLISH_DOCUMENT' });
  });
});
