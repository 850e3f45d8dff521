import { createRequire } from 'node:module';
import { SignetError } from '@signet/primitives/basics';
import { parsePolicy } from './parse-policy.ts';

type Yaml = typeof import('yaml');

const require = (name: string): unknown => createRequire(import.meta.url)(name);

/** A trust root that is fetched by TUF, as it is to stand in a policy. */
export interface TrustRootEntry {
  readonly name: string;
  readonly url: string;
  /** The pinned root file, relative to the policy. */
  readonly root: string;
  readonly packages: readonly string[];
  readonly issuers: readonly string[];
}

/** A policy that names nothing but trust roots yet. */
export const emptyPolicy = `# Who may publish what: see signet policy --help.
version: 1
trustRoots:
  public-good: { builtin: sigstore-public-good }
publishers: {}
rules: []
`;

/**
 * A policy's text with one more trust root. Everything else in it, comments too, stays as it is.
 *
 * @throws ERR_POLICY_INVALID when the policy or the entry is not valid, or the name is taken
 */
export function addTrustRoot(text: string, entry: TrustRootEntry): string {
  const { parseDocument } = require('yaml') as Yaml;
  parsePolicy(text);
  const document = parseDocument(text);
  if (document.hasIn(['trustRoots', entry.name])) {
    throw new SignetError('ERR_POLICY_INVALID', `the policy has a trust root ${entry.name} already`);
  }
  const { url, root, packages, issuers } = entry;
  const node = document.createNode({
    tuf: { url, root },
    packages,
    ...(issuers.length === 0 ? {} : { issuers }),
  });
  document.setIn(['trustRoots', entry.name], node);
  const changed = document.toString({ lineWidth: 0 });
  parsePolicy(changed);
  return changed;
}
