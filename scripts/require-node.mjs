// Run first by every npm script: a machine's Node outside `engines` gets a plain word instead of a stack trace.
// On Linux x64 and arm64 and on Windows x64 the optional dependency node-* has put Node 24 first on the path.
import { readFileSync } from 'node:fs';

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const [major, minor, patch] = process.versions.node.split('.').map(Number);
const supported =
  major >= 26 || (major === 24 && minor >= 15) || (major === 22 && (minor > 22 || (minor === 22 && patch >= 2)));

if (!supported) {
  console.error(`Signet needs Node ${engines.node}; this is Node ${process.versions.node} (${process.execPath}).`);
  console.error(
    'Run `npm ci` without --omit=optional, which installs a suitable Node beside the project, or install one.',
  );
  process.exit(1);
}
