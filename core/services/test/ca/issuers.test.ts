import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { type Issuer, parseIssuers } from '@signet/services/ca';

const publicJwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const github = 'https://token.actions.githubusercontent.com';

/** The configuration of one issuer. */
function one(issuer: Record<string, unknown>, url = 'https://login.example.com') {
  return parseIssuers(JSON.stringify({ 'oidc-issuers': { [url]: issuer } }));
}

function only(issuer: Record<string, unknown>, url?: string): Issuer {
  const [found] = one(issuer, url).issuers;
  assert(found);
  return found;
}

describe('issuer configuration', () => {
  it("reads Fulcio's YAML with aliases as keys, provider templates and meta-issuers", () => {
    const configuration = parseIssuers(`
define:
  - &github-type "github-workflow"
  - &circleci-type "circleci-job"
oidc-issuers:
  https://accounts.example.com:
    issuer-url: https://accounts.example.com
    client-id: sigstore
    type: email
    contact: someone@example.com
    description: "Hellō OIDC auth"
  https://login.example.dev/auth:
    issuer-url: https://login.example.dev/auth
    client-id: sigstore
    type: email
    issuer-claim: $.federated_claims.connector_id
  ${github}:
    issuer-url: ${github}
    client-id: sigstore
    type: ci-provider
    ci-provider: *github-type
meta-issuers:
  https://oidc.circleci.com/org/*:
    client-id: sigstore
    type: ci-provider
    ci-provider: *circleci-type
  https://oidc.eks.*.amazonaws.com/id/*:
    client-id: sigstore
    type: kubernetes
ci-issuer-metadata:
  *github-type:
    default-template-values:
      url: "https://github.com"
      environment: ""
    extension-templates:
      github-workflow-sha: "sha"
      source-repository-visibility-at-signing: "repository_visibility"
    subject-alternative-name-template: "{{ .url }}/{{ .job_workflow_ref }}"
  *circleci-type:
    default-template-values:
      # a comment with "quotes" and {{ .braces }}
      api_url: "https://circleci.com/api/v2"
    extension-templates:
      runner-environment: '{{if eq (index . "oidc.circleci.com/ssh-rerun") "true"}}ssh-rerun{{ else }}""{{end}}'
      build-trigger: refs/{{if eq .ref_type "branch"}}heads/{{ else }}tags/{{end}}{{ .ref }}
      source-repository-ref: '{{index . "oidc.circleci.com/vcs-ref"}}'
    subject-alternative-name-template: '{{.api_url}}/{{(index . "oidc.circleci.com/project-id")}}' # is this right ?
`);
    assert.equal(configuration.issuers.length, 3);
    const issuer = configuration.find(github);
    assert.deepEqual(
      issuer?.provider?.extensions.map(([name]) => name),
      ['githubWorkflowSha', 'sourceRepositoryVisibility'],
    );
    assert.deepEqual(configuration.find('https://login.example.dev/auth')?.issuerClaim, [
      'federated_claims',
      'connector_id',
    ]);
    assert.equal(configuration.find('https://oidc.circleci.com/org/1-2_3')?.provider?.name, 'circleci-job');
  });

  it("reads Fulcio's JSON with CamelCase keys", () => {
    const configuration = parseIssuers(
      JSON.stringify({
        OIDCIssuers: {
          'https://accounts.example.com': {
            IssuerURL: 'https://accounts.example.com',
            ClientID: 'sigstore',
            Type: 'uri',
            SubjectDomain: 'https://users.example.com',
            ChallengeClaim: 'sub',
          },
        },
        MetaIssuers: { 'https://k8s.*.example.com': { ClientID: 'other', Type: 'kubernetes' } },
      }),
    );
    assert.equal(configuration.issuers[0]?.subjectDomain, 'https://users.example.com');
    assert.deepEqual(configuration.metaIssuers[0]?.audiences, ['other']);
  });

  it('matches meta-issuers over the whole URL only (GHSA-59jp-pj84-45mr)', () => {
    const configuration = parseIssuers(
      JSON.stringify({ 'meta-issuers': { 'https://oidc.eks.*.amazonaws.com/id/*': { type: 'kubernetes' } } }),
    );
    const good = 'https://oidc.eks.us-west-2.amazonaws.com/id/B02C93B6A2D3';
    assert.equal(configuration.find(good)?.url, good);
    for (const bad of [
      `${good}/more`,
      `https://evil.example/${good}`,
      `${good}.evil.example`,
      'https://oidc.eks.us.west.amazonaws.com/id/1',
      'https://oidcXeks.us-west-2.amazonaws.com/id/1',
      `${good}\n`,
      'https://oidc.eks..amazonaws.com/id/1',
    ]) {
      assert.equal(configuration.find(bad), undefined, bad);
    }
  });

  it('prefers the exact issuer to a pattern', () => {
    const configuration = parseIssuers(
      JSON.stringify({
        'oidc-issuers': { 'https://a.example.com': { type: 'email' } },
        'meta-issuers': { 'https://*.example.com': { type: 'kubernetes' } },
      }),
    );
    assert.equal(configuration.find('https://a.example.com')?.type, 'email');
    assert.equal(configuration.find('https://b.example.com')?.type, 'kubernetes');
  });

  it('gives every issuer safe defaults', () => {
    const issuer = only({ type: 'email' });
    assert.deepEqual(issuer.audiences, ['sigstore']);
    assert.equal(issuer.challengeClaim, 'email');
    assert.equal(issuer.skipEmailVerification, false);
    assert.equal(issuer.singleUseTokens, false);
    assert.equal(issuer.clockSkewSeconds, 5);
    assert.equal(only({ type: 'spiffe', 'spiffe-trust-domain': 'example.org' }).challengeClaim, 'sub');
  });

  it("reads Signet's additions", () => {
    const issuer = only(
      {
        type: 'ci-provider',
        'ci-provider': 'github-workflow',
        'required-claims': { repository_owner_id: 4242, ref: { pattern: 'refs/tags/v.*' }, repository: ['a/b', 'a/c'] },
        audiences: ['https://npm.example.com', 'sigstore'],
        'single-use-tokens': true,
        'clock-skew': '2m',
        'static-jwks': { keys: [publicJwk] },
      },
      github,
    );
    assert.deepEqual(
      issuer.requiredClaims.map((rule) => `${rule.claim}: ${rule.description}`),
      ['repository_owner_id: "4242"', 'ref: pattern "refs/tags/v.*"', 'repository: "a/b" or "a/c"'],
    );
    assert.deepEqual(issuer.audiences, ['https://npm.example.com', 'sigstore']);
    assert.equal(issuer.singleUseTokens, true);
    assert.equal(issuer.clockSkewSeconds, 120);
    assert.equal(issuer.staticKeys?.keys.length, 1);
  });

  it('treats deprecated types as the provider of their name', () => {
    for (const type of ['github-workflow', 'gitlab-pipeline', 'buildkite-job', 'codefresh-workflow']) {
      const issuer = only({ type });
      assert.equal(issuer.type, 'ci-provider');
      assert.equal(issuer.declaredType, type);
      assert.equal(issuer.provider?.name, type);
    }
  });

  for (const provider of [
    'github-workflow',
    'gitlab-pipeline',
    'buildkite-job',
    'codefresh-workflow',
    'circleci-job',
    'buddy-pipeline',
  ]) {
    it(`ships templates for ${provider}`, () => {
      assert.equal(only({ type: 'ci-provider', 'ci-provider': provider }).provider?.name, provider);
    });
  }

  const accepted: [string, Record<string, unknown>, string][] = [
    [
      'the same host for uri',
      { type: 'uri', 'subject-domain': 'https://login.example.com' },
      'https://login.example.com',
    ],
    ['a sibling host for uri', { type: 'uri', 'subject-domain': 'https://u.example.com' }, 'https://login.example.com'],
    ['the domain for username', { type: 'username', 'subject-domain': 'example.com' }, 'https://login.example.com'],
    ['a sibling under co.uk', { type: 'username', 'subject-domain': 'a.acme.co.uk' }, 'https://login.acme.co.uk'],
    ['http on loopback', { type: 'email' }, 'http://127.0.0.1:8080/realm'],
  ];
  for (const [what, issuer, url] of accepted) {
    it(`accepts ${what}`, () => assert.equal(only(issuer, url).url, url));
  }

  const refused: [string, Record<string, unknown>, RegExp, string?][] = [
    ['an unknown key', { type: 'email', 'requird-claims': {} }, /"requird-claims" is not known/],
    ['one key twice', { type: 'email', 'client-id': 'a', ClientID: 'b' }, /twice/],
    ['an unknown type', { type: 'e-mail' }, /"type" is not known/],
    ['no type', {}, /"type"/],
    ['an unknown provider', { type: 'ci-provider', 'ci-provider': 'nobody' }, /names no provider/],
    ['a provider for another type', { type: 'email', 'ci-provider': 'github-workflow' }, /only for issuers of type/],
    ['another issuer-url', { type: 'email', 'issuer-url': 'https://other.example' }, /differs from the key/],
    ['http', { type: 'email' }, /must be https/, 'http://login.example.com'],
    ['a relative URL', { type: 'email' }, /absolute URL/, 'login.example.com'],
    ['a URL with credentials', { type: 'email' }, /credentials/, 'https://a:b@login.example.com'],
    ['a non-ASCII URL', { type: 'email' }, /ASCII/, 'https://bücher.example'],
    ['a pattern as an issuer', { type: 'email' }, /only meta-issuers/, 'https://*.example.com'],
    ['issuer-claim for uri', { type: 'spiffe', 'spiffe-trust-domain': 'a', 'issuer-claim': '$.a' }, /only for .*email/],
    ['a wild issuer-claim', { type: 'email', 'issuer-claim': '$..a[*]' }, /path of names/],
    ['spiffe without a domain', { type: 'spiffe' }, /trust domain/],
    ['spiffe with a bad domain', { type: 'spiffe', 'spiffe-trust-domain': 'Example.org/a' }, /trust domain/],
    ['uri without a domain', { type: 'uri' }, /must be set/],
    ['uri with a host alone', { type: 'uri', 'subject-domain': 'example.com' }, /scheme and a host/],
    ['uri with a path', { type: 'uri', 'subject-domain': 'https://example.com/a' }, /scheme and a host/],
    ['uri of another scheme', { type: 'uri', 'subject-domain': 'http://example.com' }, /scheme of the issuer/],
    ['uri of another domain', { type: 'uri', 'subject-domain': 'https://example.org' }, /not of the domain/],
    ['username of another domain', { type: 'username', 'subject-domain': 'evil.org' }, /not of the domain/],
    [
      'username under the same co.uk',
      { type: 'username', 'subject-domain': 'evil.co.uk' },
      /not of the domain/,
      'https://login.acme.co.uk',
    ],
    ['username with a scheme', { type: 'username', 'subject-domain': 'https://example.com' }, /without a scheme/],
    [
      'an address with the same last numbers',
      { type: 'username', 'subject-domain': '20.9.0.1' },
      /not of the domain/,
      'https://10.8.0.1',
    ],
    ['a challenge nobody signs', { type: 'email', 'challenge-claim': 'name' }, /email or sub|not known/],
    ['a rule that is not RE2', { type: 'email', 'required-claims': { ref: { pattern: '(?=x)' } } }, /not RE2/],
    ['a rule with a typo', { type: 'email', 'required-claims': { ref: { patern: 'x' } } }, /must be a scalar/],
    ['a rule that accepts nothing', { type: 'email', 'required-claims': { ref: [] } }, /accepts nothing/],
    ['a rule with a rounded number', { type: 'email', 'required-claims': { id: 2 ** 70 } }, /in quotes/],
    ['a static key set without keys', { type: 'email', 'static-jwks': { keys: [] } }, /with keys/],
    ['a static key set with a secret', { type: 'email', 'static-jwks': { keys: [{ kty: 'oct', k: 'x' }] } }, /public/],
    [
      'a static key that is none',
      { type: 'email', 'static-jwks': { keys: [{ ...publicJwk, x: 'x' }] } },
      /no public key/,
    ],
    ['a static private key', { type: 'email', 'static-jwks': { keys: [{ kty: 'EC', d: 'x' }] } }, /public/],
    ['a clock skew of an hour', { type: 'email', 'clock-skew': '60m' }, /five minutes/],
    ['a clock skew with a member toString', { type: 'email', 'clock-skew': { toString: {} } }, /five minutes/],
    [
      'a static key whose id has a member toString',
      { type: 'email', 'static-jwks': { keys: [{ kty: 'EC', kid: { toString: {} } }] } },
      /no public key/,
    ],
    ['a ca-cert that is none', { type: 'email', 'ca-cert': 'PEM' }, /certificates in PEM/],
    ['a string as boolean', { type: 'email', 'single-use-tokens': 'yes' }, /true or false/],
  ];
  for (const [what, issuer, pattern, url] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => one(issuer, url),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'ERR_ISSUER_CONFIG');
          assert.match(error.message, pattern);
          return true;
        },
      );
    });
  }

  const texts: [string, string, string][] = [
    ['broken YAML', 'a: [', 'ERR_ISSUER_CONFIG'],
    ['an alias without anchor', 'oidc-issuers: *nobody', 'ERR_ISSUER_CONFIG'],
    [
      'one issuer twice',
      'oidc-issuers:\n  https://a.example: {type: email}\n  https://a.example: {type: email}',
      'ERR_ISSUER_CONFIG',
    ],
    ['a list', '[]', 'ERR_ISSUER_CONFIG'],
    ['nothing', '', 'ERR_ISSUER_CONFIG'],
    ['no issuers', 'oidc-issuers: {}', 'ERR_ISSUER_CONFIG'],
    ['an unknown section', 'oidc-issuer: {}', 'ERR_ISSUER_CONFIG'],
    [
      'a spiffe meta-issuer',
      'meta-issuers: {"https://*.a.example": {type: spiffe, spiffe-trust-domain: a}}',
      'ERR_ISSUER_CONFIG',
    ],
    ['a provider without subject', 'ci-issuer-metadata: {x: {extension-templates: {}}}', 'ERR_ISSUER_CONFIG'],
    [
      'an extension nobody knows',
      'ci-issuer-metadata: {x: {extension-templates: {nonsense: a}, subject-alternative-name-template: a}}',
      'ERR_ISSUER_CONFIG',
    ],
    ['more than a megabyte', `#${'x'.repeat(1024 * 1024)}`, 'ERR_INPUT_TOO_LARGE'],
    [
      'aliases that explode',
      `define:\n  - &a [x, x, x, x, x, x, x, x, x, x]\n${'bcdefghi'
        .split('')
        .map((name, index) => `  - &${name} [${`*${'abcdefgh'[index]}, `.repeat(10)}]`)
        .join('\n')}\noidc-issuers: {}`,
      'ERR_ISSUER_CONFIG',
    ],
  ];
  for (const [what, text, code] of texts) {
    it(`refuses ${what}`, () => assert.throws(() => parseIssuers(text), { code }));
  }
});
