import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { packTarball } from './support/package.ts';
import { type Answer, type Parcel, TestRegistry } from './support/registry.ts';

type Json = Record<string, unknown>;

describe('the manifest of a published version', () => {
  let registry: TestRegistry;
  let count = 0;

  before(async () => {
    registry = await TestRegistry.start();
  });

  after(() => registry.remove());

  /**
   * Publishes a tarball with one package.json under a document with another.
   *
   * @param packed members of package.json in the tarball
   * @param published members of the document, instead of or beside those
   */
  async function publish(packed: Json, published: Json = {}): Promise<{ answer: Answer; parcel: Parcel }> {
    count += 1;
    const parcel = await registry.parcel(`@example/manifest-${count}`, '1.0.0', { manifest: packed });
    const versions = parcel.document.versions as Record<string, Json>;
    const manifest = Object.assign(versions['1.0.0'] ?? {}, published);
    for (const [key, value] of Object.entries(manifest)) if (value === undefined) delete manifest[key];
    return { answer: await registry.put(parcel), parcel };
  }

  async function stored({ name }: Parcel): Promise<Json> {
    const document = (await registry.fetch(`/${name.replace('/', '%2f')}`)).json<{ versions: Record<string, Json> }>();
    return document.versions['1.0.0'] ?? {};
  }

  async function assertRefused(member: string, packed: Json, published: Json) {
    const { answer } = await publish(packed, published);
    const what = `${JSON.stringify(packed)} as ${JSON.stringify(published)}`;
    assert.equal(answer.status, 422, `${what}: ${answer.status} ${answer.text}`);
    assert.match(
      String(answer.json().error),
      new RegExp(`${member}.* differs from package\\.json in the tarball`),
      what,
    );
  }

  it('must name the dependencies, commands, scripts and machines of package.json in the tarball', async () => {
    const evil = { evil: '1.0.0' };
    for (const [member, packed, published] of [
      ['dependencies', {}, { dependencies: evil }],
      ['dependencies', { dependencies: evil }, { dependencies: undefined }],
      ['dependencies', { dependencies: evil }, { dependencies: { evil: '2.0.0' } }],
      ['dependencies', {}, { dependencies: ['evil'] }],
      ['dependencies', {}, { dependencies: 'evil' }],
      ['optionalDependencies', {}, { optionalDependencies: evil }],
      ['peerDependencies', {}, { peerDependencies: evil }],
      ['peerDependencies', { peerDependencies: evil }, { peerDependencies: {} }],
      ['peerDependenciesMeta', {}, { peerDependenciesMeta: { evil: { optional: true } } }],
      ['bundleDependencies', {}, { bundleDependencies: ['evil'] }],
      ['bundleDependencies', { bundledDependencies: ['a'], dependencies: { a: '1' } }, { bundledDependencies: ['b'] }],
      ['bin', {}, { bin: { ls: 'evil.js' } }],
      ['bin', { bin: { tool: 'a.js' } }, { bin: { tool: 'b.js' } }],
      ['bin', { bin: { tool: 'a.js' } }, { bin: { tool: 'a.js', ls: 'a.js' } }],
      ['bin', { bin: 'a.js' }, { bin: { ls: 'a.js' } }],
      ['bin', { directories: { bin: 'bin' } }, { bin: { tool: 'lib/tool' } }],
      ['bin', {}, { bin: { tool: { toString: 1 } } }],
      ['engines', { engines: { node: '>=22' } }, { engines: { node: '*' } }],
      ['os', { os: ['linux'] }, { os: ['linux', 'win32'] }],
      ['cpu', {}, { cpu: ['x64'] }],
      ['libc', { libc: 'musl' }, { libc: 'glibc' }],
      ['scripts.preinstall', {}, { scripts: { preinstall: 'node evil.js' } }],
      ['scripts.install', {}, { scripts: { install: 'node evil.js' } }],
      ['scripts.postinstall', { scripts: { postinstall: 'a' } }, { scripts: {} }],
    ] as const) {
      await assertRefused(member, packed, published);
    }
  });

  it('may have the longer forms that npm writes', async () => {
    const { name } = { name: `manifest-${count + 1}` };
    const { answer, parcel } = await publish(
      {
        bin: './cli.js',
        os: 'linux',
        bundledDependencies: true,
        dependencies: { a: '1.0.0' },
        repository: 'github:acme/widgets',
        author: 'Alice <alice@example.com> (https://alice.example/)',
        license: 'MIT',
        main: './index.js',
        keywords: 'a, b',
      },
      {
        bin: { [name]: 'cli.js' },
        os: ['linux'],
        bundledDependencies: undefined,
        bundleDependencies: ['a'],
        repository: { type: 'git', url: 'git+https://github.com/acme/widgets.git' },
        bugs: { url: 'https://github.com/acme/widgets/issues' },
        homepage: 'https://github.com/acme/widgets#readme',
        author: { name: 'Alice', email: 'alice@example.com', url: 'https://alice.example/' },
        main: 'index.js',
        keywords: ['a', 'b'],
      },
    );
    assert.equal(answer.status, 201, answer.text);
    const manifest = await stored(parcel);
    assert.deepEqual(manifest.bin, { [name]: 'cli.js' });
    assert.deepEqual(manifest.repository, { type: 'git', url: 'git+https://github.com/acme/widgets.git' });
    assert.deepEqual(manifest.bugs, { url: 'https://github.com/acme/widgets/issues' });
    assert.equal(manifest.homepage, 'https://github.com/acme/widgets#readme');
    assert.deepEqual(manifest.author, { name: 'Alice', email: 'alice@example.com', url: 'https://alice.example/' });
    assert.deepEqual(manifest.keywords, ['a', 'b']);
  });

  it('says of itself what the tarball says, whatever the document says', async () => {
    const { answer, parcel } = await publish(
      {
        description: 'honest',
        repository: 'https://github.com/acme/widgets',
        homepage: 'https://acme.example/',
        license: 'MIT',
        author: 'Alice',
        scripts: { test: 'mocha' },
        custom: { a: 1 },
      },
      {
        description: 'lies',
        repository: { type: 'git', url: 'git+https://github.com/mallory/widgets.git' },
        homepage: 'https://mallory.example/',
        bugs: { url: 'https://mallory.example/bugs' },
        license: 'GPL-3.0',
        author: { name: 'Mallory' },
        scripts: { test: 'mocha', prepare: 'node evil.js' },
        custom: { a: 2 },
        exports: './evil.js',
        hasInstallScript: false,
        maintainers: [{ name: 'mallory' }],
        deprecated: 'use something else',
        _npmUser: { name: 'trusted', trustedPublisher: { id: 'github' } },
        _resolved: 'https://mallory.example/x.tgz',
        _nodeVersion: '24.0.0',
        gitHead: 'x'.repeat(40),
        unheardOf: true,
      },
    );
    assert.equal(answer.status, 201, answer.text);
    const { dist, _id, readme, ...manifest } = await stored(parcel);
    assert.deepEqual(manifest, {
      name: parcel.name,
      version: '1.0.0',
      description: 'honest',
      repository: 'https://github.com/acme/widgets',
      homepage: 'https://acme.example/',
      license: 'MIT',
      author: 'Alice',
      scripts: { test: 'mocha' },
      custom: { a: 1 },
      contributors: [],
      _nodeVersion: '24.0.0',
    });
    assert.equal(_id, `${parcel.name}@1.0.0`);
  });

  it('has a dist of hashes, place and the registry’s own words', async () => {
    const { parcel, answer } = await publish({}, {});
    assert.equal(answer.status, 201, answer.text);
    count += 1;
    const lying = await registry.parcel(`@example/manifest-${count}`);
    const { dist } = (lying.document.versions as Record<string, { dist: Json }>)['1.0.0'] ?? { dist: {} };
    Object.assign(dist, { 'npm-signature': 'x', unpackedSize: 1, fileCount: 1, signatures: [], provenance: true });
    delete dist.shasum;
    assert.equal((await registry.put(lying)).status, 201);
    for (const one of [parcel, lying]) {
      const said = (await stored(one)).dist as Json;
      assert.deepEqual(Object.keys(said).sort(), ['integrity', 'shasum', 'signatures', 'tarball']);
      assert.equal(said.shasum, createHash('sha1').update(one.tarball).digest('hex'));
      assert.equal((said.signatures as unknown[]).length, 1);
    }
  });

  it('has no links that run something, and nothing that breaks a search', async () => {
    const packed = {
      description: { toString: 1 },
      keywords: [{ toString: 1 }],
      homepage: 'javascript:alert(1)',
      repository: { type: 'git', url: 'java\nscript:alert(1)' },
      bugs: { url: 'data:text/html,x' },
      author: { name: 'Mallory', url: ' JavaScript:alert(1)' },
      funding: ['vbscript:x'],
    };
    const { answer, parcel } = await publish(packed, { description: 'harmless' });
    assert.equal(answer.status, 201, answer.text);
    const manifest = await stored(parcel);
    for (const member of ['description', 'keywords', 'homepage', 'repository', 'bugs', 'author', 'funding']) {
      assert.equal(manifest[member], undefined, member);
    }
    const found = await registry.fetch('/-/v1/search?text=manifest');
    assert.equal(found.status, 200);
    assert.ok(found.json<{ objects: unknown[] }>().objects.length > 0);
  });

  it('is that of the file which npm unpacks, when a tarball holds two', async () => {
    const manifest = { name: '@example/two-manifests', version: '1.0.0' };
    for (const path of [
      'package/package.json',
      'PACKAGE/package.json',
      'package/./package.json',
      'package/PACKAGE.JSON',
    ]) {
      const tarball = packTarball(manifest, [
        { path, text: JSON.stringify({ ...manifest, dependencies: { evil: '1' } }) },
      ]);
      const parcel = await registry.parcel(manifest.name, '1.0.0', { tarball });
      const answer = await registry.put(parcel);
      assert.equal(answer.status, 422, `${path}: ${answer.text}`);
    }
  });
});
