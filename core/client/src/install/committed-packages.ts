import { inert, SignetError } from '@signet/primitives/basics';
import { isNamed, type ProjectRules } from './lockfile-violations.ts';
import { openTrustedTree, type TrustedRefOptions } from './trusted-ref.ts';

/**
 * Checks that a change commits no package under a name that the policy is about into a node_modules anywhere in the repository:
 * code in `src` loads from `src/node_modules` what npm never looks at. What npm empties itself, in the project's own folder, does not count.
 *
 * @throws ERR_TRUST_CHANGED, and what reading the ref throws
 */
export async function assertNoCommittedPackages(
  rules: ProjectRules,
  directory: string,
  { ref, env }: Pick<TrustedRefOptions, 'ref' | 'env'>,
): Promise<void> {
  const tree = await openTrustedTree(directory, ref, env);
  const paths = await tree.changed(['**/node_modules', '**/node_modules/**']);
  const found = new Set(
    paths.filter((path) => !/^node_modules\//i.test(path)).flatMap((path) => packagesOn(rules, path)),
  );
  if (found.size === 0) return;
  const shown = [...found].slice(0, 20).map((folder) => `  - ${inert(folder)}`);
  throw new SignetError(
    'ERR_TRUST_CHANGED',
    `packages are committed that ${inert(ref)} does not have, under names that the policy is about; somebody who may must look at it:\n` +
      shown.join('\n'),
    { expected: `what ${ref} has in folders called node_modules`, found: `${found.size} more` },
  );
}

/** The packages that a path goes through; one that ends before the name is a link or a submodule, which may hold any. */
function packagesOn(rules: ProjectRules, path: string): string[] {
  const segments = path.split('/');
  return segments.flatMap((segment, index) => {
    if (segment.toLowerCase() !== 'node_modules') return [];
    const [first, second] = segments.slice(index + 1);
    const end = first?.startsWith('@') ? index + 3 : index + 2;
    if (first === undefined || (first.startsWith('@') && second === undefined)) return [path];
    const name = segments.slice(index + 1, end).join('/');
    return isNamed(rules, name) || isNamed(rules, name.toLowerCase()) ? [segments.slice(0, end).join('/')] : [];
  });
}
