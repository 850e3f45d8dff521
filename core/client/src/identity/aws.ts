import { readFile } from 'node:fs/promises';
import { fromUtf8, SignetError } from '@signet/primitives/formats';
import { jsonObject, request, textMember } from '../http/index.ts';
import { type AwsCredentials, signAwsRequest } from './aws-signature.ts';
import { IdentityToken } from './identity-token.ts';
import type { Environment, TokenRequest, TokenSource } from './token-source.ts';

/** Where AWS itself says that something of its own runs; a person with credentials in the environment does not count. */
const signs = [
  'AWS_EXECUTION_ENV',
  'CODEBUILD_BUILD_ID',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
];

/**
 * AWS: the token service gives the role of a build, function or container a token for an audience (STS `GetWebIdentityToken`),
 * whose issuer is the account's own. Credentials come from the environment or from the container's endpoint, which is how
 * CodeBuild, Lambda, ECS and EKS give them.
 */
export const awsToken: TokenSource = {
  name: 'AWS',
  unavailable(env) {
    if (!signs.some((name) => env[name])) return 'this is not a build, function or container of AWS';
    if (regionOf(env) === undefined) return 'AWS_REGION is not set';
    return hasKeys(env) || containerEndpoint(env) !== undefined
      ? undefined
      : 'there are no credentials: neither AWS_ACCESS_KEY_ID nor AWS_CONTAINER_CREDENTIALS_…; give the job a role that may sts:GetWebIdentityToken';
  },
  async obtain(asked) {
    const { env, audience, signal } = asked;
    const region = regionOf(env) ?? '';
    // The regional endpoint: the global one has no such operation.
    const url = endpointOf(env.AWS_ENDPOINT_URL_STS || `https://sts.${region}.amazonaws.com/`);
    const credentials = await credentialsOf(asked);
    const body = new URLSearchParams({
      Action: 'GetWebIdentityToken',
      Version: '2011-06-15',
      'Audience.member.1': audience,
      SigningAlgorithm: 'ES384',
      DurationSeconds: '300',
    }).toString();
    const { host: _host, ...headers } = signAwsRequest(
      {
        method: 'POST',
        url,
        headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8', accept: 'application/json' },
        body,
        region,
        service: 'sts',
      },
      credentials,
    );
    const answer = await request(url, {
      service: 'the token service of AWS',
      method: 'POST',
      headers,
      body,
      maxBytes: 64 * 1024,
      signal,
    });
    const token = tokenIn(fromUtf8(answer.body, 'the answer of AWS'));
    if (token === undefined) throw new SignetError('ERR_IDENTITY_PROVIDER', 'AWS answers without a token');
    return IdentityToken.parse(token);
  },
};

/** The one member that is asked for, in the XML or the JSON of AWS's query protocol. A token holds nothing that is escaped. */
function tokenIn(text: string): string | undefined {
  return (
    /<WebIdentityToken>([\w.-]{1,32768})<\/WebIdentityToken>/.exec(text)?.[1] ??
    /"WebIdentityToken"\s*:\s*"([\w.-]{1,32768})"/.exec(text)?.[1]
  );
}

function regionOf(env: Environment): string | undefined {
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION;
  // It becomes part of a host name.
  return region !== undefined && /^[a-z0-9-]{1,40}$/.test(region) ? region : undefined;
}

function hasKeys(env: Environment): boolean {
  return Boolean(env.AWS_ACCESS_KEY_ID) && Boolean(env.AWS_SECRET_ACCESS_KEY);
}

function containerEndpoint(env: Environment): string | undefined {
  const { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative, AWS_CONTAINER_CREDENTIALS_FULL_URI: full } = env;
  return relative ? `http://169.254.170.2${relative}` : full || undefined;
}

async function credentialsOf({ env, signal }: TokenRequest): Promise<AwsCredentials> {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = env;
  if (accessKeyId && secretAccessKey) {
    return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
  }
  const url = endpointOf(containerEndpoint(env) ?? '');
  const file = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
  const authorization = file ? (await readFile(file, 'utf8')).trim() : env.AWS_CONTAINER_AUTHORIZATION_TOKEN;
  const { body } = await request(url, {
    service: 'the credentials endpoint of AWS',
    headers: { accept: 'application/json', ...(authorization ? { authorization } : {}) },
    maxBytes: 64 * 1024,
    timeout: 5_000,
    signal,
  });
  const answer = jsonObject(body, 'the credentials', 'ERR_IDENTITY_PROVIDER');
  const [id, secret, token] = ['AccessKeyId', 'SecretAccessKey', 'Token'].map((name) => textMember(answer, name));
  if (id === undefined || secret === undefined) {
    throw new SignetError('ERR_IDENTITY_PROVIDER', 'the credentials endpoint of AWS answers without credentials');
  }
  return { accessKeyId: id, secretAccessKey: secret, ...(token === undefined ? {} : { sessionToken: token }) };
}

/** Credentials go over https, or to this machine and the link-local addresses that AWS has for them. */
function endpointOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const near = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]|169\.254\.\d+\.\d+|\[fd00:ec2::23\])$/.test(
    url?.hostname ?? '',
  );
  if (url !== undefined && (url.protocol === 'https:' || (url.protocol === 'http:' && near))) return url;
  throw new SignetError('ERR_IDENTITY_PROVIDER', 'the endpoint of AWS is neither https nor on this machine', {
    expected: 'an https URL',
    found: url?.origin ?? 'no URL',
  });
}
