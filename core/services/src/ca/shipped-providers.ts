/**
 * How the identity tokens of well-known CI systems become certificates, from the table of claims in sigstore/fulcio's
 * docs/oid-info.md. A provider of the same name in the configuration's `ci-issuer-metadata` replaces one of these.
 */
import type { ProviderTemplates } from './providers.ts';

const circleClaim = (name: string) => `{{ index . "oidc.circleci.com/${name}" }}`;
const circleDefinition = `{{ .api_url }}/projects/${circleClaim('project-id')}/pipeline-definitions/${circleClaim('pipeline-definition-id')}`;
const buddyProject = '{{ .base_url }}/{{ .workspace_domain }}/{{ .project_name }}';

const github: ProviderTemplates = {
  'default-template-values': { url: 'https://github.com', environment: '' },
  'extension-templates': {
    'github-workflow-trigger': 'event_name',
    'github-workflow-sha': 'sha',
    'github-workflow-name': 'workflow',
    'github-workflow-repository': 'repository',
    'github-workflow-ref': 'ref',
    'build-signer-uri': '{{ .url }}/{{ .job_workflow_ref }}',
    'build-signer-digest': 'job_workflow_sha',
    'runner-environment': 'runner_environment',
    'source-repository-uri': '{{ .url }}/{{ .repository }}',
    'source-repository-digest': 'sha',
    'source-repository-ref': 'ref',
    'source-repository-identifier': 'repository_id',
    'source-repository-owner-uri': '{{ .url }}/{{ .repository_owner }}',
    'source-repository-owner-identifier': 'repository_owner_id',
    'build-config-uri': '{{ .url }}/{{ .workflow_ref }}',
    'build-config-digest': 'workflow_sha',
    'build-trigger': 'event_name',
    'run-invocation-uri': '{{ .url }}/{{ .repository }}/actions/runs/{{ .run_id }}/attempts/{{ .run_attempt }}',
    'source-repository-visibility-at-signing': 'repository_visibility',
    'deployment-environment': 'environment',
  },
  'subject-alternative-name-template': '{{ .url }}/{{ .job_workflow_ref }}',
};

const gitlab: ProviderTemplates = {
  'default-template-values': { url: 'https://gitlab.com', environment: '' },
  'extension-templates': {
    'build-signer-uri': 'https://{{ .ci_config_ref_uri }}',
    'build-signer-digest': 'ci_config_sha',
    'runner-environment': 'runner_environment',
    'source-repository-uri': '{{ .url }}/{{ .project_path }}',
    'source-repository-digest': 'sha',
    'source-repository-ref': 'refs/{{ if eq .ref_type "branch" }}heads/{{ else }}tags/{{ end }}{{ .ref }}',
    'source-repository-identifier': 'project_id',
    'source-repository-owner-uri': '{{ .url }}/{{ .namespace_path }}',
    'source-repository-owner-identifier': 'namespace_id',
    'build-config-uri': 'https://{{ .ci_config_ref_uri }}',
    'build-config-digest': 'ci_config_sha',
    'build-trigger': 'pipeline_source',
    'run-invocation-uri': '{{ .url }}/{{ .project_path }}/-/jobs/{{ .job_id }}',
    'source-repository-visibility-at-signing': 'project_visibility',
    'deployment-environment': 'environment',
  },
  'subject-alternative-name-template': 'https://{{ .ci_config_ref_uri }}',
};

const buildkite: ProviderTemplates = {
  'default-template-values': { url: 'https://buildkite.com' },
  'extension-templates': {
    'runner-environment': 'runner_environment',
    'source-repository-digest': 'build_commit',
    'build-trigger': 'build_source',
    'run-invocation-uri':
      '{{ .url }}/{{ .organization_slug }}/{{ .pipeline_slug }}/builds/{{ .build_number }}#{{ .job_id }}',
  },
  'subject-alternative-name-template': '{{ .url }}/{{ .organization_slug }}/{{ .pipeline_slug }}',
};

const codefresh: ProviderTemplates = {
  'default-template-values': {
    platform_url: 'https://g.codefresh.io',
    scm_repo_url: '',
    scm_ref: '',
    runner_environment: '',
  },
  'extension-templates': {
    'build-signer-uri': '{{ .platform_url }}/build/{{ .workflow_id }}',
    'runner-environment': 'runner_environment',
    'source-repository-uri': 'scm_repo_url',
    'source-repository-ref': 'scm_ref',
    'build-config-uri': '{{ .platform_url }}/api/pipelines/{{ .pipeline_id }}',
    'run-invocation-uri': '{{ .platform_url }}/build/{{ .workflow_id }}',
  },
  'subject-alternative-name-template':
    '{{ .platform_url }}/{{ .account_name }}/{{ .pipeline_name }}:{{ .account_id }}/{{ .pipeline_id }}',
};

const circleci: ProviderTemplates = {
  'default-template-values': { api_url: 'https://circleci.com/api/v2', platform_url: 'https://app.circleci.com' },
  'extension-templates': {
    'build-signer-uri': circleDefinition,
    // A job that was run again with SSH is one that a person could reach into.
    'runner-environment': '{{ if eq (index . "oidc.circleci.com/ssh-rerun") "true" }}ssh-rerun{{ else }}""{{ end }}',
    'source-repository-uri': circleClaim('vcs-origin'),
    'source-repository-ref': circleClaim('vcs-ref'),
    'build-config-uri': `{{ .api_url }}/pipeline/${circleClaim('pipeline-id')}/config`,
    'run-invocation-uri': `{{ .platform_url }}/workflow/${circleClaim('workflow-id')}/job/${circleClaim('job-id')}`,
  },
  'subject-alternative-name-template': circleDefinition,
};

const buddy: ProviderTemplates = {
  'default-template-values': {
    base_url: 'https://app.buddy.works',
    runner_environment: '',
    revision: '',
    ref: '',
    triggered_on: '',
  },
  'extension-templates': {
    'build-signer-uri': `${buddyProject}/pipelines/pipeline/{{ .pipeline_id }}`,
    'runner-environment': 'runner_environment',
    'source-repository-uri': buddyProject,
    'source-repository-digest': 'revision',
    'source-repository-ref': 'ref',
    'source-repository-owner-uri': '{{ .base_url }}/{{ .workspace_domain }}',
    'build-trigger': 'triggered_on',
    'run-invocation-uri': `${buddyProject}/pipelines/pipeline/{{ .pipeline_id }}/execution/{{ .execution_id }}`,
  },
  'subject-alternative-name-template': `${buddyProject}/pipelines/pipeline/{{ .pipeline_id }}`,
};

/** Templates by the name that an issuer's `ci-provider` refers to. */
export const shippedProviders: Readonly<Record<string, ProviderTemplates>> = {
  'github-workflow': github,
  'gitlab-pipeline': gitlab,
  'buildkite-job': buildkite,
  'codefresh-workflow': codefresh,
  'circleci-job': circleci,
  'buddy-pipeline': buddy,
};
