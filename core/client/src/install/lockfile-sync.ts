import { join } from 'node:path';
import { SignetError } from '@signet/primitives/basics';
import { isJsonObject, type JsonObject, own, type PackageLock, readPackageSpec } from '../npm/lockfile/index.ts';
import { readManifest } from './project-manifests.ts';

/** What `npm ci` is sure to miss; peers and optional packages it may leave out. */
const members = ['dependencies', 'devDependencies'] as const;

/**
 * Checks that a lockfile has what package.json asks for, as far as that can be said without a registry. npm says it, too, but only after the
 * evidence of everything else has been fetched.
 *
 * @throws ERR_LOCKFILE for no package.json, or one that asks for what the lockfile does not have
 */
export async function assertInSync(directory: string, lock: PackageLock): Promise<void> {
  const manifest = await readManifest(join(directory, 'package.json'));
  if (manifest === undefined) throw new SignetError('ERR_LOCKFILE', `there is no package.json in ${directory}`);
  const asked = unlocked(manifest, lock.root ?? {});
  if (asked.length === 0) return;
  const problems: string[] = [];
  const { isInRange, isVersionRange } = await import('../policy/index.ts');
  for (const { name, spec } of asked) {
    const entry = lock.packages.find(({ location }) => location === `node_modules/${name}`);
    const read = readPackageSpec(spec);
    const range = read.kind === 'alias' ? read.spec : spec;
    if (entry === undefined) problems.push(`Missing: ${name}@${spec} from lock file`);
    else if (entry.version !== undefined && read.kind === 'range' && isVersionRange(range)) {
      if (!isInRange(entry.version, range)) {
        problems.push(`Invalid: lock file's ${name}@${entry.version} does not satisfy ${name}@${spec}`);
      }
    }
  }
  if (problems.length === 0) return;
  throw new SignetError(
    'ERR_LOCKFILE',
    `npm ci can only install packages when your package.json and package-lock.json are in sync. ${problems.join('; ')}.\n` +
      'Run npm install --package-lock-only (or signet install, which verifies it, too), look at the difference and commit it.',
    { expected: 'a lockfile that has what package.json asks for', found: problems.join('; ') },
  );
}

/** Dependencies that the lockfile was not written for, but for those that an override decides or npm can do without. */
function unlocked(manifest: JsonObject, root: JsonObject): readonly { readonly name: string; readonly spec: string }[] {
  const overrides = own(manifest, 'overrides');
  const optional = own(manifest, 'optionalDependencies');
  const decidedElsewhere = (name: string): boolean =>
    (isJsonObject(optional) && Object.hasOwn(optional, name)) ||
    (isJsonObject(overrides) && Object.keys(overrides).some((key) => key === name || key.startsWith(`${name}@`)));
  return members.flatMap((member) => {
    const [wanted, locked] = [own(manifest, member), own(root, member)];
    if (!isJsonObject(wanted)) return [];
    return Object.entries(wanted).flatMap(([name, spec]) => {
      const same = isJsonObject(locked) && own(locked, name) === spec;
      return same || typeof spec !== 'string' || decidedElsewhere(name) ? [] : [{ name, spec }];
    });
  });
}
