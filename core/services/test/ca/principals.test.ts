import assert from 'node:assert/strict';
import { Certificate, fulcioClaims, oids } from '@signet/primitives/formats';
import { explainToken, parseIssuers } from '@signet/services/ca';
import type { JWTPayload } from 'jose';
import { makeAuthority, prove } from './authority.ts';
import {
  buddyClaims,
  buildkiteClaims,
  circleciClaims,
  codefreshClaims,
  githubClaims,
  gitlabClaims,
} from './ci-claims.ts';
import { IdentityProvider } from './identity-provider.ts';

describe('identities by issuer type', () => {
  let provider: IdentityProvider;

  before(async () => {
    provider = await IdentityProvider.start('ES256');
  });

  after(() => provider.stop());

  async function certify(issuer: Record<string, unknown>, claims: JWTPayload, challenge: string) {
    const { authority } = await makeAuthority({ 'oidc-issuers': { [provider.url]: issuer } });
    const token = await provider.token(claims);
    const { certificate } = await authority.issue({ token, ...(await prove(challenge)) });
    const parsed = Certificate.parse(certificate);
    const [name, ...others] = parsed.subjectAlternativeNames;
    assert.equal(others.length, 0);
    assert(name);
    return { name, claims: fulcioClaims(parsed) };
  }

  const email = { email: 'alice@example.com', email_verified: true };
  const accepted: [
    string,
    Record<string, unknown>,
    JWTPayload,
    string,
    { type: string; value: string; oid?: string },
  ][] = [
    ['email', { type: 'email' }, email, 'alice@example.com', { type: 'email', value: 'alice@example.com' }],
    [
      'email whose verification is a text',
      { type: 'email' },
      { ...email, email_verified: 'True' },
      'alice@example.com',
      { type: 'email', value: 'alice@example.com' },
    ],
    [
      'email without verification, where the configuration allows it',
      { type: 'email', 'skip-email-verification': true },
      { email: 'alice@example.com' },
      'alice@example.com',
      { type: 'email', value: 'alice@example.com' },
    ],
    [
      'kubernetes',
      { type: 'kubernetes' },
      {
        sub: 'system:serviceaccount:build:publisher',
        'kubernetes.io': { namespace: 'build', serviceaccount: { name: 'publisher', uid: '1' } },
      },
      'system:serviceaccount:build:publisher',
      { type: 'uri', value: 'https://kubernetes.io/namespaces/build/serviceaccounts/publisher' },
    ],
    [
      'spiffe',
      { type: 'spiffe', 'spiffe-trust-domain': 'example.org' },
      { sub: 'spiffe://example.org/ci/publisher' },
      'spiffe://example.org/ci/publisher',
      { type: 'uri', value: 'spiffe://example.org/ci/publisher' },
    ],
    [
      'uri',
      { type: 'uri', 'subject-domain': 'http://127.0.0.1' },
      { sub: 'http://127.0.0.1/users/alice' },
      'http://127.0.0.1/users/alice',
      { type: 'uri', value: 'http://127.0.0.1/users/alice' },
    ],
    [
      'username',
      { type: 'username', 'subject-domain': '127.0.0.1' },
      { sub: 'alice' },
      'alice',
      { type: 'otherName', value: 'alice!127.0.0.1', oid: oids.fulcioOtherName },
    ],
    [
      'github-workflow',
      { type: 'ci-provider', 'ci-provider': 'github-workflow' },
      githubClaims,
      githubClaims.sub,
      { type: 'uri', value: 'https://github.com/acme/widget/.github/workflows/release.yml@refs/tags/v1.2.3' },
    ],
    [
      'gitlab-pipeline',
      { type: 'ci-provider', 'ci-provider': 'gitlab-pipeline' },
      gitlabClaims,
      gitlabClaims.sub,
      { type: 'uri', value: 'https://gitlab.com/acme/widget//.gitlab-ci.yml@refs/heads/main' },
    ],
    [
      'buildkite-job',
      { type: 'ci-provider', 'ci-provider': 'buildkite-job' },
      buildkiteClaims,
      buildkiteClaims.sub,
      { type: 'uri', value: 'https://buildkite.com/acme/widget' },
    ],
    [
      'codefresh-workflow',
      { type: 'ci-provider', 'ci-provider': 'codefresh-workflow' },
      codefreshClaims,
      codefreshClaims.sub,
      { type: 'uri', value: 'https://g.codefresh.io/acme/widget/release:account-1/pipeline-1' },
    ],
    [
      'circleci-job',
      { type: 'ci-provider', 'ci-provider': 'circleci-job' },
      circleciClaims,
      circleciClaims.sub,
      { type: 'uri', value: 'https://circleci.com/api/v2/projects/project-1/pipeline-definitions/definition-1' },
    ],
    [
      'buddy-pipeline',
      { type: 'ci-provider', 'ci-provider': 'buddy-pipeline' },
      buddyClaims,
      buddyClaims.sub,
      { type: 'uri', value: 'https://app.buddy.works/acme/widget/pipelines/pipeline/7' },
    ],
  ];
  for (const [what, issuer, claims, challenge, name] of accepted) {
    it(`certifies ${what}`, async () => {
      const certified = await certify(issuer, claims, challenge);
      assert.deepEqual(certified.name, name);
      assert.equal(certified.claims.issuer, provider.url);
      assert.equal(certified.claims.issuerV1, provider.url);
      const isCi = issuer.type === 'ci-provider';
      assert.equal(certified.claims.tokenSubject, isCi ? claims.sub : undefined);
    });
  }

  it("names the federated issuer of Dex's tokens", async () => {
    const claims = { ...email, federated_claims: { connector_id: 'https://accounts.example.com' } };
    const issuer = { type: 'email', 'issuer-claim': '$.federated_claims.connector_id' };
    const certified = await certify(issuer, claims, 'alice@example.com');
    assert.equal(certified.claims.issuer, 'https://accounts.example.com');
    assert.equal(certified.claims.issuerV1, 'https://accounts.example.com');
  });

  it('certifies chainguard identities by issuer and subject', async () => {
    const certified = await certify({ type: 'chainguard-identity' }, { sub: 'abc/def' }, 'abc/def');
    assert.deepEqual(certified.name, { type: 'uri', value: `${provider.url}/abc/def` });
    assert.equal(certified.claims.tokenSubject, 'abc/def');
  });

  it('fills absent claims with defaults and leaves empty ones out', async () => {
    const { environment: _, ...claims } = githubClaims;
    const issuer = { type: 'ci-provider', 'ci-provider': 'github-workflow' };
    const certified = await certify(issuer, claims, githubClaims.sub);
    assert.equal(certified.claims.deploymentEnvironment, undefined);
    const circle = { type: 'ci-provider', 'ci-provider': 'circleci-job' };
    const rerun = await certify(circle, circleciClaims, circleciClaims.sub);
    assert.equal(rerun.claims.runnerEnvironment, 'ssh-rerun');
    const tag = { ...gitlabClaims, ref_type: 'tag', ref: 'v1' };
    const gitlab = await certify({ type: 'gitlab-pipeline' }, tag, gitlabClaims.sub);
    assert.equal(gitlab.claims.sourceRepositoryRef, 'refs/tags/v1');
  });

  it('percent-encodes what a URI cannot hold, as Fulcio does', async () => {
    const ref = 'acme/widget/.github/workflows/r.yml@refs/heads/γ "x"';
    const claims = { ...githubClaims, job_workflow_ref: ref };
    const certified = await certify({ type: 'github-workflow' }, claims, githubClaims.sub);
    assert.equal(
      certified.name.value,
      'https://github.com/acme/widget/.github/workflows/r.yml@refs/heads/%CE%B3%20%22x%22',
    );
    assert.equal(certified.claims.buildSignerUri, `https://github.com/${ref}`);
  });

  it('lets the configuration replace a shipped provider', async () => {
    const configuration = parseIssuers(
      JSON.stringify({
        'oidc-issuers': { [provider.url]: { type: 'ci-provider', 'ci-provider': 'github-workflow' } },
        'ci-issuer-metadata': {
          'github-workflow': {
            'default-template-values': { url: 'https://git.acme.example' },
            'extension-templates': { 'source-repository-uri': '{{ .url }}/{{ .repository }}', issuer: 'sub' },
            'subject-alternative-name-template': '{{ .url }}/{{ .job_workflow_ref }}',
          },
        },
      }),
    );
    const { certificate } = await explainToken(configuration, await provider.token(githubClaims));
    assert.deepEqual(certificate?.extensions, {
      issuer: provider.url,
      issuerV1: provider.url,
      sourceRepositoryUri: 'https://git.acme.example/acme/widget',
      tokenSubject: githubClaims.sub,
    });
  });

  const refused: [string, Record<string, unknown>, JWTPayload, string, string][] = [
    [
      'an unverified e-mail',
      { type: 'email' },
      { ...email, email_verified: false },
      'email-not-verified',
      'email_verified',
    ],
    [
      'an e-mail verified as "false"',
      { type: 'email' },
      { ...email, email_verified: 'false' },
      'email-not-verified',
      'email_verified',
    ],
    [
      'an e-mail that nothing is said of',
      { type: 'email' },
      { email: 'a@b.example' },
      'email-not-verified',
      'email_verified',
    ],
    ['no e-mail', { type: 'email' }, { email_verified: true }, 'claim-missing', 'email'],
    ['an e-mail that is none', { type: 'email' }, { ...email, email: 'alice' }, 'claim-unusable', 'email'],
    [
      'two e-mails in one',
      { type: 'email' },
      { ...email, email: 'a@b.example,c@d.example' },
      'claim-unusable',
      'email',
    ],
    [
      'an e-mail with NUL',
      { type: 'email' },
      { ...email, email: 'alice@example.com\u0000.evil' },
      'claim-unusable',
      'email',
    ],
    ['a non-ASCII e-mail', { type: 'email' }, { ...email, email: 'älice@example.com' }, 'claim-unusable', 'email'],
    ['an e-mail list', { type: 'email' }, { ...email, email: ['alice@example.com'] }, 'claim-unusable', 'email'],
    [
      'a federated issuer that is missing',
      { type: 'email', 'issuer-claim': '$.federated_claims.connector_id' },
      email,
      'claim-missing',
      'federated_claims.connector_id',
    ],
    [
      'a workflow claim that is missing',
      { type: 'github-workflow' },
      { ...githubClaims, sha: undefined },
      'claim-missing',
      'sha',
    ],
    [
      'a workflow claim that is an object',
      { type: 'github-workflow' },
      { ...githubClaims, sha: {} },
      'claim-missing',
      'sha',
    ],
    [
      'a workflow name with a control character',
      { type: 'github-workflow' },
      { ...githubClaims, workflow: 'a\u001b[2J' },
      'claim-unusable',
      'githubWorkflowName',
    ],
    [
      'a workflow name written backwards',
      { type: 'github-workflow' },
      { ...githubClaims, workflow: 'a\u202eb' },
      'claim-unusable',
      'githubWorkflowName',
    ],
    [
      'an overlong workflow name',
      { type: 'github-workflow' },
      { ...githubClaims, workflow: 'a'.repeat(3000) },
      'claim-unusable',
      'githubWorkflowName',
    ],
    [
      'half a surrogate pair',
      { type: 'github-workflow' },
      { ...githubClaims, workflow: 'a\ud800b' },
      'claim-unusable',
      'githubWorkflowName',
    ],
    ['a kubernetes token of nobody', { type: 'kubernetes' }, {}, 'claim-unusable', 'kubernetes.io.namespace'],
    [
      'a service account with a path',
      { type: 'kubernetes' },
      { 'kubernetes.io': { namespace: 'a', serviceaccount: { name: 'b/../c' } } },
      'claim-unusable',
      'kubernetes.io.serviceaccount.name',
    ],
    [
      'another trust domain',
      { type: 'spiffe', 'spiffe-trust-domain': 'example.org' },
      { sub: 'spiffe://a.example.org/x' },
      'claim-unusable',
      'sub',
    ],
    [
      'a SPIFFE ID with dots',
      { type: 'spiffe', 'spiffe-trust-domain': 'example.org' },
      { sub: 'spiffe://example.org/a/../b' },
      'claim-unusable',
      'sub',
    ],
    [
      'a SPIFFE ID with a query',
      { type: 'spiffe', 'spiffe-trust-domain': 'example.org' },
      { sub: 'spiffe://example.org/a?b' },
      'claim-unusable',
      'sub',
    ],
    [
      'a URI of another host',
      { type: 'uri', 'subject-domain': 'http://127.0.0.1' },
      { sub: 'http://127.0.0.1.evil.example/' },
      'claim-unusable',
      'sub',
    ],
    [
      'a URI with user information',
      { type: 'uri', 'subject-domain': 'http://127.0.0.1' },
      { sub: 'http://127.0.0.1@evil.example/' },
      'claim-unusable',
      'sub',
    ],
    [
      'a URI with a backslash',
      { type: 'uri', 'subject-domain': 'http://127.0.0.1' },
      { sub: 'http://127.0.0.1\\@evil.example/' },
      'claim-unusable',
      'sub',
    ],
    [
      'a URI of another scheme',
      { type: 'uri', 'subject-domain': 'http://127.0.0.1' },
      { sub: 'https://127.0.0.1/' },
      'claim-unusable',
      'sub',
    ],
    [
      'a user name with "!"',
      { type: 'username', 'subject-domain': '127.0.0.1' },
      { sub: 'alice!evil' },
      'claim-unusable',
      'sub',
    ],
    [
      'a user name that is an e-mail',
      { type: 'username', 'subject-domain': '127.0.0.1' },
      { sub: 'a@b.example' },
      'claim-unusable',
      'sub',
    ],
    [
      'a claim that the configuration requires otherwise',
      { type: 'github-workflow', 'required-claims': { repository_owner_id: '4242' } },
      githubClaims,
      'required-claim-mismatch',
      'repository_owner_id',
    ],
    [
      'a claim that the configuration requires and the token lacks',
      { type: 'email', 'required-claims': { hd: 'example.com' } },
      email,
      'required-claim-missing',
      'hd',
    ],
    [
      'a ref that only contains the pattern',
      { type: 'github-workflow', 'required-claims': { ref: { pattern: 'refs/tags/v\\d+' } } },
      githubClaims,
      'required-claim-mismatch',
      'ref',
    ],
  ];
  for (const [what, issuer, claims, reason, claim] of refused) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(certify(issuer, claims, claims.sub ?? 'subject-1'), {
        name: 'SignetError',
        code: 'ERR_TOKEN_CLAIM',
        reason,
        claim,
      });
    });
  }

  const satisfied: [string, Record<string, unknown>, JWTPayload][] = [
    ['an exact claim', { repository_owner_id: '2222' }, githubClaims],
    ['an exact number', { build_number: 9 }, { ...githubClaims, build_number: 9 }],
    ['a pattern over the whole claim', { ref: { pattern: 'refs/tags/v.*' } }, githubClaims],
    ['one of several', { repository: ['acme/other', { pattern: 'acme/w.*' }] }, githubClaims],
    ['an item of a list claim', { groups: 'publishers' }, { ...githubClaims, groups: ['staff', 'publishers'] }],
  ];
  for (const [what, rules, claims] of satisfied) {
    it(`requires claims: ${what}`, async () => {
      await certify({ type: 'github-workflow', 'required-claims': rules }, claims, githubClaims.sub);
    });
  }
});
