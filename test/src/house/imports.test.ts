import assert from 'node:assert/strict';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { installedProgram, root, run, withTemporaryFolder } from './repository.ts';

// The table of ARCHITECTURE.md, written down a second time on purpose: scripts/import-table.mjs is what is tested.
const rooms: Record<string, readonly string[]> = {
  'core/primitives/src/formats': [],
  'core/primitives/src/crypto': ['formats'],
  'core/primitives/src/keys': ['formats', 'crypto'],
  'core/client/src/http': [],
  'core/client/src/trust': [],
  'core/client/src/verify': ['trust'],
  'core/client/src/policy': ['verify'],
  'core/client/src/npm': ['trust', 'verify', 'policy'],
  'core/client/src/install': ['http', 'trust', 'verify', 'policy', 'npm'],
  'core/client/src/identity': ['http'],
  'core/client/src/sign': ['http', 'trust', 'verify', 'identity'],
  'core/client/src/publish': ['http', 'trust', 'verify', 'policy', 'npm', 'install', 'identity', 'sign'],
  'core/services/src/log': [],
  'core/services/src/ca': [],
  'core/services/src/tsa': [],
  'core/services/src/tuf': [],
};

const primitives = ['@signet/primitives/formats', '@signet/primitives/crypto', '@signet/primitives/keys'];
const client = ['@signet/client/verify', '@signet/client/policy', '@signet/client/publish'];
const services = ['@signet/services/log', '@signet/services/ca', '@signet/services/tsa'];
const everyPackage = [...primitives, ...client, ...services, '@signet/registry', 'verdaccio-signet', '@signet/cli'];

const packages: Record<string, readonly string[]> = {
  'core/primitives/src': [],
  'core/client/src': primitives,
  'core/services/src': primitives,
  'cli/src': [...primitives, ...client],
  'plugins/verdaccio/src': [...primitives, ...client],
  'registry/src': [...primitives, ...client, ...services, 'verdaccio-signet'],
};

interface Case {
  readonly file: string;
  readonly statement: string;
  readonly allowed: boolean;
}

interface BiomeReport {
  readonly summary: { readonly unchanged: number };
  readonly diagnostics: readonly { readonly location: { readonly path: string } }[];
}

const importOf = (specifier: string) => `import '${specifier}';`;
const neighboursOf = (room: string) =>
  Object.keys(rooms)
    .filter((other) => path.dirname(other) === path.dirname(room) && other !== room)
    .map((other) => path.basename(other));

function* roomCases(): Generator<Case> {
  for (const [room, mayImport] of Object.entries(rooms)) {
    for (const [below, up] of [
      ['', '../'],
      ['inner/', '../../'],
      ['inner/most/', '../../../'],
    ] as const) {
      const file = `${room}/${below}case.ts`;
      for (const other of neighboursOf(room)) {
        yield { file, statement: importOf(`${up}${other}/index.ts`), allowed: mayImport.includes(other) };
        yield { file, statement: importOf(`${up}${other}/inside.ts`), allowed: false };
        yield { file, statement: importOf(`${up}${other}`), allowed: false };
      }
      yield { file, statement: importOf('./beside.ts'), allowed: true };
      if (below !== '') yield { file, statement: importOf(`${up.slice(3)}at-home.ts`), allowed: true };
      yield { file, statement: importOf(`${up}outside.ts`), allowed: false };
      yield { file, statement: importOf(`${up}../../services/src/log/index.ts`), allowed: false };
    }
  }
}

function* packageCases(): Generator<Case> {
  const territories = Object.entries(packages).flatMap(([source, mayImport]) => {
    const ownRooms = Object.keys(rooms).filter((room) => room.startsWith(`${source}/`));
    return (ownRooms.length > 0 ? ownRooms : [source]).map((folder) => ({ folder, mayImport }));
  });
  for (const { folder, mayImport } of territories) {
    const file = `${folder}/case.ts`;
    for (const specifier of everyPackage) {
      const allowed = mayImport.includes(specifier);
      yield { file, statement: importOf(specifier), allowed };
      yield { file, statement: `import type { Name } from '${specifier}';`, allowed };
      yield { file, statement: `export * from '${specifier}';`, allowed };
      yield { file, statement: `await import('${specifier}');`, allowed };
    }
    for (const specifier of ['sigstore', 'sigstore/dist/index.js', '@sigstore/verify', '@sigstore/tuf']) {
      yield { file, statement: importOf(specifier), allowed: false };
    }
  }
}

function* singleCases(): Generator<Case> {
  const formats = 'core/primitives/src/formats/case.ts';
  for (const name of ['fs', 'fs/promises', 'net', 'http', 'https', 'tls', 'child_process', 'dgram']) {
    yield { file: formats, statement: importOf(`node:${name}`), allowed: false };
    yield { file: 'core/primitives/src/crypto/case.ts', statement: importOf(`node:${name}`), allowed: false };
    yield { file: 'core/client/src/verify/case.ts', statement: importOf(`node:${name}`), allowed: false };
    yield { file: 'core/client/src/policy/case.ts', statement: importOf(`node:${name}`), allowed: false };
    yield { file: 'core/primitives/src/keys/case.ts', statement: importOf(`node:${name}`), allowed: true };
  }
  yield { file: formats, statement: importOf('node:crypto'), allowed: true };
  yield { file: formats, statement: importOf('fs'), allowed: false };
  yield { file: formats, statement: importOf('@noble/curves/p256.js'), allowed: false };
  yield { file: 'core/primitives/src/crypto/case.ts', statement: importOf('@noble/curves/p256.js'), allowed: true };
  yield { file: 'core/client/src/verify/case.ts', statement: importOf('re2js'), allowed: true };
  yield { file: 'core/client/src/verify/case.ts', statement: importOf('npm-registry-fetch'), allowed: false };
  yield { file: 'core/client/src/policy/case.ts', statement: importOf('openid-client'), allowed: false };
  yield { file: 'core/client/src/npm/case.ts', statement: importOf('npm-registry-fetch'), allowed: true };
  yield { file: 'core/services/src/ca/case.ts', statement: importOf('fastify'), allowed: true };
  // Fetching trust is a room of its own, so that verifying never loads it.
  yield { file: 'core/client/src/trust/case.ts', statement: importOf('./tuf/index.ts'), allowed: false };
  yield { file: 'core/client/src/verify/case.ts', statement: importOf('../trust/tuf/index.ts'), allowed: false };
  yield { file: 'core/client/src/trust/tuf/case.ts', statement: importOf('../index.ts'), allowed: true };
  yield { file: 'core/client/src/trust/tuf/case.ts', statement: importOf('../inside.ts'), allowed: false };
  yield { file: 'core/client/src/trust/tuf/case.ts', statement: importOf('../../verify/index.ts'), allowed: false };
  // What a run needs in which everything is known loads no cryptography.
  const lockfile = 'core/client/src/npm/lockfile/case.ts';
  yield { file: lockfile, statement: importOf('./beside.ts'), allowed: true };
  yield { file: lockfile, statement: importOf('../inside.ts'), allowed: false };
  yield { file: lockfile, statement: importOf('../index.ts'), allowed: false };
  yield { file: lockfile, statement: importOf('../../verify/index.ts'), allowed: false };
  yield { file: lockfile, statement: importOf('semver'), allowed: false };
  yield { file: 'core/client/src/npm/case.ts', statement: importOf('./lockfile/index.ts'), allowed: true };
  yield { file: 'core/client/src/npm/case.ts', statement: importOf('./lockfile/inside.ts'), allowed: false };
  yield { file: 'core/client/src/install/case.ts', statement: importOf('../npm/lockfile/index.ts'), allowed: true };
  yield { file: 'core/client/src/sign/case.ts', statement: importOf('../npm/lockfile/index.ts'), allowed: false };
  // The command loads a server only where it starts one.
  yield { file: 'cli/src/commands/up.ts', statement: `await import('@signet/registry');`, allowed: true };
  yield { file: 'cli/src/commands/init.ts', statement: importOf('@signet/services/log'), allowed: false };
  yield { file: 'cli/src/commands/publish.ts', statement: `await import('@signet/registry');`, allowed: false };
  // Files that stand in no room, and folders deeper than the restrictions know.
  yield { file: 'core/client/src/case.ts', statement: importOf('./verify/index.ts'), allowed: false };
  yield { file: 'core/client/src/unheard/case.ts', statement: importOf('./beside.ts'), allowed: false };
  yield { file: 'core/client/src/npm/a/b/c/d/case.ts', statement: importOf('./beside.ts'), allowed: false };
  // Tests see their own package from inside and the others as their package does.
  const test = 'core/client/test/verify/case.ts';
  yield { file: test, statement: importOf('../../src/verify/inside.ts'), allowed: true };
  yield { file: test, statement: importOf('@signet/client/trust'), allowed: true };
  yield { file: test, statement: importOf('@signet/primitives/keys'), allowed: true };
  yield { file: test, statement: importOf('@signet/services/log'), allowed: false };
  yield { file: test, statement: importOf('../../../services/src/log/index.ts'), allowed: false };
  const crossing = 'test/src/house/case.ts';
  yield { file: crossing, statement: importOf('@signet/services/log'), allowed: true };
  yield { file: crossing, statement: importOf('@sigstore/verify'), allowed: true };
  yield { file: crossing, statement: importOf('../beside/file.ts'), allowed: true };
  yield { file: crossing, statement: importOf('../../../core/client/src/verify/index.ts'), allowed: false };
}

/** The cases, one file each, as Biome with the project's own configuration judges them: true where it complains. */
async function complaints(cases: readonly Case[]): Promise<{ checked: number; complained: boolean[] }> {
  return await withTemporaryFolder(async (folder) => {
    for (const name of ['biome.json', 'biome.imports.json', '.gitignore']) {
      await cp(path.join(root, name), path.join(folder, name));
    }
    const files = cases.map(({ file }, index) =>
      file.endsWith('case.ts') ? file.replace(/case\.ts$/, `case-${index}.ts`) : file,
    );
    for (const [index, { statement }] of cases.entries()) {
      const file = path.join(folder, files[index] ?? '');
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, `${statement}\n`);
    }
    const only = ['--only=style/noRestrictedImports', '--max-diagnostics=none', '--reporter=json'];
    const { stdout } = await run(installedProgram('biome'), ['lint', ...only, '.'], folder);
    const report = JSON.parse(stdout) as BiomeReport;
    const flagged = new Set(report.diagnostics.map(({ location }) => location.path.replaceAll('\\', '/')));
    return { checked: report.summary.unchanged, complained: files.map((file) => flagged.has(file)) };
  });
}

async function assertJudgedAsTheTableSays(cases: readonly Case[]): Promise<void> {
  const { checked, complained } = await complaints(cases);
  assert.ok(cases.length > 0);
  assert.ok(checked >= cases.length, `Biome looked at ${checked} of ${cases.length} files`);
  const wrong = cases.filter(({ allowed }, index) => allowed === complained[index]);
  const lines = wrong.map(({ file, statement, allowed }) => `${allowed ? 'refused' : 'passed'}: ${file}: ${statement}`);
  assert.deepEqual(lines, []);
}

describe('the import table', () => {
  it('lets a room import the rooms of its row, by their index, and no other', async () => {
    await assertJudgedAsTheTableSays([...roomCases()]);
  });

  it('lets a package import the packages below it, and never the reference client', async () => {
    await assertJudgedAsTheTableSays([...packageCases()]);
  });

  it('keeps input and output, heavy modules and servers where they belong', async () => {
    await assertJudgedAsTheTableSays([...singleCases()]);
  });

  it('is what Biome is configured with', async () => {
    const { code, stderr } = await run(process.execPath, ['scripts/import-table.mjs'], root);
    assert.equal(code, 0, stderr);
  });
});
