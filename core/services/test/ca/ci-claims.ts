/** Claims as the CI systems' documentation shows them, of a repository that does not exist. */

const sha = '0123456789abcdef0123456789abcdef01234567';

export const githubClaims = {
  sub: 'repo:acme/widget:environment:npm',
  event_name: 'push',
  sha,
  workflow: 'Release',
  repository: 'acme/widget',
  ref: 'refs/tags/v1.2.3',
  job_workflow_ref: 'acme/widget/.github/workflows/release.yml@refs/tags/v1.2.3',
  job_workflow_sha: sha,
  runner_environment: 'github-hosted',
  repository_id: '1111',
  repository_owner: 'acme',
  repository_owner_id: '2222',
  workflow_ref: 'acme/widget/.github/workflows/release.yml@refs/tags/v1.2.3',
  workflow_sha: sha,
  run_id: '3333',
  run_attempt: '1',
  repository_visibility: 'private',
  environment: 'npm',
};

export const gitlabClaims = {
  sub: 'project_path:acme/widget:ref_type:branch:ref:main',
  ci_config_ref_uri: 'gitlab.com/acme/widget//.gitlab-ci.yml@refs/heads/main',
  ci_config_sha: sha,
  runner_environment: 'gitlab-hosted',
  project_path: 'acme/widget',
  project_id: '1111',
  project_visibility: 'private',
  namespace_path: 'acme',
  namespace_id: '2222',
  sha,
  ref: 'main',
  ref_type: 'branch',
  pipeline_source: 'push',
  job_id: '4444',
};

export const buildkiteClaims = {
  sub: 'organization:acme:pipeline:widget:ref:refs/heads/main:commit:0123:step:release',
  organization_slug: 'acme',
  pipeline_slug: 'widget',
  build_number: 9,
  build_commit: sha,
  build_source: 'webhook',
  job_id: 'job-1',
  runner_environment: 'self-hosted',
};

export const codefreshClaims = {
  sub: 'account:acme:pipeline:release',
  account_id: 'account-1',
  account_name: 'acme',
  pipeline_id: 'pipeline-1',
  pipeline_name: 'widget/release',
  workflow_id: 'workflow-1',
};

export const circleciClaims = {
  sub: 'org/1/project/2/user/3',
  'oidc.circleci.com/project-id': 'project-1',
  'oidc.circleci.com/pipeline-definition-id': 'definition-1',
  'oidc.circleci.com/pipeline-id': 'pipeline-1',
  'oidc.circleci.com/workflow-id': 'workflow-1',
  'oidc.circleci.com/job-id': 'job-1',
  'oidc.circleci.com/ssh-rerun': true,
  'oidc.circleci.com/vcs-origin': 'github.com/acme/widget',
  'oidc.circleci.com/vcs-ref': 'refs/heads/main',
};

export const buddyClaims = {
  sub: 'workspace:acme:project:widget',
  workspace_domain: 'acme',
  project_name: 'widget',
  pipeline_id: 7,
  execution_id: 'execution-1',
  revision: sha,
  ref: 'refs/heads/main',
  triggered_on: 'PUSH',
  runner_environment: 'buddy-hosted',
};
