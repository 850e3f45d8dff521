import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { access, chmod, cp, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertTrustUnchanged, loadPolicy, type TrustedRefOptions } from '@signet/client/install';

const policy = (san: string): string => `version: 1
trustRoots: { acme: { file: ./root.json, packages: ['@acme/*'] } }
publishers: { ci: { oidc: { issuer: 'https://login.acme.example', san: [${san}] } } }
rules: [{ id: named, match: [named], require: [{ signature: { by: [ci] } }] }]
`;

describe('the trust of a git ref', () => {
  let top: string;
  let app: string;
  let env: Record<string, string | undefined>;

  const git = (cwd: string, ...args: readonly string[]): string =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], {
      cwd,
      env: { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  const commit = (cwd: string): void => {
    git(cwd, 'add', '--all', '--force');
    git(cwd, 'commit', '--quiet', '--allow-empty', '--message', 'a change');
  };

  beforeEach(async () => {
    top = await realpath(await mkdtemp(join(tmpdir(), 'signet-trusted-')));
    app = join(top, 'repository', 'packages', 'app');
    env = { PATH: process.env.PATH, HOME: top, GIT_CONFIG_NOSYSTEM: '1' };
    await mkdir(app, { recursive: true });
    await writeFile(join(app, 'trust-policy.yaml'), policy('honest'));
    await writeFile(join(app, 'root.json'), '{"root":"honest"}');
    git(join(top, 'repository'), 'init', '--quiet', '--initial-branch=main');
    commit(app);
  });
  afterEach(() => rm(top, { recursive: true, force: true }));

  async function check(ref: string, folder = app, more: Partial<TrustedRefOptions> = {}): Promise<void> {
    const policyPath = join(folder, 'trust-policy.yaml');
    const loaded = await loadPolicy(policyPath);
    await assertTrustUnchanged({
      ref,
      policyPath,
      policy: loaded.policy,
      trustLockPath: join(folder, 'trust-lock.json'),
      env,
      ...more,
    });
  }

  /** A project folder that is a bare repository at the same time, whose `main` has another policy. */
  async function plantBareRepository(configuration = ''): Promise<void> {
    const other = join(top, 'other');
    await mkdir(other);
    await writeFile(join(other, 'trust-policy.yaml'), policy('mallory'));
    await writeFile(join(other, 'root.json'), '{"root":"mallory"}');
    git(other, 'init', '--quiet', '--initial-branch=main');
    commit(other);
    for (const name of ['HEAD', 'objects', 'refs']) {
      await cp(join(other, '.git', name), join(app, name), { recursive: true });
    }
    await writeFile(
      join(app, 'config'),
      `[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n${configuration}`,
    );
    await writeFile(join(app, 'trust-policy.yaml'), policy('mallory'));
    await writeFile(join(app, 'root.json'), '{"root":"mallory"}');
  }

  it('is that of its files, byte for byte, in a folder of the repository and by every way to name the commit', async () => {
    git(app, 'branch', 'base');
    for (const ref of ['main', 'HEAD', 'base', 'refs/heads/base', git(app, 'rev-parse', 'HEAD').trim()])
      await check(ref);
    commit(app);
    await check('main~1');
    await check('HEAD@{1}');
  });

  it('is not that of a bare repository that a change commits into the project', async () => {
    await plantBareRepository();
    assert.match(git(app, 'show', 'main:./trust-policy.yaml'), /mallory/, 'git by itself is deceived');
    await assert.rejects(check('main'), { code: 'ERR_TRUST_CHANGED', message: /mallory/ });
  });

  it('starts no program that a committed configuration names', async () => {
    const lazy = '[extensions]\n\tpartialClone = origin\n[remote "origin"]\n\turl = .\n\tuploadpack = ./pwn.sh\n';
    await plantBareRepository(`${lazy}\tpromisor = true\n`);
    const marker = join(top, 'ran');
    await writeFile(join(app, 'pwn.sh'), `#!/bin/sh\ntouch ${marker}\n`);
    await chmod(join(app, 'pwn.sh'), 0o755);
    await writeFile(join(app, 'refs', 'heads', 'main'), `${'1'.repeat(40)}\n`);
    await assert.rejects(check('main'), { code: 'ERR_TRUST_CHANGED' });
    await assert.rejects(check('1'.repeat(40)), { code: 'ERR_CONFIGURATION' });
    await assert.rejects(access(marker), 'nothing was started');
  });

  it('fetches nothing, and takes objects that are missing for an error', async () => {
    const marker = join(top, 'ran');
    await writeFile(join(top, 'pwn.sh'), `#!/bin/sh\ntouch ${marker}\n`);
    await chmod(join(top, 'pwn.sh'), 0o755);
    git(app, 'config', 'extensions.partialClone', 'origin');
    git(app, 'config', 'core.repositoryFormatVersion', '1');
    git(app, 'config', 'remote.origin.url', join(top, 'repository'));
    git(app, 'config', 'remote.origin.promisor', 'true');
    git(app, 'config', 'remote.origin.uploadpack', join(top, 'pwn.sh'));
    const blob = git(app, 'rev-parse', 'main:packages/app/trust-policy.yaml').trim();
    await rm(join(top, 'repository', '.git', 'objects', blob.slice(0, 2), blob.slice(2)));
    await assert.rejects(check('main'), { code: 'ERR_CONFIGURATION' });
    await assert.rejects(access(marker), 'nothing was started');
  });

  it('is not that of a repository that the environment names', async () => {
    await plantBareRepository();
    env = { ...env, GIT_DIR: app, GIT_WORK_TREE: app, GIT_OBJECT_DIRECTORY: join(app, 'objects') };
    await assert.rejects(check('main'), { code: 'ERR_TRUST_CHANGED' });
  });

  it('is not read by a git that lies in the working tree', async () => {
    const bin = join(app, 'node_modules', '.bin');
    const marker = join(top, 'ran');
    await mkdir(bin, { recursive: true });
    await writeFile(join(bin, 'git'), `#!/bin/sh\ntouch ${marker}\n`);
    await chmod(join(bin, 'git'), 0o755);
    env = { ...env, PATH: `${bin}:${process.env.PATH}` };
    await check('main');
    await assert.rejects(access(marker), 'nothing was started');
  });

  it('is found from a worktree, and refused in a submodule, whose refs are not those around it', async () => {
    const repository = join(top, 'repository');
    git(repository, 'worktree', 'add', '--quiet', join(top, 'worktree'), '-b', 'topic');
    await check('main', join(top, 'worktree', 'packages', 'app'));

    const inner = join(top, 'inner');
    await cp(app, inner, { recursive: true });
    git(inner, 'init', '--quiet', '--initial-branch=main');
    commit(inner);
    git(repository, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', inner, 'module');
    await assert.rejects(check('HEAD', join(repository, 'module')), {
      code: 'ERR_CONFIGURATION',
      message: /is a submodule of/,
    });
  });

  it('is refused where a tag and a branch have one name, of which git would take the tag', async () => {
    git(app, 'update-ref', 'refs/remotes/origin/main', 'HEAD');
    await check('origin/main');
    git(app, 'tag', 'origin/main');
    const refused = { code: 'ERR_CONFIGURATION', message: /refs\/remotes\/origin\/main, refs\/tags\/origin\/main/ };
    await assert.rejects(check('origin/main'), refused);
    await assert.rejects(check('origin/main~0'), refused);
    await check('refs/remotes/origin/main');
  });

  it('is refused where there is no repository, no such commit, or something else than a file', async () => {
    const alone = join(top, 'alone');
    await cp(app, alone, { recursive: true });
    await assert.rejects(check('main', alone), { code: 'ERR_CONFIGURATION', message: /no git repository/ });
    await assert.rejects(check('nowhere'), { code: 'ERR_CONFIGURATION', message: /knows no commit nowhere/ });
    await rm(join(app, 'root.json'));
    await mkdir(join(app, 'root.json'));
    await writeFile(join(app, 'root.json', 'file'), '');
    commit(app);
    await rm(join(app, 'root.json'), { recursive: true });
    await writeFile(join(app, 'root.json'), '{"root":"honest"}');
    await assert.rejects(check('HEAD'), { code: 'ERR_CONFIGURATION', message: /is not a plain file/ });
    await check('HEAD~1');
  });
});
