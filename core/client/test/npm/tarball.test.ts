import assert from 'node:assert/strict';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { readTarballManifest } from '@signet/client/npm';
import { concat, utf8 } from '@signet/primitives/formats';
import fc from 'fast-check';
import { Header } from 'tar';

type Entry = {
  path: string;
  content?: string | Uint8Array;
  type?: 'File' | 'SymbolicLink' | 'Directory';
  linkpath?: string;
};

const manifest = JSON.stringify({ name: '@acme/widgets', version: '1.2.3', files: ['lib'] });
const good: Entry = { path: 'package/package.json', content: manifest };

function tar(...entries: Entry[]): Uint8Array {
  const blocks = entries.flatMap(({ path, content = '', type = 'File', linkpath }) => {
    const body = typeof content === 'string' ? utf8(content) : content;
    const block = Buffer.alloc(512);
    new Header({ path, type, size: body.length, mode: 0o644, ...(linkpath === undefined ? {} : { linkpath }) }).encode(
      block,
    );
    return [block, body, new Uint8Array((512 - (body.length % 512)) % 512)];
  });
  return concat(...blocks, new Uint8Array(1024));
}

const tgz = (...entries: Entry[]): Uint8Array => gzipSync(tar(...entries));

describe('package tarballs', () => {
  it('tell name and version of their package.json, wherever it stands and whatever the folder is called', async () => {
    const readme = { path: 'package/README.md', content: 'x'.repeat(2000) };
    for (const bytes of [
      tgz(good),
      tgz(readme, good),
      tgz(
        readme,
        { ...good, path: 'widgets-1.2.3/package.json' },
        { path: 'widgets-1.2.3/lib/package.json', content: '{}' },
      ),
      tgz({ path: 'package/', type: 'Directory' }, good),
    ]) {
      const { name, version, manifest: whole } = await readTarballManifest(bytes);
      assert.deepEqual([name, version, whole.files], ['@acme/widgets', '1.2.3', ['lib']]);
    }
  });

  it('have the name and version that npm reads: of two members the last, escaped or not', async () => {
    // After the first document, V8's JSON.parse takes the escaped member of the second for another.
    JSON.parse('{"name":"a","versio\\\\":"1.0.0"}');
    for (const content of [
      '{"name":"a","versio\\u006e":"2.0.0"}',
      '{"name":"a","version":"1.0.0","versio\\u006e":"2.0.0"}',
      '{"name":"b","name":"a","version":"1.0.0","version":"2.0.0"}',
    ]) {
      const { name, version } = await readTarballManifest(tgz({ ...good, content }));
      assert.deepEqual([name, version], ['a', '2.0.0'], content);
    }
  });

  const second = JSON.stringify({ name: 'evil', version: '6.6.6' });
  const refused: Record<string, Uint8Array> = {
    'a second package.json, which would win': tgz(good, { path: 'package/package.json', content: second }),
    'a second package.json from another folder': tgz(good, { path: 'other/package.json', content: second }),
    'a second package.json in another case': tgz(good, { path: 'package/Package.JSON', content: second }),
    'a package.json that is a link': tgz({ path: 'package/package.json', type: 'SymbolicLink', linkpath: 'evil.json' }),
    'a detour in a path': tgz(good, { path: 'package/./package.json', content: second }),
    'a climb in a path': tgz(good, { path: 'package/lib/../package.json', content: second }),
    'a path with a backslash': tgz(good, { path: 'package\\package.json', content: second }),
    'an absolute path': tgz(good, { path: '/package/x', content: '' }),
    'no package.json': tgz({ path: 'package/index.js', content: '' }),
    'a package.json only deeper down': tgz({ path: 'package/lib/package.json', content: manifest }),
    'a package.json that is not JSON': tgz({ ...good, content: '{' }),
    'a package.json that is not UTF-8': tgz({ ...good, content: Uint8Array.of(0x7b, 0xff, 0x7d) }),
    'a package.json that is a list': tgz({ ...good, content: '[]' }),
    'no name': tgz({ ...good, content: '{"version":"1.0.0"}' }),
    'a name that is none': tgz({ ...good, content: '{"name":"../evil","version":"1.0.0"}' }),
    'a version that is none': tgz({ ...good, content: '{"name":"a","version":"latest"}' }),
    'a truncated archive': gzipSync(tar(good).subarray(0, 600)),
    'a truncated gzip stream': tgz(good).subarray(0, -12),
    'a damaged checksum': gzipSync(tar(good).with(0, 0x71)),
    'no compression': tar(good),
    'another compression': brotliCompressSync(tar(good)),
    'a second compression': gzipSync(tgz(good)),
    'no bytes': new Uint8Array(),
  };
  for (const [what, bytes] of Object.entries(refused)) {
    it(`are refused with ${what}`, () => assert.rejects(readTarballManifest(bytes), { code: 'ERR_TARBALL' }));
  }

  it('may not unpack to more than the limit', async () => {
    const bomb = gzipSync(concat(tar(good), new Uint8Array(8 * 1024 * 1024)));
    assert.ok(bomb.length < 20_000);
    await assert.rejects(readTarballManifest(bomb, { unpackedBytes: 1024 * 1024 }), { code: 'ERR_INPUT_TOO_LARGE' });
    const long = { ...good, content: `${manifest}${' '.repeat(5000)}` };
    await assert.rejects(readTarballManifest(tgz(long), { manifestBytes: 4096 }), { code: 'ERR_TARBALL' });
    await assert.rejects(readTarballManifest(tgz(good, good, good), { entries: 2 }), { code: 'ERR_TARBALL' });
  });

  it('are read to their end, and what follows it is only counted', async () => {
    // A reader that keeps what follows copies it with every chunk: this would not end in minutes.
    const padded = Buffer.concat([tgz(good), ...Array(4).fill(gzipSync(new Uint8Array(64 * 1024 * 1024)))]);
    assert.equal((await readTarballManifest(padded)).name, '@acme/widgets');
    const limit = { unpackedBytes: 128 * 1024 * 1024 };
    await assert.rejects(readTarballManifest(padded, limit), { code: 'ERR_INPUT_TOO_LARGE' });
  });

  it('never fail in another way than with a Signet error', async () => {
    const whole = tar(good, { path: 'package/a', content: 'b' });
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 }), async (at, byte) => {
        const error = await readTarballManifest(gzipSync(whole.with(at, byte), { level: 1 })).then(
          () => undefined,
          (reason: unknown) => reason as Error,
        );
        assert.ok(error === undefined || error.name === 'SignetError', String(error?.stack));
      }),
      { numRuns: 300 },
    );
  });
});
