import assert from 'node:assert/strict';
import { type Issuer, type IssuerConfiguration, parseIssuers } from '@signet/services/ca';
import { shippedProviders } from '../../src/ca/shipped-providers.ts';

/**
 * Files of the shapes that sigstore/fulcio has had: config/identity/config.yaml (2024 on), the ConfigMap config/fulcio-config.yaml with
 * hard-coded CI types, config/config.jsn, and every key of its pkg/config/config.go.
 */
const ciIssuers: readonly (readonly [url: string, provider: string])[] = [
  ['https://agent.buildkite.com', 'buildkite-job'],
  ['https://dev.gitlab.org', 'gitlab-pipeline'],
  ['https://gitlab.archlinux.org', 'gitlab-pipeline'],
  ['https://gitlab.com', 'gitlab-pipeline'],
  ['https://oidc.circleci.com', 'circleci-job'],
  ['https://oidc.codefresh.io', 'codefresh-workflow'],
  ['https://ops.gitlab.net', 'gitlab-pipeline'],
  ['https://token.actions.githubusercontent.com', 'github-workflow'],
];
const otherIssuers: readonly (readonly [url: string, type: string])[] = [
  ['https://accounts.google.com', 'email'],
  ['https://auth.eclipse.org/auth/realms/foundation-service-accounts', 'email'],
  ['https://issuer.enforce.dev', 'chainguard-identity'],
  ['https://www.kaggle.com/api/v1/models/signing', 'email'],
  ['https://oauth2.sigstore.dev/auth', 'email\n    issuer-claim: $.federated_claims.connector_id'],
];
const clusters = [
  'https://*.oic.prod-aks.azure.com/*',
  'https://container.googleapis.com/v1/projects/*/locations/*/clusters/*',
  'https://oidc.eks.*.amazonaws.com/id/*',
  'https://oidc.prod-aks.azure.com/*',
];
const ciPatterns: readonly (readonly [url: string, provider: string])[] = [
  ['https://oidc.circleci.com/org/*', 'circleci-job'],
  ['https://token.actions.githubusercontent.com/*', 'github-workflow'],
];
const providers = Object.entries(shippedProviders).filter(([name]) => name !== 'buddy-pipeline');
const anchor = (name: string) => name.replace(/-\w+$/, '-type');

/** In the three ways of upstream: in double quotes, in single ones where the template has double ones, and bare. */
function template(text: string): string {
  if (text.startsWith('refs/')) return text;
  return text.includes('"') ? `'${text}'` : JSON.stringify(text);
}

function identityFile(): string {
  const mapping = (values: Readonly<Record<string, string>> = {}) =>
    Object.entries(values).flatMap(([key, value]) => [
      `      # ${key}: "push", {{ .braces }} and *aliases: mean nothing in a comment`,
      `      ${key}: ${template(value)}`,
    ]);
  return [
    '# Comments before the first key',
    '',
    'define:',
    ...providers.map(([name]) => `  - &${anchor(name)} "${name}"`),
    'oidc-issuers:',
    ...otherIssuers.flatMap(([url, type]) => [
      `  ${url}:\n    issuer-url: ${url}\n    client-id: sigstore\n    type: ${type}`,
      '    contact: someone@example.com\n    description: "Hellō, people\'s logins"',
    ]),
    ...ciIssuers.map(
      ([url, provider]) =>
        `  ${url}:\n    issuer-url: ${url}\n    client-id: sigstore\n    type: ci-provider\n    ci-provider: *${anchor(provider)}\n    contact: someone@example.com`,
    ),
    'meta-issuers:',
    ...clusters.map((url) => `  ${url}:\n    client-id: sigstore\n    type: kubernetes`),
    ...ciPatterns.map(
      ([url, provider]) =>
        `  ${url}:\n    client-id: sigstore\n    type: ci-provider\n    ci-provider: *${anchor(provider)}\n    # contact: someone@example.com`,
    ),
    'ci-issuer-metadata:',
    ...providers.flatMap(([name, one]) => [
      `  *${anchor(name)}:`,
      '    default-template-values:',
      ...mapping(one['default-template-values']),
      '    extension-templates:',
      ...mapping(one['extension-templates']),
      '',
      `    subject-alternative-name-template: ${template(one['subject-alternative-name-template'])} # do we still need it ?`,
    ]),
    '',
  ].join('\n');
}

function templatesOf({ provider }: Issuer) {
  return (
    provider && {
      name: provider.name,
      subject: provider.subjectAlternativeName.source,
      defaults: [...provider.defaults],
      extensions: provider.extensions.map(([name, { source }]) => [name, source]),
    }
  );
}

const found = (configuration: IssuerConfiguration, url: string): Issuer =>
  configuration.find(url) ?? assert.fail(`${url} is not there`);

function assertPublicGood(configuration: IssuerConfiguration): void {
  assert.equal(configuration.metaIssuers.length, clusters.length + ciPatterns.length);
  const one = found(configuration, 'https://oauth2.sigstore.dev/auth');
  assert.deepEqual(one.issuerClaim, ['federated_claims', 'connector_id']);
  for (const [url, provider] of ciIssuers) assert.equal(found(configuration, url).provider?.name, provider);
  for (const url of clusters) assert.equal(found(configuration, url.replaceAll('*', 'a-1_B')).type, 'kubernetes');
  for (const [url, provider] of ciPatterns) {
    assert.equal(found(configuration, url.replaceAll('*', 'some-enterprise')).provider?.name, provider);
  }
}

describe('a configuration as Fulcio has it', () => {
  it('of the public-good instance loads as it is, and its templates are those that are shipped', () => {
    const configuration = parseIssuers(identityFile());
    assert.equal(configuration.issuers.length, ciIssuers.length + otherIssuers.length);
    assertPublicGood(configuration);
    const shipped = parseIssuers(
      JSON.stringify({
        'oidc-issuers': Object.fromEntries(
          ciIssuers.map(([url, provider]) => [url, { type: 'ci-provider', 'ci-provider': provider }]),
        ),
      }),
    );
    for (const [url] of ciIssuers) {
      assert.deepEqual(templatesOf(found(configuration, url)), templatesOf(found(shipped, url)), url);
    }
    assert.equal(found(configuration, 'https://accounts.google.com').contact, 'someone@example.com');
    assert.equal(found(configuration, 'https://accounts.google.com').description, "Hellō, people's logins");
  });

  it('of the time before templates loads with the same meaning: hard-coded CI types, indented as in a ConfigMap', () => {
    const issuer = (url: string, type: string) => `    ${url}:\n        issuer-url: ${url}\n        type: ${type}`;
    const lines = [
      'oidc-issuers:',
      ...otherIssuers.map(([url, type]) => issuer(url, type.replace('\n    ', '\n        '))),
      '    https://allow.example:\n        issuer-url: https://allow.example\n        type: spiffe',
      '        spiffe-trust-domain: allow.example\n        contact: evan@phx.example ',
      ...ciIssuers.filter(([, type]) => type !== 'circleci-job').map(([url, type]) => issuer(url, type)),
      'meta-issuers:',
      ...clusters.map((url) => `    ${url}:\n        client-id: sigstore\n        type: kubernetes`),
      '    https://token.actions.githubusercontent.com/*:\n        type: github-workflow',
    ];
    const old = parseIssuers(lines.join('\n'));
    const now = parseIssuers(identityFile());
    for (const [url, type] of ciIssuers.filter(([, one]) => one !== 'circleci-job')) {
      assert.deepEqual(templatesOf(found(old, url)), templatesOf(found(now, url)), url);
      assert.equal(found(old, url).declaredType, type);
    }
    assert.equal(found(old, 'https://allow.example').spiffeTrustDomain, 'allow.example');
  });

  it('means the same in JSON with CamelCase keys as in YAML: every key of an issuer and of templates', () => {
    const extensions = Object.keys(shippedProviders['github-workflow']?.['extension-templates'] ?? {});
    const camel = (key: string) =>
      key.replace(/(?:^|-)(url|uri|id|jwks|ci|oidc|spiffe|ca|sha|[a-z])/g, (_, part: string) => part.toUpperCase());
    const issuers = {
      'https://mail.example.com': {
        'issuer-url': 'https://mail.example.com',
        'client-id': 'one',
        type: 'email',
        'issuer-claim': '$.federated_claims.connector_id',
        'challenge-claim': 'email',
        'skip-email-verification': true,
        environment: 'production',
        contact: 'someone@example.com',
        description: 'people',
      },
      'https://ci.example.com': { type: 'ci-provider', 'ci-provider': 'example-job', 'client-id': 'two' },
      'https://spire.example.com': { type: 'spiffe', 'spiffe-trust-domain': 'example.com', 'challenge-claim': 'sub' },
      'https://accounts.example.com': { type: 'uri', 'subject-domain': 'https://users.example.com' },
      'https://names.example.com': { type: 'username', 'subject-domain': 'example.com' },
      'https://kubernetes.default.svc': { type: 'kubernetes' },
      'https://guard.example.com': { type: 'chainguard-identity' },
    };
    const metadata = {
      'example-job': {
        'default-template-values': { url: 'https://ci.example.com' },
        'extension-templates': Object.fromEntries(
          extensions.map((key) => [key, `{{ .url }}/{{ .${key.replaceAll('-', '_')} }}`]),
        ),
        'subject-alternative-name-template': '{{ .url }}/{{ .job }}',
      },
    };
    const meta = { 'https://k8s.*.example.com': { type: 'kubernetes', 'client-id': 'three' } };
    const kebab = { 'oidc-issuers': issuers, 'meta-issuers': meta, 'ci-issuer-metadata': metadata };
    const inCamel = (values: object): Record<string, unknown> =>
      Object.fromEntries(Object.entries(values).map(([key, value]) => [camel(key), value]));
    const each = (values: object, change: (value: object) => unknown) =>
      Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value)]));
    const json = {
      OIDCIssuers: each(issuers, inCamel),
      MetaIssuers: each(meta, inCamel),
      CIIssuerMetadata: each(metadata, (one) => {
        const { 'extension-templates': templates, ...others } = one as (typeof metadata)['example-job'];
        return { ...inCamel(others), ExtensionTemplates: inCamel(templates) };
      }),
    };
    assert.ok(JSON.stringify(json).includes('"SourceRepositoryVisibilityAtSigning"'));
    assert.ok(JSON.stringify(json).includes('"SPIFFETrustDomain"'));
    assert.ok(JSON.stringify(json).includes('"SubjectAlternativeNameTemplate"'));
    const [fromKebab, fromCamel] = [kebab, json].map((value) => parseIssuers(JSON.stringify(value)));
    const plain = (configuration: IssuerConfiguration | undefined) =>
      [...(configuration?.issuers ?? []), ...(configuration?.metaIssuers ?? [])].map(({ provider, ...issuer }) => ({
        ...issuer,
        templates: provider === undefined ? undefined : templatesOf({ ...issuer, provider }),
      }));
    assert.deepEqual(plain(fromCamel), plain(fromKebab));
    assert.equal(plain(fromKebab).length, 8);
    const ci = fromKebab === undefined ? undefined : found(fromKebab, 'https://ci.example.com');
    assert.equal(ci?.provider?.extensions.length, extensions.length);
    assert.deepEqual(ci?.audiences, ['two']);
  });

  for (const [where, text, message] of [
    ['at the top', 'oidc-isuers: {}', /"oidc-isuers" is not known; did you mean "oidc-issuers"\?/],
    [
      'of an issuer',
      'oidc-issuers: { https://a.example: { type: email, subjectdomains: a } }',
      /https:\/\/a\.example: the key "subjectdomains" is not known; did you mean "subject-domain"\?/,
    ],
    [
      'of a pattern',
      'meta-issuers: { "https://*.a.example": { type: kubernetes, cliend-id: a } }',
      /did you mean "client-id"\?/,
    ],
    [
      'of a provider',
      'ci-issuer-metadata: { x: { extension-template: {}, subject-alternative-name-template: a } }',
      /did you mean "extension-templates"\?/,
    ],
    [
      'that nothing is like',
      'oidc-issuers: { https://a.example: { type: email, zzzzzzzz: a } }',
      /"zzzzzzzz" is not known\.$/,
    ],
  ] as const) {
    it(`is refused for an unknown key ${where}, with the one that was probably meant`, () => {
      assert.throws(() => parseIssuers(text), { code: 'ERR_ISSUER_CONFIG', message });
    });
  }

  it('is refused for an extension that Fulcio does not have, with the one that was probably meant', () => {
    const text =
      'ci-issuer-metadata: { x: { extension-templates: { build-signer-url: a }, subject-alternative-name-template: a } }';
    assert.throws(() => parseIssuers(text), {
      code: 'ERR_ISSUER_CONFIG',
      message: /"build-signer-url", which is no extension of Fulcio; did you mean "build-signer-uri"\?/,
      expected: /source-repository-visibility-at-signing/,
    });
  });
});
