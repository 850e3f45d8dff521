// Writes docs/errors.md from the tables in the code: `node scripts/errors-page.mjs --write`. Without --write it fails
// when the page is not what the code says; test/src/house/errors.test.ts runs it so.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { exitCodeFor, exitCodes } from '../cli/src/exit-codes.ts';
import { violationCodes } from '../core/client/src/policy/violation.ts';
import { errorCodes } from '../core/primitives/src/formats/error-codes.ts';

const page = fileURLToPath(new URL('../docs/errors.md', import.meta.url));
const source = fileURLToPath(new URL('../core/primitives/src/formats/error-codes.ts', import.meta.url));

const exitCodeMeanings = {
  ok: 'Everything that was asked for was done and holds.',
  internal: 'A fault of Signet itself; please report it. With `SIGNET_DEBUG=1` it shows where.',
  usage: 'The command line, a setting or a file of the project cannot be used as it is.',
  policyDenied: 'Evidence was judged and the policy refuses at least one package.',
  evidenceInvalid: 'Evidence is present and does not verify. Never a warning.',
  trustRoot: 'The trust root cannot be used: missing, malformed, expired, or not the one for this name.',
  network: 'A service could not be reached, or gave no usable answer.',
  trustFrozen: 'Policy or pins were changed by the very change that is under test.',
  registryRefused: 'The registry refused what was published.',
  unfinished: 'A publish is unfinished and can be resumed.',
  logInconsistent: 'A transparency log contradicts what it showed before.',
  cancelled: 'Ended by Ctrl-C or SIGTERM before it was done.',
};

/** The codes under the comment lines of their source, which are the headings. */
function sections() {
  const found = [];
  for (const line of readFileSync(source, 'utf8').split('\n')) {
    const heading = /^ {2}\/\/ (.+)$/.exec(line)?.[1];
    const code = /^ {2}(ERR_[A-Z0-9_]+):/.exec(line)?.[1];
    // A heading may be continued; only one directly before a code opens a section.
    if (heading) found.push({ heading, codes: [] });
    if (code) found.at(-1)?.codes.push(code);
  }
  const listed = found.flatMap(({ codes }) => codes);
  const missing = Object.keys(errorCodes).filter((code) => !listed.includes(code));
  if (missing.length > 0) throw new Error(`codes that stand under no heading in ${source}: ${missing.join(', ')}`);
  return found.filter(({ codes }) => codes.length > 0);
}

const cell = (text) => text.replaceAll('|', '\\|');
const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

function text() {
  const exits = Object.entries(exitCodes).map(([name, code]) => {
    if (!(name in exitCodeMeanings))
      throw new Error(`scripts/errors-page.mjs does not say what exit code ${name} means`);
    return [String(code), exitCodeMeanings[name]];
  });
  const violations = Object.entries(violationCodes).map(([code, meaning]) => [`\`${code}\``, cell(meaning)]);
  const errors = sections().flatMap(({ heading, codes }) => [
    `### ${heading}`,
    '',
    table(
      ['code', 'meaning', 'exit'],
      codes.map((code) => [`\`${code}\``, cell(errorCodes[code]), String(exitCodeFor(code) ?? exitCodes.internal)]),
    ),
    '',
  ]);
  return [
    '# Errors',
    '',
    '<!-- Written by scripts/errors-page.mjs from the tables in the code; do not edit. -->',
    '',
    'Every error has a stable code, says what was expected and what was found, and ends the command with a documented',
    'exit code. A code is never renamed and never used for anything else. With `--json` the error is one document on',
    'standard output: `{"format":1,"error":{"code":…,"message":…,"expected":…,"found":…,"exitCode":…}}`.',
    '',
    '## Exit codes',
    '',
    table(['exit', 'meaning'], exits),
    '',
    'After its own check has passed, `signet ci` ends with the exit code of `npm ci`.',
    '',
    '## Policy violations',
    '',
    'Why a policy refuses a package. Each violation names the package, the rule, what was expected and found, and what to',
    'do next.',
    '',
    table(['code', 'meaning'], violations),
    '',
    '## Error codes',
    '',
    ...errors,
  ].join('\n');
}

if (process.argv.includes('--write')) writeFileSync(page, text());
if (readFileSync(page, 'utf8') !== text()) {
  console.error(
    'docs/errors.md is not what the code says: node --conditions=@signet/source scripts/errors-page.mjs --write',
  );
  process.exitCode = 1;
}
