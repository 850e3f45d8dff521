import assert from 'node:assert/strict';
import npm from '@npmcli/config/lib/definitions/index.js';
import { IdentityToken } from '@signet/client/identity';
import { assertNpmjsTakes, isNpmjs } from '@signet/client/publish';
import { unsignedToken } from '../identity/tokens.ts';

const github = {
  iss: 'https://token.actions.githubusercontent.com',
  sub: 'repo:acme/widgets:ref:refs/heads/main',
  repository: 'acme/widgets',
  workflow_ref: 'acme/widgets/.github/workflows/release.yml@refs/heads/main',
  repository_visibility: 'public',
  runner_environment: 'github-hosted',
};
const gitlab = {
  iss: 'https://gitlab.com',
  sub: 'project_path:acme/widgets:ref_type:branch:ref:main',
  project_path: 'acme/widgets',
  project_visibility: 'public',
  runner_environment: 'gitlab-hosted',
};
const manifest = { name: '@acme/widgets', repository: { type: 'git', url: 'git+https://github.com/acme/widgets.git' } };
const there = { asked: undefined, isNewPackage: false } as const;

const token = (claims: Record<string, unknown>) => IdentityToken.parse(unsignedToken(claims));

function refusal(
  claims: Record<string, unknown>,
  line: RegExp,
  change: object = {},
  access: typeof there | object = there,
) {
  assert.throws(() => assertNpmjsTakes(token(claims), { ...manifest, ...change }, { ...there, ...access }), {
    code: 'ERR_PUBLISH_FORBIDDEN',
    message: line,
  });
}

describe('the rules of npm’s registry', () => {
  it('take no job of Forgejo for one of GitHub’s', () => {
    refusal({ ...github, iss: 'https://codeberg.example/api/actions' }, /from GitHub Actions and GitLab CI alone/);
  });

  it('are asked for npm’s own default registry, wherever npm says that is', async () => {
    const standard = String(npm.definitions.registry?.default);
    assert.equal(await isNpmjs(standard), true);
    assert.equal(await isNpmjs(standard.replace(/\/$/, '')), true);
    assert.equal(await isNpmjs('https://npm.acme.example/'), false);
    assert.equal(await isNpmjs('not a url'), false);
  });

  it('let a hosted build of a public repository pass, on GitHub and on GitLab', () => {
    assertNpmjsTakes(token(github), manifest, there);
    const elsewhere = { ...manifest, repository: 'https://gitlab.com/acme/widgets' };
    assertNpmjsTakes(token(gitlab), elsewhere, there);
  });

  it('take every way to write the same repository', () => {
    for (const url of [
      'https://github.com/acme/widgets',
      'git+https://github.com/acme/widgets.git#main',
      'git@github.com:acme/widgets.git',
      'git+ssh://git@github.com/acme/widgets.git',
      'git://github.com/acme/widgets.git',
      'github:acme/widgets',
      'acme/widgets',
    ]) {
      assertNpmjsTakes(token(github), { ...manifest, repository: url }, there);
    }
  });

  it('refuse a runner of one’s own, with the line of the workflow to change', () => {
    refusal({ ...github, runner_environment: 'self-hosted' }, /runs-on: ubuntu-latest; nothing was signed/);
    refusal({ ...gitlab, runner_environment: 'self-hosted' }, /tags: \[saas-linux-small-amd64\]/, {
      repository: 'https://gitlab.com/acme/widgets',
    });
  });

  it('refuse a private repository, also when the token does not say', () => {
    refusal({ ...github, repository_visibility: 'private' }, /make https:\/\/github\.com\/acme\/widgets public/);
    refusal({ ...github, repository_visibility: 'internal' }, /public repositories alone/);
    refusal({ ...github, repository_visibility: undefined }, /public repositories alone/);
  });

  it('refuse another repository than the one that was built, with the line of package.json to change', () => {
    const line = /"repository": \{ "type": "git", "url": "git\+https:\/\/github\.com\/acme\/widgets\.git" \}/;
    refusal(github, line, { repository: undefined });
    refusal(github, line, { repository: 'https://github.com/acme/gadgets' });
    refusal(github, /upper and lower case included/, { repository: 'https://github.com/Acme/Widgets' });
  });

  it('refuse a new scoped package that does not say that it is public', () => {
    refusal(github, /"publishConfig": \{ "access": "public" \}/, {}, { isNewPackage: true });
    refusal(github, /public packages alone/, {}, { asked: 'restricted' });
    assertNpmjsTakes(token(github), manifest, { asked: 'public', isNewPackage: true });
  });

  it('refuse people and other platforms', () => {
    refusal(
      { iss: 'https://accounts.example', sub: 'alice', email: 'alice@example.com' },
      /GitHub Actions and GitLab CI/,
    );
  });
});
