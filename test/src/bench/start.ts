import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { root } from '../house/repository.ts';

const rounds = 60;

const programs: readonly [name: string, text: string][] = [
  ['a bare node', ''],
  ['node:crypto alone', "import 'node:crypto';"],
  ['@signet/primitives/formats', "import '@signet/primitives/formats';"],
  ['@signet/client/verify', "import '@signet/client/verify';"],
  // The verifier loads it when it verifies for the first time.
  ['@signet/client/verify, node:crypto', "import '@signet/client/verify'; import 'node:crypto';"],
];

/** Counts the files that an import loads, and says which of them are not ours. */
const counting = `
  import { registerHooks } from 'node:module';
  const files = [];
  registerHooks({ load: (url, context, next) => { if (url.startsWith('file:')) files.push(url); return next(url, context); } });
  await import('@signet/client/verify');
  const strangers = files.filter((url) => url.includes('/node_modules/'));
  console.log(\`\${files.length} files, \${strangers.length} of third parties\`);
`;

/**
 * Measures what importing the verifier costs: whole processes from the built packages, in turn, so that a busy machine is busy
 * for all of them.
 */
export async function bench(): Promise<void> {
  if (!existsSync(path.join(root, 'core/client/dist/verify/index.js'))) {
    process.stdout.write('the packages are not built: npm run build\n');
    return;
  }
  // Below test/, where Node finds the packages as any user's project does. Without the condition that means the sources.
  const folder = await mkdtemp(path.join(root, 'test/.start-'));
  const { NODE_OPTIONS: _, ...env } = process.env;
  try {
    const times = programs.map((): number[] => []);
    const files = programs.map((_program, index) => path.join(folder, `${index}.mjs`));
    for (const [index, [, text]] of programs.entries()) await writeFile(files[index] ?? '', `${text}\n`);
    for (let round = -3; round < rounds; round++) {
      for (const [index, file] of files.entries()) {
        const start = performance.now();
        spawnSync(process.execPath, [file], { env });
        if (round >= 0) times[index]?.push(performance.now() - start);
      }
    }
    const bare = times[0]?.toSorted((a, b) => a - b) ?? [];
    process.stdout.write(
      `${'milliseconds, of a whole process'.padEnd(36)}  minimum   quartile     median   median added\n`,
    );
    for (const [index, [name]] of programs.entries()) {
      const sorted = times[index]?.toSorted((a, b) => a - b) ?? [];
      const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
      const added = at(0.5) - (bare[Math.floor(bare.length / 2)] ?? 0);
      const columns = [at(0), at(0.25), at(0.5), added].map((value) => value.toFixed(1).padStart(9));
      process.stdout.write(`${name.padEnd(36)}${columns.join('  ')}\n`);
    }
    const file = path.join(folder, 'count.mjs');
    await writeFile(file, counting);
    process.stdout.write(
      `@signet/client/verify: ${(await promisify(execFile)(process.execPath, [file], { env })).stdout}`,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
