// Writes docs/errors.md from the tables in the code: `node scripts/errors-page.mjs --write`. Without --write it fails
// when the page is not what the code says; test/src/house/errors.test.ts runs it so.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { exitCodeFor, exitCodes } from '../cli/src/exit-codes.ts';
import { policyCodes, violationCodes } from '../core/client/src/policy/violation.ts';
import { errorCodes } from '../core/primitives/src/formats/error-codes.ts';

const page = fileURLToPath(new URL('../docs/errors.md', import.meta.url));
const source = fileURLToPath(new URL('../core/primitives/src/formats/error-codes.ts', import.meta.url));

/** What each exit code means, and what to do about it. */
const exitCodeMeanings = {
  ok: ['Everything that was asked for was done and holds.', 'Nothing.'],
  internal: [
    'A fault of Signet itself, or a server that is broken; also what `signet doctor` and `signet log fsck` end with when they found something.',
    'Do what their findings say. For a fault, run it again with `SIGNET_DEBUG=1`, which shows where, and please report it.',
  ],
  usage: [
    'The command line, a setting or a file of the project cannot be used as it is.',
    'Correct what the message names; `signet <verb> --help` has examples.',
  ],
  policyDenied: [
    'Evidence was judged and the policy refuses at least one package.',
    'Look up each `TP…` below. Change the policy only if you know why it is right.',
  ],
  evidenceInvalid: [
    'Evidence is present and does not verify. Never a warning.',
    'Do not use what it is about; report it to the registry or the publisher.',
  ],
  trustRoot: [
    'The trust root cannot be used: missing, malformed, expired, or not the one for this name.',
    'Correct `trustRoots` or `--trusted-root`; `signet trust refresh` fetches a newer one.',
  ],
  network: [
    'A service could not be reached, or gave no usable answer.',
    'Try again later; commit evidence to be independent of it (`signet verify package-lock.json --save-evidence`).',
  ],
  trustFrozen: [
    'Trust would change where nobody consented: a policy or pin of the change under test, a missing pin in CI, or a trust root that went stale.',
    'Have somebody who may approve it look at the difference, and commit it to the trusted branch.',
  ],
  registryRefused: [
    'The registry refused what was published.',
    'Do what its sentence says: another version, other credentials, or a signer whom its policy names.',
  ],
  unfinished: ['A publish is unfinished and can be resumed.', '`signet publish --resume`.'],
  logInconsistent: [
    'A transparency log contradicts what it showed before.',
    'Trust nothing new from it; keep both checkpoints and tell everybody who relies on it.',
  ],
  cancelled: ['Ended by Ctrl-C or SIGTERM before it was done.', 'Run it again.'],
};

/** What to do about a policy that cannot be read; the other remedies stand in docs/consumer/messages.md. */
const policyRemedies = {
  TP001: 'Correct the key: the message says which was probably meant. See the [keys](consumer/policy.md).',
  TP003: 'Write `issuer` beside `san`: any identity provider can vouch for a subject.',
  TP004: 'Write a narrower `sanRegex`, or the subjects themselves as `san`.',
  TP005: 'Write `reason`.',
  TP006: 'Write `expires`, in 180 days at most.',
  TP007: 'Write `integrity`, the sha512 of the lockfile; `signet policy except` does.',
};

/** The remedies of violations by code, from the page that explains them. */
function remedies() {
  const page = readFileSync(fileURLToPath(new URL('../docs/consumer/messages.md', import.meta.url)), 'utf8');
  const rows = page.matchAll(/^\| `(TP\d+)` \| [^|]+ \| ([^|]+) \|$/gm);
  return { ...policyRemedies, ...Object.fromEntries([...rows].map(([, code, remedy]) => [code, remedy])) };
}

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
    return [String(code), ...exitCodeMeanings[name]];
  });
  const remedy = remedies();
  const violations = Object.entries({ ...policyCodes, ...violationCodes }).map(([code, meaning]) => {
    if (remedy[code] === undefined) throw new Error(`nobody says what to do about ${code}`);
    return [`\`${code}\``, cell(meaning), remedy[code]];
  });
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
    table(['exit', 'meaning', 'what to do'], exits),
    '',
    'After its own check has passed, `signet ci` ends with the exit code of `npm ci`.',
    '',
    '## Policy violations',
    '',
    'What is wrong with a policy (`TP0…`, exit code 2), and why a policy refuses a package (exit code 10, for false evidence',
    '11, for pins that nobody may make here 14). Each violation names the package, the rule, what was expected and found, and',
    'what to do next; [every message explained](consumer/messages.md) says more.',
    '',
    table(['code', 'meaning', 'what to do'], violations),
    '',
    '## Error codes',
    '',
    'What to do stands in the message itself, and beside the exit code above.',
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
