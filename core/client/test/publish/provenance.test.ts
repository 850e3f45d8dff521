import assert from 'node:assert/strict';
import { IdentityToken } from '@signet/client/identity';
import { createProvenance, plainBuildType } from '@signet/client/publish';
import { unsignedToken } from '../identity/tokens.ts';

const subject = { name: '@acme/widgets', version: '1.0.0' };

const gitlab = {
  iss: 'https://gitlab.example',
  sub: 'project_path:acme/widgets:ref_type:tag:ref:v1.0.0',
  project_path: 'acme/widgets',
  project_id: '42',
  namespace_id: '7',
  pipeline_id: '1001',
  pipeline_source: 'push',
  job_id: '2002',
  ref: 'v1.0.0',
  ref_type: 'tag',
  runner_id: 99,
  sha: 'a'.repeat(40),
  ci_config_ref_uri: 'gitlab.example/acme/widgets//.gitlab-ci.yml@refs/tags/v1.0.0',
};
const certified = {
  sourceRepositoryUri: 'https://gitlab.example/acme/widgets',
  sourceRepositoryDigest: 'a'.repeat(40),
  sourceRepositoryRef: 'refs/tags/v1.0.0',
  sourceRepositoryIdentifier: '42',
};
const token = (claims: object) => IdentityToken.parse(unsignedToken({ ...claims }));

describe('the provenance of a package', () => {
  it('of a GitLab job has GitLab’s build type, and nothing of the job’s variables', () => {
    const { predicateType, predicate } = createProvenance(token(gitlab), certified, subject);
    assert.equal(predicateType, 'https://slsa.dev/provenance/v1');
    assert.deepEqual(predicate, {
      buildDefinition: {
        buildType: 'https://docs.gitlab.com/ci/pipeline_security/slsa/provenance_v1',
        externalParameters: {
          source: 'https://gitlab.example/acme/widgets',
          pipeline: 'gitlab.example/acme/widgets//.gitlab-ci.yml@refs/tags/v1.0.0',
        },
        internalParameters: { job: '2002', pipeline: '1001', trigger: 'push' },
        resolvedDependencies: [
          { uri: 'git+https://gitlab.example/acme/widgets@refs/tags/v1.0.0', digest: { gitCommit: 'a'.repeat(40) } },
        ],
      },
      runDetails: {
        builder: { id: 'https://gitlab.example/acme/widgets/-/runners/99' },
        metadata: { invocationId: 'https://gitlab.example/acme/widgets/-/jobs/2002' },
      },
    });
  });

  it('of a Forgejo job is not given out as one of GitHub’s, whose claims it has', () => {
    const claims = {
      sub: 'repo:acme/widgets:ref:refs/heads/main',
      repository: 'acme/widgets',
      workflow_ref: 'acme/widgets/.forgejo/workflows/release.yml@refs/heads/main',
      run_id: '7',
      runner_environment: 'self-hosted',
    };
    const forgejo = token({ ...claims, iss: 'https://forge.example/api/actions' });
    const named = { sourceRepositoryUri: 'https://forge.example/acme/widgets', sourceRepositoryRef: 'refs/heads/main' };
    for (const certificate of [{}, named]) {
      const { predicate } = createProvenance(forgejo, certificate, subject);
      assert.equal((predicate.buildDefinition as { buildType: string }).buildType, plainBuildType);
      assert.ok(!JSON.stringify(predicate).includes('github.com'));
    }
    // Nor is that of any other issuer with these claims, unless the certificate says where the repository is.
    const other = createProvenance(token({ ...claims, iss: 'https://ci.example' }), {}, subject);
    assert.ok(!JSON.stringify(other).includes('github.com'));
    const github = createProvenance(
      token({ ...claims, iss: 'https://token.actions.githubusercontent.com' }),
      {},
      subject,
    );
    assert.match(JSON.stringify(github), /https:\/\/github\.com\/acme\/widgets/);
  });

  it('stops the publish where certificate and token disagree', () => {
    for (const [claim, value] of [
      ['project_path', 'mallory/widgets'],
      ['sha', 'b'.repeat(40)],
      ['ref', 'v2.0.0'],
      ['project_id', '43'],
    ] as const) {
      assert.throws(() => createProvenance(token({ ...gitlab, [claim]: value }), certified, subject), {
        code: 'ERR_PROVENANCE_MISMATCH',
      });
    }
  });

  it('of a person claims no build', () => {
    const alice = { iss: 'https://login.example', sub: 'alice', email: 'alice@example.com' };
    assert.deepEqual(createProvenance(token(alice), {}, subject).predicate, {
      buildDefinition: { buildType: plainBuildType, externalParameters: { package: subject } },
      runDetails: { builder: { id: 'https://login.example' } },
    });
  });

  it('of other platforms names the source that the certificate names', () => {
    const job = { iss: 'https://oidc.ci.example', sub: 'job' };
    const run = { ...certified, runInvocationUri: 'https://ci.example/runs/1' };
    const { buildDefinition, runDetails } = createProvenance(token(job), run, subject).predicate as Record<
      string,
      object
    >;
    assert.deepEqual((buildDefinition as { resolvedDependencies: unknown }).resolvedDependencies, [
      { uri: 'git+https://gitlab.example/acme/widgets@refs/tags/v1.0.0', digest: { gitCommit: 'a'.repeat(40) } },
    ]);
    assert.deepEqual(runDetails, {
      builder: { id: 'https://oidc.ci.example' },
      metadata: { invocationId: 'https://ci.example/runs/1' },
    });
  });
});
