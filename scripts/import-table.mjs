// Who may import whom: the one table behind Biome's import restrictions.
//
// `node scripts/import-table.mjs --write` turns it into biome.imports.json, which biome.json extends. `npm run check`
// fails when the two differ, and test/src/house/imports.test.ts tries every forbidden edge.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Folders below a room, and below a package's `test/`, that the restrictions know. Relative paths mean something else
 * at every depth, so each depth has its own patterns; a file deeper than this may import nothing.
 */
export const deepest = 3;

// Node's modules that reach files, processes or the network. A room with `io: false` imports none of them.
const inputAndOutput = [
  'fs',
  'net',
  'http',
  'https',
  'http2',
  'tls',
  'dgram',
  'dns',
  'child_process',
  'cluster',
  'sqlite',
];

/**
 * One entry a package. `packages` are the workspace packages it may import, by entry point. A package with `rooms` has
 * nothing but rooms in its `src`. Of a room:
 *
 * - `rooms`: the rooms of the same package that it may import, each only by its `index.ts`;
 * - `packages`: entry points of other packages; without it, those of its package;
 * - `modules`: third-party modules that it may import; without it, any that its package.json declares;
 * - `io: false`: no module of Node's that does input or output.
 *
 * `exceptions` give single files one package more.
 */
export const table = [
  {
    folder: 'core/primitives',
    name: '@signet/primitives',
    packages: [],
    rooms: {
      formats: { rooms: [], modules: [], io: false },
      crypto: { rooms: ['formats'], modules: ['@noble/curves'], io: false },
      keys: { rooms: ['formats', 'crypto'], modules: ['pkcs11js'] },
    },
  },
  {
    folder: 'core/client',
    name: '@signet/client',
    packages: ['@signet/primitives'],
    rooms: {
      // Requests with every bound that a request must have; not an entry point, for the rooms that ask services.
      http: { rooms: [] },
      trust: { rooms: [], modules: [] },
      'trust/tuf': { rooms: ['http', 'trust'], modules: ['tuf-js', '@tufjs/models'] },
      verify: { rooms: ['trust'], modules: ['re2js'], io: false },
      policy: { rooms: ['verify'], modules: ['re2js', 'semver', 'yaml'], io: false },
      // Names, hashes and lockfiles: all that a run needs in which everything is known already, so that it starts fast.
      'npm/lockfile': { rooms: [], modules: ['yaml'], io: false },
      npm: { rooms: ['trust', 'verify', 'policy', 'npm/lockfile'] },
      install: { rooms: ['http', 'trust', 'trust/tuf', 'verify', 'policy', 'npm', 'npm/lockfile'] },
      identity: { rooms: ['http'] },
      sign: { rooms: ['http', 'trust', 'verify', 'identity'] },
      publish: { rooms: ['http', 'trust', 'trust/tuf', 'verify', 'policy', 'npm', 'install', 'identity', 'sign'] },
    },
  },
  {
    folder: 'core/services',
    name: '@signet/services',
    packages: ['@signet/primitives'],
    rooms: {
      log: { rooms: [] },
      // What the servers' HTTP layers share; not an entry point.
      http: { rooms: [] },
      ca: { rooms: ['http'] },
      tsa: { rooms: ['http'] },
      tuf: { rooms: ['http'] },
    },
  },
  {
    folder: 'cli',
    name: '@signet/cli',
    packages: ['@signet/primitives', '@signet/client'],
    // Loaded if it is installed, by the commands that run a server: a consumer's install stays small.
    exceptions: {
      '@signet/registry': [
        'src/commands/init.ts',
        'src/commands/up.ts',
        'src/commands/dev.ts',
        'src/commands/log/server-side.ts',
        'src/commands/operator/load.ts',
      ],
    },
  },
  {
    folder: 'plugins/verdaccio',
    name: 'verdaccio-signet',
    packages: ['@signet/primitives', '@signet/client'],
  },
  {
    folder: 'registry',
    name: '@signet/registry',
    packages: ['@signet/primitives', '@signet/client', '@signet/services', 'verdaccio-signet'],
  },
];

const workspacePackages = table.map((entry) => entry.name);
// The reference client is the peer, not a part (ARCHITECTURE, decision 2): only test/ compares with it.
const referenceClient = ['sigstore', 'sigstore/**', '@sigstore/**'];

const up = (levels) => '../'.repeat(levels);
const allow = (patterns) => patterns.map((pattern) => `!${pattern}`);
const everyEntryPoint = (names) => names.flatMap((name) => [name, `${name}/**`]);

/**
 * The patterns for files that stand `depth` folders below their own territory, a room or a package. The last pattern
 * that matches a path decides, as in a .gitignore.
 */
function patternsAt(depth, { neighbours, packages, modules, io, product }) {
  const everyPackage = everyEntryPoint(workspacePackages);
  const others = modules
    ? ['**', '!./**', '!node:*', '!node:*/**', ...allow(everyEntryPoint(modules))]
    : [...everyPackage, '/**', '#*', 'file:*', 'file:*/**', 'data:*', 'data:*/**', ...(product ? referenceClient : [])];
  return [
    ...others,
    ...allow(everyEntryPoint(packages)),
    ...(io === false ? inputAndOutput.flatMap((name) => [`node:${name}`, `node:${name}/**`]) : []),
    // Up to the edge of the territory is home; beyond it only the neighbours' doors are open.
    ...(modules ? allow(Array.from({ length: depth }, (_, level) => `${up(level + 1)}**`)) : []),
    `${up(depth + 1).slice(0, -1)}`,
    `${up(depth + 1)}**`,
    ...allow(neighbours.map((room) => `${up(depth + 1)}${room}`)),
  ];
}

function restriction(includes, group, message) {
  const options = { patterns: [{ group, message }] };
  return { includes, linter: { rules: { style: { noRestrictedImports: { level: 'error', options } } } } };
}

/**
 * One restriction for each depth of a territory. `below` are the folders in it that are territories of their own, with whether
 * it may use their doors.
 */
function territory(folder, rule, message, below = []) {
  return Array.from({ length: deepest + 1 }, (_, depth) => {
    const inner = below.flatMap(({ name, open }) => {
      const place = `${up(depth) || './'}${name}`;
      return [`${place}/**`, ...(open ? allow([`${place}/index.ts`]) : [])];
    });
    const group = [...patternsAt(depth, rule), ...inner];
    return restriction([`${folder}/${'*/'.repeat(depth)}*`], group, message);
  });
}

function roomRestrictions({ folder, packages, rooms }) {
  // A room in a room comes after it: of the restrictions that fit a file, the last one holds.
  const outerFirst = Object.entries(rooms).sort(([a], [b]) => a.split('/').length - b.split('/').length);
  return outerFirst.flatMap(([name, room]) => {
    // A room in a room (trust/tuf) sees its siblings' doors from one level further down.
    const climb = up(name.split('/').length - 1);
    const neighbours = room.rooms.map((other) =>
      other === name.split('/')[0] ? 'index.ts' : `${climb}${other}/index.ts`,
    );
    const allowed = [...room.rooms, ...(room.packages ?? packages)];
    const message = `${name} may import ${allowed.length > 0 ? allowed.join(', ') : 'no other room'}${
      room.modules ? `; of third-party modules ${room.modules.join(', ') || 'none'}` : ''
    }${room.io === false ? '; and does no input or output' : ''} (scripts/import-table.mjs).`;
    const below = Object.keys(rooms)
      .filter((other) => other.startsWith(`${name}/`))
      .map((other) => ({ name: other.slice(name.length + 1), open: room.rooms.includes(other) }));
    const rule = { neighbours, packages: room.packages ?? packages, modules: room.modules, io: room.io, product: true };
    return territory(`${folder}/src/${name}`, rule, message, below);
  });
}

function packageRestrictions(entry) {
  const { folder, name, packages, rooms, exceptions = {} } = entry;
  const allowed = packages.join(', ') || 'no other package';
  const message = `${name} may import ${allowed}, and never sigstore-js (scripts/import-table.mjs).`;
  const rule = { neighbours: [], packages, product: true };
  const unknown = `${folder}/src has no such room, or the folder is too deep (scripts/import-table.mjs).`;
  const source = rooms ? roomRestrictions(entry) : territory(`${folder}/src`, rule, message);
  const openings = Object.entries(exceptions).flatMap(([extra, files]) =>
    files.map((file) => {
      const depth = file.split('/').length - 2;
      return restriction(
        [`${folder}/${file}`],
        patternsAt(depth, { ...rule, packages: [...packages, extra] }),
        message,
      );
    }),
  );
  // A package's own tests see all of the package, and no more of the others than the package itself.
  const tests = territory(
    `${folder}/test`,
    { neighbours: ['src/**', 'package.json'], packages: [name, ...packages], product: true },
    `Tests of ${name} may import ${name}, ${allowed}; what crosses packages stands in test/ (scripts/import-table.mjs).`,
  );
  return [restriction([`${folder}/src/**`, `${folder}/test/**`], ['**'], unknown), ...source, ...openings, ...tests];
}

/** The whole text of biome.imports.json, one restriction a line. */
export function biomeImports() {
  const crossing = territory(
    'test/src',
    { neighbours: [], packages: workspacePackages, product: false },
    'Tests that cross packages import them by entry point, as users do (scripts/import-table.mjs).',
  );
  const lines = [...table.flatMap(packageRestrictions), ...crossing].map(
    (override) => `    ${JSON.stringify(override)}`,
  );
  return `{\n  "overrides": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/**
 * Imports that Biome's restrictions cannot judge, so they are not allowed to be written: a path that descends before it
 * climbs (`./x/../../verify/file.ts`), and a type taken by `import('…').Name` from where the file imports nothing else.
 */
export function unjudgedImports(source) {
  const detour = /(['"`])\.(?:\.?\/)(?:[^'"`\s]*\/)?(?:\.|[^'"`./\s][^'"`/\s]*)\/\.\.(?:\/[^'"`\s]*)?\1/g;
  const leadingDot = /(['"`])\.\/\.\.(?:\/[^'"`\s]*)?\1/g;
  const inlineType = /\bimport\((['"])([^'"\s]+)\1\)\.(?!then\b|catch\b|finally\b)\w+/g;
  const judged = new Set(
    [...source.matchAll(/(?:\bfrom |\bimport |\bimport\()(['"])([^'"\s]+)\1(?!\)\.)/g)].map((match) => match[2]),
  );
  const unjudgedTypes = [...source.matchAll(inlineType)].filter((match) => !judged.has(match[2]));
  return [...(source.match(detour) ?? []), ...(source.match(leadingDot) ?? []), ...unjudgedTypes.map(([text]) => text)];
}

const file = fileURLToPath(new URL('../biome.imports.json', import.meta.url));

/** Says what is wrong with biome.imports.json; empty when it is what the table says. */
export function staleness() {
  if (readFileSync(file, 'utf8') === biomeImports()) return '';
  return 'biome.imports.json is not what the table says: run node scripts/import-table.mjs --write';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--write')) writeFileSync(file, biomeImports());
  const stale = staleness();
  if (stale !== '') console.error(stale);
  process.exitCode = stale === '' ? 0 : 1;
}
