import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fromUtf8, SignetError } from '@signet/primitives/basics';
import { type Policy, parsePolicy, readPolicyText } from '../policy/index.ts';
import { TrustRoots, type TrustSources } from './trust-roots.ts';
import type { VerdictCache } from './verdict-cache.ts';

/** What a policy file is called beside package.json. */
export const policyFileName = 'trust-policy.yaml';

/** A policy and the trust roots it names. */
export interface LoadedPolicy {
  readonly policy: Policy;
  readonly trustRoots: TrustRoots;
}

/**
 * Reads a policy file. Without one nothing says who may publish what, and an installation that checks nothing must not look like one that
 * did: a missing file is an error.
 *
 * @param shownAs names the file in messages
 * @param cache spares reading the YAML of a file that it knows; everything else about it is judged anew
 * @param sources how the trust roots of the policy are fetched that are not files
 * @throws ERR_POLICY_MISSING, ERR_POLICY_INVALID, ERR_ENCODING, ERR_INPUT_TOO_LARGE; for one that extends others, what extendPolicy throws
 */
export async function loadPolicy(
  path: string,
  shownAs: string = path,
  cache?: VerdictCache | undefined,
  sources: TrustSources = {},
): Promise<LoadedPolicy> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new SignetError('ERR_POLICY_MISSING', `the policy ${shownAs} cannot be read`, { cause });
    }
    throw new SignetError(
      'ERR_POLICY_MISSING',
      `there is no ${shownAs}, so nothing says who may publish what.\n${example}`,
      {
        expected: shownAs,
        cause,
      },
    );
  }
  const digest = createHash('sha256').update(bytes).digest('hex');
  const known = cache?.policyRoot(digest);
  const text = fromUtf8(bytes, shownAs);
  const root = known ?? readPolicyText(text, shownAs);
  const policy = parsePolicy(text, { path: shownAs, root });
  // Only of a policy that is valid: others are read again, for the place of what is wrong.
  if (known === undefined) cache?.keepPolicy(digest, root);
  const trustRoots = new TrustRoots(policy, dirname(path), sources);
  if (policy.extends === undefined) return { policy, trustRoots };
  const { extendPolicy } = await import('./extended-policies.ts');
  return { policy: await extendPolicy(policy, trustRoots, sources), trustRoots };
}

const example = `signet policy init writes one from what is proven now. By hand, beside package.json, it begins like this:

version: 1
trustRoots:
  acme:
    file: ./trust/trusted_root.json      # from the operator of your registry
    packages: ['@acme/*']                # the names this root owns
publishers:
  maintainers:
    oidc: { issuer: https://login.acme.example, san: [alice@acme.example] }
rules:
  - id: acme-is-signed
    match: ['@acme/*']
    require: [ { signature: { by: [maintainers] } } ]
`;
