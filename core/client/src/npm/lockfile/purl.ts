import { SignetError } from '@signet/primitives/basics';
import { assertPackageVersion, isExactVersion, isInstallableName } from './package-name.ts';

/** A package version named by a purl. */
export interface PackageVersion {
  readonly name: string;
  readonly version: string;
}

const prefix = 'pkg:npm/';

/**
 * The purl of an npm package version exactly as npm writes it into statements: only the leading `@` is encoded, the
 * slash of a scope and everything else is literal (npm-package-arg, `toPurl`). Names of subjects are compared as
 * strings, so that this encoding and no equivalent one counts.
 *
 * @throws ERR_PACKAGE_NAME
 */
export function toPurl(name: string, version: string): string {
  assertPackageVersion(name, version);
  return `${prefix}${name.replace(/^@/, '%40')}@${version}`;
}

/**
 * The package version that a purl in npm's encoding names. The inverse of {@link toPurl}: anything that `toPurl` would not
 * have written is refused, including qualifiers, subpaths and other encodings of the same name.
 *
 * @throws ERR_PURL
 */
export function parsePurl(purl: string): PackageVersion {
  const path = purl.startsWith(prefix) ? purl.slice(prefix.length) : undefined;
  const at = path?.lastIndexOf('@') ?? -1;
  if (path !== undefined && at > 0) {
    const encodedName = path.slice(0, at);
    const name = encodedName.startsWith('%40') ? `@${encodedName.slice(3)}` : encodedName;
    const version = path.slice(at + 1);
    if (!encodedName.startsWith('@') && isInstallableName(name) && isExactVersion(version)) return { name, version };
  }
  throw new SignetError('ERR_PURL', `${JSON.stringify(purl.slice(0, 300))} is not the purl of an npm package version`, {
    expected: 'pkg:npm/name@1.2.3 or pkg:npm/%40scope/name@1.2.3',
    found: purl.slice(0, 300),
  });
}
