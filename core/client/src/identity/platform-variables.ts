import { SignetError } from '@signet/primitives/formats';
import { IdentityToken } from './identity-token.ts';
import type { Environment, TokenSource } from './token-source.ts';

/** A platform that puts the token into a variable of the job. */
interface VariablePlatform {
  readonly name: string;
  /** A variable that shows that the job runs there. */
  readonly sign: string;
  /** The variable with the token. */
  readonly variable: string;
  /** The line that the job's configuration lacks when the variable is not there. */
  readonly advice: string;
}

const platforms: readonly VariablePlatform[] = [
  {
    name: 'GitLab CI',
    sign: 'GITLAB_CI',
    variable: 'SIGSTORE_ID_TOKEN',
    advice: 'add to the job: id_tokens: { SIGSTORE_ID_TOKEN: { aud: sigstore } }',
  },
  {
    name: 'Bitbucket Pipelines',
    sign: 'BITBUCKET_BUILD_NUMBER',
    variable: 'BITBUCKET_STEP_OIDC_TOKEN',
    advice: 'add to the step: oidc: { audiences: [sigstore] }',
  },
  {
    name: 'Codefresh',
    sign: 'CF_BUILD_ID',
    variable: 'ID_TOKEN',
    advice: 'add the step obtain-oidc-id-token with AUDIENCE: sigstore',
  },
  {
    name: 'Jenkins',
    sign: 'JENKINS_URL',
    variable: 'SIGSTORE_ID_TOKEN',
    advice: 'bind an "OpenID Connect id token" credential with audience sigstore to SIGSTORE_ID_TOKEN',
  },
];

/** Platforms whose jobs find their token in a variable. */
export const variableSources: readonly TokenSource[] = platforms.map(({ name, sign, variable, advice }) => ({
  name,
  unavailable: (env: Environment) =>
    env[sign] === undefined
      ? `this is not a job of ${name}`
      : env[variable]
        ? undefined
        : `${variable} is not set; ${advice}`,
  obtain: async ({ env }) => {
    const text = env[variable];
    if (text === undefined) throw new SignetError('ERR_IDENTITY_TOKEN_MISSING', `${variable} is not set; ${advice}`);
    return IdentityToken.parse(text);
  },
}));
