import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { SignetError } from '@signet/primitives/formats';
import type { DevelopmentKeys } from './identity-keys.ts';

/** Lifetime of a token, seconds; GitHub's and Google's live 5 to 60 minutes. */
export const tokenLifetime = 600;

/** What every token of the development issuers is made out for. */
export const tokenAudience = 'sigstore';

/** One address as people write it; the authority checks it again. */
const emailPattern = /^[^\s@<>"\\(),:;[\]]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/;

/**
 * Checks an e-mail address and returns it trimmed.
 *
 * @throws ERR_USAGE
 */
export function checkEmail(text: string): string {
  const email = text.trim();
  if (!emailPattern.test(email)) {
    throw new SignetError('ERR_USAGE', `${JSON.stringify(text.slice(0, 200))} is not an e-mail address`);
  }
  return email;
}

/** Claims of a person. */
export function emailClaims(email: string): Record<string, unknown> {
  return { sub: email, email, email_verified: true };
}

/**
 * Claims as GitHub Actions writes them, for a made-up repository; those in `given` replace or extend them. Claims that follow
 * from others (`sub`, `job_workflow_ref`, …) follow the given ones.
 *
 * @param given any claims; `iss`, `aud` and times are set by the provider and cannot be given
 * @throws ERR_USAGE
 */
export function githubClaims(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  for (const claim of ['iss', 'aud', 'exp', 'iat', 'nbf']) {
    if (claim in given)
      throw new SignetError('ERR_USAGE', `The claim ${claim} is set by the development issuer itself`);
  }
  const text = (name: string, fallback: string) => {
    const value = given[name];
    return typeof value === 'string' ? value : fallback;
  };
  const repository = text('repository', 'example/widgets');
  const ref = text('ref', 'refs/heads/main');
  const sha = text('sha', '0123456789abcdef0123456789abcdef01234567');
  const workflowRef = text('workflow_ref', `${repository}/.github/workflows/release.yml@${ref}`);
  return {
    sub: `repo:${repository}:ref:${ref}`,
    actor: 'octocat',
    actor_id: '1',
    event_name: 'push',
    job_workflow_ref: workflowRef,
    job_workflow_sha: sha,
    ref,
    ref_type: ref.startsWith('refs/tags/') ? 'tag' : 'branch',
    repository,
    repository_id: '1001',
    repository_owner: repository.split('/')[0],
    repository_owner_id: '4242',
    repository_visibility: 'private',
    run_attempt: '1',
    run_id: '7001',
    run_number: '1',
    runner_environment: 'github-hosted',
    sha,
    workflow: 'release',
    workflow_ref: workflowRef,
    workflow_sha: sha,
    ...given,
  };
}

/**
 * Signs an identity token (OpenID Connect Core §2) with the development keys: ES256, ten minutes.
 *
 * @param issuer its `iss`
 */
export function mintToken(
  keys: DevelopmentKeys,
  issuer: string,
  claims: Readonly<Record<string, unknown>>,
  now = new Date(),
): string {
  const issuedAt = Math.floor(now.getTime() / 1000);
  const header = { alg: 'ES256', kid: keys.keyId, typ: 'JWT' };
  const payload = {
    jti: randomUUID(),
    ...claims,
    iss: issuer,
    aud: tokenAudience,
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + tokenLifetime,
  };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part(header)}.${part(payload)}`;
  const key = createPrivateKey({ key: keys.privateKey, format: 'jwk' });
  // RFC 7518 §3.4: r and s side by side, not DER.
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}
