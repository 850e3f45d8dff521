/** `npm run bench -- NAME`: runs one benchmark, or lists them. */
const benchmarks: Readonly<Record<string, () => Promise<{ bench: () => Promise<void> }>>> = {
  ca: () => import('./ca.ts'),
  install: () => import('./install.ts'),
  sign: () => import('./sign.ts'),
  start: () => import('./start.ts'),
  verify: () => import('./verify.ts'),
  'verify-all': () => import('./verify-all.ts'),
  log: () => import('./log.ts'),
  registry: () => import('./registry.ts'),
};

const name = process.argv[2] ?? '';
const load = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
if (load === undefined) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(benchmarks).join('|')}\n`);
  process.exitCode = 2;
} else {
  await (await load()).bench();
}
