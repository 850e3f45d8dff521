// Last part of a build: one file for each room of a library, or each verb of the command, and a few that they share, instead
// of one for each source. Node spends more time on finding and reading fifty small modules than on running them. Types stay
// as tsc writes them.
//
// esbuild as WebAssembly: slower than its binaries, but the same one package without install scripts on every platform.
import { readFileSync } from 'node:fs';
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

await build({
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
});
