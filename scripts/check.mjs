// `npm run check`: format, lint, import rules and types of the whole tree, in seconds.
//
// Each tool must also say how many files it looked at: a tool that finds nothing to check succeeds, and a wrong glob
// would then pass for a clean tree. The number it reports may not be smaller than the number of our sources.
import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { staleness, table, unjudgedImports } from './import-table.mjs';

const root = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url));
const ours = ['{core,plugins}/*/{src,test}/**/*.ts', '{cli,registry}/{src,test}/**/*.ts', 'test/src/**/*.ts'];
const sources = globSync(ours, { cwd: root }).map((file) => file.replaceAll('\\', '/'));

function run(name, args) {
  const file = fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url));
  return new Promise((resolve, reject) => {
    const windows = process.platform === 'win32';
    const child = spawn(windows ? `"${file}.cmd"` : file, args, { cwd: root, shell: windows });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

async function formatAndLint() {
  const { code, output } = await run('biome', ['check', '--error-on-warnings', '--max-diagnostics=50', '.']);
  const checked = Number(/Checked (\d+) files?/.exec(output)?.[1] ?? 0);
  return { what: 'format, lint and imports', failure: code === 0 ? '' : output, checked };
}

async function types() {
  const { code, output } = await run('tsc', ['-p', '.', '--listFiles', '--pretty', 'false']);
  const lines = output.split(/\r?\n/);
  const isListed = (line) => /^(?:\/|[A-Za-z]:[\\/]).*\.[cm]?ts$/.test(line);
  const checked = lines.filter((line) => isListed(line) && !/[\\/]node_modules[\\/]/.test(line)).length;
  const failure = code === 0 ? '' : lines.filter((line) => !isListed(line)).join('\n');
  return { what: 'types', failure, checked };
}

function importRules() {
  const product = sources.filter((file) => table.some(({ folder }) => file.startsWith(`${folder}/src/`)));
  const unjudged = product.flatMap((file) =>
    unjudgedImports(readFileSync(`${root}/${file}`, 'utf8')).map((text) => `${file}: write ${text} as a plain import`),
  );
  return { what: 'import table', failure: [staleness(), ...unjudged].join('\n').trim(), checked: sources.length };
}

let failed = false;
for (const { what, failure, checked } of await Promise.all([formatAndLint(), types(), importRules()])) {
  const tooFew = sources.length === 0 || checked < sources.length;
  if (failure !== '') console.error(failure.trimEnd());
  if (failure === '' && tooFew)
    console.error(`Only ${checked} files were checked, but there are ${sources.length} sources.`);
  const ok = failure === '' && !tooFew;
  failed ||= !ok;
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${what} (${checked} files)`);
}
process.exitCode = failed ? 1 : 0;
