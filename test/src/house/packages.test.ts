import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { secretFolder } from '@signet/client/user-folders';
import { installedProgram, root, run } from './repository.ts';

const folders = ['core/primitives', 'core/client', 'core/services', 'plugins/verdaccio', 'registry', 'cli'];

type Target = string | { readonly types: string; readonly default: string };

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, Target>>;
  readonly bin?: Readonly<Record<string, string>>;
}

interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** Places a link to everything that npm installed at `from`, except our own packages and type packages but Node's. */
async function linkThirdParty(from: string, to: string): Promise<void> {
  const ours = new Set(['@signet', 'verdaccio-signet', '.bin', '.package-lock.json', '@types']);
  await mkdir(path.join(to, '@types'), { recursive: true });
  for (const name of await readdir(from)) {
    if (!ours.has(name)) await symlink(path.join(from, name), path.join(to, name), 'junction');
  }
  await symlink(path.join(from, '@types/node'), path.join(to, '@types/node'), 'junction');
}

describe('the published packages', () => {
  let temporary = '';
  let consumer = '';
  let packed: readonly Packed[] = [];

  // An environment without the condition that makes Node run our sources, as a user has it.
  const { NODE_OPTIONS: _, ...environment } = process.env;

  before(async function () {
    this.timeout(180_000);
    const build = await run(installedProgram('lerna'), ['run', 'build'], root, environment);
    assert.equal(build.code, 0, build.stdout + build.stderr);

    temporary = await mkdtemp(path.join(tmpdir(), 'signet-packages-'));
    const workspaces = folders.flatMap((folder) => ['--workspace', folder]);
    const options = ['--json', '--ignore-scripts', '--pack-destination', temporary];
    const pack = await run('npm', ['pack', ...workspaces, ...options], root, environment);
    assert.equal(pack.code, 0, pack.stderr);
    // npm 12 answers with an object by name where npm 11 answers with a list.
    const answer = JSON.parse(pack.stdout) as readonly Packed[] | Record<string, Packed>;
    packed = Array.isArray(answer) ? answer : Object.values(answer);

    consumer = path.join(temporary, 'consumer');
    const modules = path.join(consumer, 'node_modules');
    await linkThirdParty(path.join(root, 'node_modules'), modules);
    await writeFile(path.join(consumer, 'package.json'), '{ "private": true, "type": "module" }\n');
    for (const folder of folders) {
      const { name } = await readManifest(path.join(root, folder));
      const filename = packed.find((one) => one.name === name)?.filename ?? assert.fail(`npm did not pack ${folder}`);
      const target = path.join(modules, name);
      await mkdir(target, { recursive: true });
      const args = ['-xzf', path.join(temporary, filename), '-C', target, '--strip-components=1'];
      assert.equal((await run('tar', args, consumer)).code, 0);
      const nested = path.join(root, folder, 'node_modules');
      if (existsSync(nested)) await symlink(nested, path.join(target, 'node_modules'), 'junction');
    }
  });

  after(async () => {
    if (temporary !== '') await rm(temporary, { recursive: true, force: true });
  });

  /** Every entry point of every package with its target, as a consumer sees them. */
  async function entryPoints(): Promise<{ folder: string; specifier: string; target: Target }[]> {
    const perPackage = packed.map(async ({ name }) => {
      const folder = path.join(consumer, 'node_modules', name);
      const { exports } = await readManifest(folder);
      return Object.entries(exports).map(([entry, target]) => ({ folder, specifier: name + entry.slice(1), target }));
    });
    return (await Promise.all(perPackage)).flat();
  }

  it('contain what was built, schemas, a README and the licence, and nothing else', () => {
    assert.equal(packed.length, folders.length);
    for (const { name, files } of packed) {
      const paths = files.map((file) => file.path);
      assert.deepEqual(
        paths.filter((file) => !/^(?:dist|schema)\//.test(file)).sort(),
        ['LICENSE', 'README.md', 'package.json'],
        name,
      );
      const strange = paths.filter((file) => file.startsWith('dist/') && !/\.(js|d\.ts|json)$/.test(file));
      assert.deepEqual(strange, [], name);
    }
  });

  it('hold the target of every entry point', async () => {
    const all = await entryPoints();
    assert.ok(all.length > folders.length);
    for (const { folder, specifier, target } of all) {
      const files = typeof target === 'string' ? [target] : [target.types, target.default];
      for (const file of files) assert.ok(existsSync(path.join(folder, file)), `${specifier}: ${file}`);
    }
  });

  it('have a room in the sources for every entry point', async () => {
    for (const folder of folders) {
      const { name, exports } = await readManifest(path.join(root, folder));
      const sources = Object.values(exports).filter((target) => typeof target !== 'string');
      for (const target of sources) {
        const source = (target as unknown as Record<string, string>)['@signet/source'] ?? assert.fail(name);
        assert.ok(existsSync(path.join(root, folder, source)), `${name}: ${source}`);
      }
    }
  });

  it('can be imported by a plain Node, entry point by entry point', async () => {
    const specifiers = (await entryPoints()).filter(({ target }) => typeof target !== 'string');
    const names = specifiers.map(({ specifier }) => specifier);
    const program = `for (const name of ${JSON.stringify(names)}) {
      const room = await import(name);
      if (Object.keys(room).length === 0) throw new Error(name + ' exports nothing');
      if (!import.meta.resolve(name).endsWith('.js')) throw new Error(name + ' is ' + import.meta.resolve(name));
    }`;
    await writeFile(path.join(consumer, 'imports.mjs'), program);
    const { code, stderr } = await run(process.execPath, ['imports.mjs'], consumer, environment);
    assert.equal(code, 0, stderr);
  });

  it('bring the verifier in a file for each room, without third parties, and its threads', async () => {
    const program = `
      import { registerHooks } from 'node:module';
      const files = [];
      registerHooks({ load: (url, context, next) => { if (url.startsWith('file:')) files.push(url); return next(url, context); } });
      const { TrustMaterial, verifyAll } = await import('@signet/client/verify');
      const loaded = [...files];
      const { publicGood, TrustStore } = await import('@signet/client/trust/tuf');
      const { trustedRoot } = await new TrustStore({ offline: true }).load(publicGood());
      const results = verifyAll([{ bundle: '{' }, { bundle: '{}' }], { trust: TrustMaterial.fromTrustedRoot(trustedRoot) });
      const codes = [];
      for await (const { ok, error } of results) codes.push(ok || error.code);
      console.log(JSON.stringify({ loaded, codes }));`;
    await writeFile(path.join(consumer, 'verifier.mjs'), program);
    const { code, stdout, stderr } = await run(process.execPath, ['verifier.mjs'], consumer, environment);
    assert.equal(code, 0, stderr);
    const { loaded, codes } = JSON.parse(stdout) as { loaded: string[]; codes: string[] };
    assert.ok(loaded.length <= 6, loaded.join('\n'));
    assert.deepEqual(
      loaded.filter((url) => !/\/node_modules\/@signet\/(?:client|primitives)\/dist\//.test(url)),
      [],
    );
    assert.deepEqual(codes, ['ERR_JSON', 'ERR_BUNDLE_FORMAT']);
  });

  it('give TypeScript types that resolve and hold', async () => {
    const specifiers = (await entryPoints()).filter(({ target }) => typeof target !== 'string');
    const lines = specifiers.map(({ specifier }, index) => `import * as room${index} from '${specifier}';`);
    const uses = specifiers.map((_, index) => `room${index}`).join(', ');
    const wrong =
      "import { SignetError } from '@signet/primitives/formats';\nexport const wrong: number = SignetError;";
    await writeFile(
      path.join(consumer, 'types.ts'),
      `${lines.join('\n')}\nexport const rooms = [${uses}];\n${wrong}\n`,
    );
    const options = ['--module', 'nodenext', '--target', 'es2024', '--lib', 'es2024', '--strict', '--noEmit', 'true'];
    const args = [...options, '--types', 'node', '--skipLibCheck', 'false', '--pretty', 'false', 'types.ts'];
    const { stdout } = await run(installedProgram('tsc'), args, consumer, environment);
    // What other people's declarations lack is not ours to mend; ours and the consumer's are judged.
    const complaints = stdout
      .split('\n')
      .filter(
        (line) => /error TS/.test(line) && /^(?:types\.ts|node_modules\/(?:@signet|verdaccio-signet)\/)/.test(line),
      )
      .filter((line) => !/\/node_modules\/(?!@signet|verdaccio-signet).*\/node_modules\//.test(line));
    assert.equal(complaints.length, 1, stdout.slice(0, 4000));
    assert.match(complaints[0] ?? '', /^types\.ts\(.*TS2322/);
  });

  it('keep what the command compiled where its user alone can write, and nothing in CI', async () => {
    const folder = path.join(consumer, 'node_modules/@signet/cli');
    const file = path.join(folder, (await readManifest(folder)).bin?.signet ?? '');
    const { CI: _ci, ...desk } = environment;
    const start = async (home: string, more: NodeJS.ProcessEnv = {}) => {
      const folders = { HOME: home, XDG_CONFIG_HOME: path.join(home, '.config'), APPDATA: home };
      const env = { ...desk, ...folders, ...more };
      const { code, stdout } = await run(process.execPath, [file, '--version'], consumer, env);
      assert.deepEqual([code, /^\d+\.\d+\.\d+\n$/.test(stdout)], [0, true]);
      return path.join(secretFolder(env) ?? '', 'compiled');
    };
    const home = await mkdtemp(path.join(temporary, 'home-'));
    assert.ok(!existsSync(await start(home, { CI: 'true' })));
    const kept = await start(home);
    assert.equal((await readdir(kept)).length, 1);
    if (process.platform !== 'win32') {
      assert.equal((await stat(kept)).mode & 0o777, 0o700);
      await rm(kept, { recursive: true });
      await mkdir(kept);
      await chmod(kept, 0o777);
      assert.deepEqual(await readdir(await start(home)), [], 'others could have put code there');
    }
    const none = path.join(temporary, 'no-home');
    await writeFile(none, 'a file');
    await start(none);
  });

  it('bring the command signet, which starts without the private instance', async () => {
    const folder = path.join(consumer, 'node_modules/@signet/cli');
    const { bin, version } = await readManifest(folder);
    const file = path.join(folder, bin?.signet ?? '');
    assert.match(await readFile(file, 'utf8'), /^#!\/usr\/bin\/env node\n/);
    await rm(path.join(consumer, 'node_modules/@signet/registry'), { recursive: true });
    const { code, stdout, stderr } = await run(process.execPath, [file, '--version'], consumer, environment);
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(version.replaceAll('.', '\\.')));
  });
});
