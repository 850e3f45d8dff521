// Run first by every npm script: a machine's Node outside `engines` gets a plain word instead of a stack trace.
// On Linux x64 and arm64 and on Windows x64 the optional dependency node-* has put Node 24 first on the path.
import { readFileSync } from 'node:fs';

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const current = process.versions.node.split('.').map(Number);

// `engines` has ranges of two kinds: ^22.22.2 (that or later in major version 22) and >=26 (that or later).
const supported = engines.node.split('||').some((range) => {
  const wanted = range.match(/\d+/g).map(Number);
  const differing = wanted.findIndex((number, index) => current[index] !== number);
  const isLater = differing < 0 || current[differing] > wanted[differing];
  return isLater && (!range.includes('^') || current[0] === wanted[0]);
});

if (!supported) {
  console.error(`Signet needs Node ${engines.node}; this is Node ${process.versions.node} (${process.execPath}).`);
  console.error(
    'Run `npm ci` without --omit=optional, which installs a suitable Node beside the project, or install one.',
  );
  process.exit(1);
}
