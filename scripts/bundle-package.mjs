// Last part of a build: one file for each room of a library, or each verb of the command, and a few that they share, instead
// of one for each source. Node spends more time on finding and reading fifty small modules than on running them. Types stay
// as tsc writes them.
//
// esbuild as WebAssembly: slower than its binaries, but the same one package without install scripts on every platform.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild-wasm';

const { name, exports = {}, bin = {} } = JSON.parse(readFileSync('package.json', 'utf8'));

/** By source file, the name that users import it by. */
const entryPoints = new Map(
  Object.entries(exports)
    .filter(([, target]) => target['@signet/source'] !== undefined)
    .map(([entry, target]) => [path.resolve(target['@signet/source']), name + entry.slice(1)]),
);

/** A room imports another by its index (scripts/import-table.mjs): by name it stays one file, which nobody takes in. */
const roomsByName = {
  name: 'rooms by name',
  setup: ({ onResolve }) => {
    onResolve({ filter: /\/index\.ts$/ }, ({ path: specifier, resolveDir, kind }) => {
      const room = kind === 'entry-point' ? undefined : entryPoints.get(path.resolve(resolveDir, specifier));
      return room === undefined ? undefined : { path: room, external: true };
    });
  },
};

/** The sources of programs: `dist/main.js` is made of `src/main.ts`. */
const programs = Object.values(bin).map((file) =>
  path.resolve(file.replace(/^(\.\/)?dist\//, 'src/').replace(/\.js$/, '.ts')),
);

const { outputFiles } = await build({
  entryPoints: [...entryPoints.keys(), ...programs],
  outdir: 'dist',
  outbase: 'src',
  // As deep below the package as the sources, because a library's name ../../package.json, and a program's ../package.json.
  chunkNames: path.posix.join(programs.length > 0 ? '' : 'shared', '[name]-[hash]'),
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'es2024',
  // Only what the package consists of is taken in; its dependencies are installed beside it.
  packages: 'external',
  plugins: [roomsByName],
  logLevel: 'warning',
  write: false,
});

for (const file of outputFiles) {
  mkdirSync(path.dirname(file.path), { recursive: true });
  writeFileSync(file.path, takeBuiltins(file.text));
}

/**
 * Takes Node's own modules as they are, without the module namespace that an import makes of them: for that Node reads each of a
 * module's members, and those that load something at first sight load it. `node:http` has such a one for WebSockets, which loads all
 * of `fetch`: twenty milliseconds of every process.
 */
function takeBuiltins(text) {
  const taken = [];
  const rest = text.replace(/^import \{([^{}]*)\} from "(node:[a-z_/]+)";\n/gm, (_statement, names, name) => {
    taken.push(`var {${names.replace(/\s+as\s+/g, ': ')}} = process.getBuiltinModule("${name}");\n`);
    return '';
  });
  // First, as imports are, and behind the line that names the interpreter.
  return rest.replace(/^(#!.*\n)?/, (line) => line + taken.join(''));
}
