import assert from 'node:assert/strict';
import { checkProvenance } from '@signet/client/npm';
import type { FulcioClaims } from '@signet/primitives/formats';

const claims: FulcioClaims = {
  sourceRepositoryUri: 'https://github.com/acme/widgets',
  sourceRepositoryDigest: '06528997c3c8ab9f864fad9a3658446aca7fd86d',
  sourceRepositoryRef: 'refs/tags/v1.2.3',
  sourceRepositoryIdentifier: '77',
  sourceRepositoryOwnerIdentifier: '4242',
  buildConfigUri: 'https://github.com/acme/widgets/.github/workflows/release.yml@refs/tags/v1.2.3',
  buildTrigger: 'push',
  runInvocationUri: 'https://github.com/acme/widgets/actions/runs/1/attempts/1',
  runnerEnvironment: 'github-hosted',
};

const v1 = 'https://slsa.dev/provenance/v1';
const v02 = 'https://slsa.dev/provenance/v0.2';

function predicateV1(change: Record<string, string> = {}): Record<string, unknown> {
  const stated = {
    repository: 'https://github.com/acme/widgets',
    ref: 'refs/tags/v1.2.3',
    path: '.github/workflows/release.yml',
    repositoryId: '77',
    ownerId: '4242',
    trigger: 'push',
    source: 'git+https://github.com/acme/widgets@refs/tags/v1.2.3',
    commit: '06528997c3c8ab9f864fad9a3658446aca7fd86d',
    builder: 'https://github.com/actions/runner/github-hosted',
    invocation: 'https://github.com/acme/widgets/actions/runs/1/attempts/1',
    ...change,
  };
  return {
    buildDefinition: {
      externalParameters: { workflow: { ref: stated.ref, repository: stated.repository, path: stated.path } },
      internalParameters: {
        github: { event_name: stated.trigger, repository_id: stated.repositoryId, repository_owner_id: stated.ownerId },
      },
      resolvedDependencies: [{ uri: stated.source, digest: { gitCommit: stated.commit } }],
    },
    runDetails: { builder: { id: stated.builder }, metadata: { invocationId: stated.invocation } },
  };
}

function predicateV02(change: Record<string, string> = {}): Record<string, unknown> {
  const environment = {
    GITHUB_REPOSITORY: 'acme/widgets',
    GITHUB_SHA: '06528997c3c8ab9f864fad9a3658446aca7fd86d',
    GITHUB_REF: 'refs/tags/v1.2.3',
    GITHUB_REPOSITORY_ID: '77',
    GITHUB_REPOSITORY_OWNER_ID: '4242',
    GITHUB_EVENT_NAME: 'push',
    source: 'git+https://github.com/acme/widgets@refs/tags/v1.2.3',
    material: 'git+https://github.com/acme/widgets',
    sha1: '06528997c3c8ab9f864fad9a3658446aca7fd86d',
    ...change,
  };
  return {
    invocation: { configSource: { uri: environment.source, digest: { sha1: environment.sha1 } }, environment },
    materials: [{ uri: environment.material, digest: { sha1: environment.sha1 } }],
  };
}

describe('provenance', () => {
  it('agrees with a certificate that says the same', () => {
    checkProvenance(v1, predicateV1(), claims);
    checkProvenance(v1, predicateV1({ repository: 'https://github.com/Acme/Widgets' }), claims);
    checkProvenance(v02, predicateV02(), claims);
  });

  const lies: [type: string, predicate: Record<string, unknown>][] = [
    [v1, predicateV1({ repository: 'https://github.com/evil/widgets' })],
    [v1, predicateV1({ ref: 'refs/heads/main' })],
    [v1, predicateV1({ ref: 'refs/tags/V1.2.3' })],
    [v1, predicateV1({ path: '.github/workflows/other.yml' })],
    [v1, predicateV1({ repositoryId: '78' })],
    [v1, predicateV1({ ownerId: '666' })],
    [v1, predicateV1({ trigger: 'pull_request' })],
    [v1, predicateV1({ source: 'git+https://github.com/evil/widgets@refs/tags/v1.2.3' })],
    [v1, predicateV1({ source: 'git+https://github.com/acme/widgets@refs/tags/v9.9.9' })],
    [v1, predicateV1({ commit: '0'.repeat(40) })],
    [v1, predicateV1({ builder: 'https://github.com/actions/runner/self-hosted' })],
    [v1, predicateV1({ invocation: 'https://github.com/acme/widgets/actions/runs/2/attempts/1' })],
    [v02, predicateV02({ GITHUB_REPOSITORY: 'evil/widgets' })],
    [v02, predicateV02({ GITHUB_SHA: '0'.repeat(40) })],
    [v02, predicateV02({ GITHUB_REF: 'refs/heads/main' })],
    [v02, predicateV02({ GITHUB_REPOSITORY_ID: '78' })],
    [v02, predicateV02({ GITHUB_REPOSITORY_OWNER_ID: '666' })],
    [v02, predicateV02({ GITHUB_EVENT_NAME: 'pull_request' })],
    [v02, predicateV02({ source: 'git+https://github.com/evil/widgets@refs/tags/v1.2.3' })],
    [v02, predicateV02({ material: 'git+https://github.com/evil/widgets' })],
    [v02, predicateV02({ sha1: '0'.repeat(40) })],
  ];
  for (const [index, [type, predicate]] of lies.entries()) {
    it(`that lies about its source is refused (${type.slice(-4)}, ${index})`, () => {
      assert.throws(() => checkProvenance(type, predicate, claims), { code: 'ERR_PROVENANCE_MISMATCH' });
    });
  }

  it('is compared with the claims of old certificates too', () => {
    const legacy: FulcioClaims = { githubWorkflowRepository: 'acme/widgets', githubWorkflowRef: 'refs/tags/v1.2.3' };
    checkProvenance(v1, predicateV1(), legacy);
    assert.throws(() => checkProvenance(v1, predicateV1({ ref: 'refs/heads/main' }), legacy));
    assert.throws(() => checkProvenance(v1, predicateV1({ repository: 'https://github.com/evil/x' }), legacy));
  });

  it('of any shape breaks nothing, and other predicates are not provenance', () => {
    for (const predicate of [
      {},
      { buildDefinition: [] },
      { runDetails: { builder: 7 } },
      { invocation: null, materials: {} },
    ]) {
      checkProvenance(v1, predicate, claims);
      checkProvenance(v02, predicate, claims);
    }
    checkProvenance('https://example.org/scan/v1', predicateV1({ ref: 'x' }), claims);
  });
});
