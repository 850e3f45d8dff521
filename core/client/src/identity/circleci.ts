import { SignetError } from '@signet/primitives/formats';
import { IdentityToken } from './identity-token.ts';
import type { TokenSource } from './token-source.ts';

/**
 * CircleCI: the token in `CIRCLE_OIDC_TOKEN_V2` is made out for the organisation, so that another is asked for with the
 * platform's own program (CircleCI, "Using OpenID Connect tokens in jobs").
 */
export const circleciToken: TokenSource = {
  name: 'CircleCI',
  unavailable: (env) => (env.CIRCLECI ? undefined : 'this is not a CircleCI job'),
  async obtain({ env, audience, signal }) {
    const { execFile } = process.getBuiltinModule('node:child_process');
    const { promisify } = process.getBuiltinModule('node:util');
    let stdout: string;
    try {
      // One program, no shell; the audience stands in JSON and cannot become a flag.
      ({ stdout } = await promisify(execFile)(
        'circleci',
        ['run', 'oidc', 'get', '--claims', JSON.stringify({ aud: audience })],
        {
          env: { ...env },
          timeout: 30_000,
          maxBuffer: 64 * 1024,
          ...(signal === undefined ? {} : { signal }),
        },
      ));
    } catch (thrown) {
      signal?.throwIfAborted();
      // Its output may hold a token; only whether it ran is told.
      const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown';
      throw new SignetError('ERR_IDENTITY_PROVIDER', `circleci run oidc get gives no token (${code})`);
    }
    return IdentityToken.parse(stdout);
  },
};
