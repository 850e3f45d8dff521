import { SignetError } from '@signet/primitives/basics';

/** npm's own limit (validate-npm-package-name). */
const maxNameLength = 214;
/** semver's own limit. */
const maxVersionLength = 256;

const reserved = new Set(['node_modules', 'favicon.ico']);

/** Characters that survive `encodeURIComponent`, which is npm's rule for names it ever accepted. */
const legacySegment = /^[A-Za-z0-9\-_.!~*'()]+$/;
/** What npm accepts for packages published today. */
const segment = /^[a-z0-9\-_.]+$/;

/**
 * Whether npm accepts `name` for a new package: lower case, at most 214 characters, a scope or none, no leading dot or
 * underscore (validate-npm-package-name).
 */
export function isPackageName(name: string): boolean {
  return isName(name, segment);
}

/** Whether `name` can be in a registry at all: the rule above and upper case and `~!*'()` from older days. */
export function isInstallableName(name: string): boolean {
  return isName(name, legacySegment);
}

function isName(name: string, allowed: RegExp): boolean {
  if (name.length === 0 || name.length > maxNameLength) return false;
  let base = name;
  if (name.startsWith('@')) {
    const slash = name.indexOf('/');
    const scope = name.slice(1, slash === -1 ? undefined : slash);
    if (slash === -1 || !allowed.test(scope) || scope.startsWith('.')) return false;
    base = name.slice(slash + 1);
  }
  return allowed.test(base) && !/^[._]/.test(base) && !reserved.has(base.toLowerCase());
}

/**
 * Whether `version` is a semantic version spelled canonically: `1.2.3`, `1.2.3-rc.1`, with build metadata `1.2.3+b`; not
 * `v1.2.3`, `=1.2.3` or ` 1.2.3`.
 */
export function isExactVersion(version: string): boolean {
  if (isPlainVersion(version)) return true;
  if (version.length > maxVersionLength) return false;
  const [, ...numbers] = semantic.exec(version) ?? [];
  // npm's own parser refuses numbers that JavaScript cannot hold exactly.
  return numbers.length > 0 && numbers.every((number) => Number.isSafeInteger(Number(number)));
}

/**
 * Whether it is three short numbers, as nearly all versions are. Lockfiles have thousands, and the expression below costs several times as
 * much in a process that has just begun.
 */
function isPlainVersion(version: string): boolean {
  let [start, dots] = [0, 0];
  for (let at = 0; at <= version.length; at++) {
    const code = at === version.length ? dot : version.charCodeAt(at);
    if (code >= zero && code <= nine) continue;
    const digits = at - start;
    const leadingZero = digits > 1 && version.charCodeAt(start) === zero;
    // Fifteen digits are exact in JavaScript.
    if (code !== dot || digits === 0 || digits > 15 || leadingZero) return false;
    start = at + 1;
    dots += 1;
  }
  return dots === 3;
}

const [zero, nine, dot] = [0x30, 0x39, 0x2e];

/** Semantic Versioning 2.0.0, the expression that semver.org suggests; all of it is linear in the length of the text. */
const semantic =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/;

/** The name without its scope: what npm puts first in a tarball's file name. */
export function baseName(name: string): string {
  return name.startsWith('@') ? name.slice(name.indexOf('/') + 1) : name;
}

/**
 * Checks that `name` and `version` name one package version.
 *
 * @throws ERR_PACKAGE_NAME
 */
export function assertPackageVersion(name: string, version: string): void {
  if (!isInstallableName(name)) {
    throw new SignetError('ERR_PACKAGE_NAME', `${JSON.stringify(name)} is not a package name that npm accepts`);
  }
  if (!isExactVersion(version)) {
    throw new SignetError(
      'ERR_PACKAGE_NAME',
      `${JSON.stringify(version)} of ${name} is not an exact version; write it as in package.json, for example 1.2.3`,
    );
  }
}
