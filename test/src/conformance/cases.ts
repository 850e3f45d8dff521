import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Third-party test data beside the repository; a clone elsewhere has none. */
export const dataFolder: string = join(repositoryRoot(), '..', 'shared', 'data');
export const conformanceFolder: string = join(dataFolder, 'conformance');
export const publicGoodRootFile: string = join(conformanceFolder, 'public-good-trusted-root.json');

/** One of the official client conformance cases of `verify-bundle`. */
export interface ConformanceCase {
  readonly name: string;
  readonly mustFail: boolean;
  readonly bundleFile: string;
  readonly artifactFile: string;
  readonly trustedRootFile: string;
  readonly keyFile?: string;
  readonly identity: string;
  readonly issuer: string;
}

const beacon = 'sigstore-conformance/extremely-dangerous-public-oidc-beacon';
const defaultIdentity = `https://github.com/${beacon}/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main`;
const defaultIssuer = 'https://token.actions.githubusercontent.com';

/** All cases in the data folder; undefined where the folder is absent. */
export function conformanceCases(): readonly ConformanceCase[] | undefined {
  const folder = join(conformanceFolder, 'bundle-verify');
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'bundle.sigstore.json')))
    .map((name) => readCase(folder, name));
}

function readCase(folder: string, name: string): ConformanceCase {
  const file = (member: string): string => join(folder, name, member);
  const text = (member: string): string | undefined =>
    existsSync(file(member)) ? readFileSync(file(member), 'utf8').trim() : undefined;
  return {
    name,
    mustFail: name.endsWith('_fail'),
    bundleFile: file('bundle.sigstore.json'),
    artifactFile: existsSync(file('artifact')) ? file('artifact') : join(folder, 'a.txt'),
    trustedRootFile: existsSync(file('trusted_root.json')) ? file('trusted_root.json') : publicGoodRootFile,
    ...(existsSync(file('key.pub')) ? { keyFile: file('key.pub') } : {}),
    identity: text('identity') ?? defaultIdentity,
    issuer: text('issuer') ?? defaultIssuer,
  };
}

function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'lerna.json'))) folder = dirname(folder);
  return folder;
}
