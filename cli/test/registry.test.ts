import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

describe('signet registry', () => {
  let directory: string;
  let storage: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-cli-registry-'));
    storage = join(directory, 'i', 'registry', 'storage');
    await run(['init', '--data', 'i', '--names', '@example/*', '--uplink', 'none'], 0);
    await store('old', 'some bytes');
  });

  after(() => rm(directory, { recursive: true }));

  /** A package as a Verdaccio without the plugin left it: with a SHA-1 only, and unsigned. */
  async function store(base: string, bytes: string) {
    const { createHash } = await import('node:crypto');
    const folder = join(storage, '@example', base);
    await mkdir(folder, { recursive: true });
    const name = `@example/${base}`;
    const shasum = createHash('sha1').update('some bytes').digest('hex');
    const dist = { shasum, tarball: `http://localhost/${name}/-/${base}-1.0.0.tgz` };
    const manifest = {
      name,
      versions: { '1.0.0': { name, version: '1.0.0', dist } },
      'dist-tags': { latest: '1.0.0' },
      time: {},
      _attachments: { [`${base}-1.0.0.tgz`]: { shasum } },
      _distfiles: {},
      _uplinks: {},
    };
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
    await writeFile(join(folder, `${base}-1.0.0.tgz`), bytes);
    const database = join(storage, '.verdaccio-db.json');
    const known = await readFile(database, 'utf8').then(JSON.parse, () => ({ list: [], secret: 'x'.repeat(32) }));
    await writeFile(database, JSON.stringify({ ...known, list: [...known.list, name] }));
  }

  const signet = (words: readonly string[], expected: number) => run(['registry', ...words], expected);

  async function run(words: readonly string[], expected: number): Promise<string> {
    const child = spawn(process.execPath, ['--conditions=@signet/source', main, ...words], {
      cwd: directory,
      env: { PATH: process.env.PATH, HOME: directory },
    });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    assert.equal(code, expected, `${words.join(' ')}\n${stdout}${stderr}`);
    return stdout;
  }

  it('tells of what nobody signed, without changing it', async () => {
    const before = await readFile(join(storage, '@example', 'old', 'package.json'), 'utf8');
    const report = JSON.parse(await signet(['audit', '--data', 'i', '--json'], 10));
    assert.deepEqual([report.versions, report.refused, report.damaged], [1, 1, 0]);
    assert.equal(report.packages[0].signature, 'missing');
    assert.equal(await readFile(join(storage, '@example', 'old', 'package.json'), 'utf8'), before);
  });

  it('signs it, and says what it left unsigned', async () => {
    await store('changed', 'other bytes');
    const result = JSON.parse(await signet(['backfill', '--data', 'i', '--json'], 11));
    assert.deepEqual([result.versions, result.changed], [2, 1]);
    assert.deepEqual(
      result.left.map(({ name }: { name: string }) => name),
      ['@example/changed'],
    );
    const manifest = JSON.parse(await readFile(join(storage, '@example', 'old', 'package.json'), 'utf8'));
    assert.match(manifest.versions['1.0.0'].dist.integrity, /^sha512-/);
    assert.equal(manifest.versions['1.0.0'].dist.signatures.length, 1);
    const report = await signet(['audit', '--data', 'i'], 10);
    assert.match(report, /REFUSED\t@example\/old@1\.0\.0/);
  });

  it('finds bytes that were changed', async () => {
    await writeFile(join(storage, '@example', 'old', 'old-1.0.0.tgz'), 'yet other bytes');
    const report = await signet(['verify', '--all', '--data', 'i'], 11);
    assert.match(report, /DAMAGED\t@example\/old@1\.0\.0[\s\S]*its tarball is changed/);
  });

  it('does the same for a Verdaccio of somebody’s own', async () => {
    const folder = join(directory, 'own');
    await mkdir(folder);
    await writeFile(
      join(folder, 'config.yaml'),
      `storage: ${JSON.stringify(storage)}
auth: { htpasswd: { file: ./htpasswd } }
packages: { '**': { access: $all, publish: $authenticated } }
middlewares:
  signet:
    names: ['@example/*']
    trustedRoot: ../i/trust/trusted_root.json
    policy: ../i/trust-policy.yaml
    signatures: { key: ./registry.pem, keys: ./registry-keys.json }
`,
    );
    const report = JSON.parse(await signet(['audit', '--config', 'own/config.yaml', '--json'], 11));
    assert.equal(report.versions, 2);
    assert.equal(report.packages[0].signature, 'invalid', 'it is the key of another registry');
  });
});
