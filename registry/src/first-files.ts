import type { InstanceConfiguration } from './instance-file.ts';
import type { InstanceUrls } from './public-url.ts';

/** An identity that may publish the names of a new instance. */
export interface FirstPublisher {
  /** Default: the development identity provider. */
  readonly issuer?: string;
  /** E-mail address or URI, exact. */
  readonly subject: string;
}

/** How the instance's own trust root is called in its policy and in messages. */
export const trustRootName = 'instance';

/**
 * The text of a new `trust-policy.yaml`: who may publish what the instance owns. Without a publisher nobody may, until somebody
 * edits it.
 */
export function formatFirstPolicy(
  configuration: InstanceConfiguration,
  urls: InstanceUrls,
  publishers: readonly FirstPublisher[],
): string {
  const names = JSON.stringify(configuration.names);
  const issuers = new Set(publishers.map(({ issuer }) => issuer ?? urls.oidc));
  if (configuration.developmentIdentity) issuers.add(urls.oidc).add(urls.ciIssuer);
  const entries = publishers.map(({ issuer = urls.oidc, subject }, index) => ({
    name: `publisher-${index + 1}`,
    text: `{ oidc: { issuer: ${JSON.stringify(issuer)}, san: [${JSON.stringify(subject)}] } }`,
  }));
  return `# Who may publish what to this registry. It is read anew for every publish, so a change counts at once; a mistake
# in it stops all publishing until it is mended. Consumers may start from a copy of it.
version: 1
mode: enforce
noMatch: deny

trustRoots:
  ${trustRootName}:
    file: ./trust/trusted_root.json
    packages: ${names}
${issuers.size === 0 ? '' : `    issuers: ${JSON.stringify([...issuers])}\n`}
publishers:${entries.length === 0 ? ' {}' : entries.map(({ name, text }) => `\n  ${name}: ${text}`).join('')}
#  a-person:   { oidc: { issuer: "https://login.acme.example", san: ["alice@acme.example"] } }
#  a-workflow: { github: { repository: acme/widgets, repositoryId: "1001", ownerId: "4242", workflow: .github/workflows/release.yml } }

rules:${
    entries.length === 0
      ? ` []
#  - id: owned-names
#    match: ${names}
#    require:
#      - signature: { by: [a-person] }
`
      : `
  - id: owned-names
    match: ${names}
    require:
      - signature: { by: ${JSON.stringify(entries.map(({ name }) => name))} }
`
  }`;
}

/** The text of a new `issuers.yaml`, Fulcio's configuration: whose tokens the certificate authority believes. */
export function formatFirstIssuers(configuration: InstanceConfiguration, urls: InstanceUrls): string {
  const development = `oidc-issuers:
  # The development identity provider; without signet up --dev-identity these two are ignored.
  ${JSON.stringify(urls.oidc)}:
    issuer-url: ${JSON.stringify(urls.oidc)}
    client-id: sigstore
    type: email
    description: people, for development
  ${JSON.stringify(urls.ciIssuer)}:
    issuer-url: ${JSON.stringify(urls.ciIssuer)}
    client-id: sigstore
    type: ci-provider
    ci-provider: github-workflow
    description: jobs as GitHub describes them, for development
`;
  return `# Whose identity tokens the certificate authority believes: Fulcio's configuration format, with additions.
# An issuer without required-claims lets everybody it knows get a certificate, which for GitHub's is the whole world.
#
#  https://token.actions.githubusercontent.com:
#    issuer-url: https://token.actions.githubusercontent.com
#    client-id: sigstore
#    type: ci-provider
#    ci-provider: github-workflow
#    required-claims: { repository_owner_id: "4242" }
#  https://login.acme.example:
#    issuer-url: https://login.acme.example
#    client-id: sigstore
#    type: email
${configuration.developmentIdentity ? development : 'oidc-issuers: {}\n'}`;
}
