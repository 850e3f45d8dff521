import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { run } from '../scene/processes.ts';
import { Workshop } from '../scene/workshop.ts';
import { type Block, readBlocks, scriptOf } from './document.ts';
import { root } from './repository.ts';

/** The ports that the documents name, of an instance and of a Verdaccio beside it; a test puts free ones in their place. */
const [documentedPort, secondPort] = [4873, 4874];

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/** A page, and the sections of the README that its reader is told to do before. */
const pages: readonly [page: string, before: readonly string[]][] = [
  ['README.md', []],
  ['docs/operator/README.md', []],
  ['docs/operator/air-gap.md', []],
  ['docs/operator/backup.md', []],
  ['docs/operator/ca.md', []],
  ['docs/operator/deployment.md', []],
  ['docs/operator/identity-providers.md', []],
  ['docs/operator/incidents.md', []],
  ['docs/operator/keys.md', []],
  ['docs/operator/rotation.md', []],
  ['docs/operator/identity/keycloak.md', []],
  ['docs/operator/identity/google.md', []],
  ['docs/operator/identity/kubernetes.md', []],
  ['docs/operator/identity/buildkite.md', []],
  ['docs/operator/identity/circleci.md', []],
  ['docs/operator/identity/gitlab.md', []],
  ['docs/operator/identity/github.md', []],
  ['docs/operator/log.md', []],
  ['docs/operator/certificate-log.md', []],
  ['docs/operator/monitoring.md', []],
  ['docs/operator/registry.md', []],
  ['docs/author/README.md', ['', 'Operator']],
  ['docs/consumer/README.md', ['', 'Operator', 'Author']],
];

async function blocksOf(page: string): Promise<Block[]> {
  return readBlocks(await readFile(path.join(root, page), 'utf8'));
}

/**
 * Does what a page says, with an empty home, from the root of the repository. The README says where the command `signet` is; the
 * operator's page, which needs nothing of the README, has it on the path.
 */
async function follow(page: string, before: readonly string[]): Promise<void> {
  const own = await blocksOf(page);
  assert.ok(own.length > 0, `${page} tells nobody to do anything`);
  const earlier = (await blocksOf('README.md')).filter(({ section }) => before.includes(section));
  const port = await freePort();
  const script = scriptOf([...earlier, ...own], [port])
    .replaceAll(String(documentedPort), String(port))
    .replaceAll(String(secondPort), String(await freePort()));
  const workshop = await Workshop.open();
  try {
    const { env } = workshop.options();
    const PATH = ['scripts/bin', 'node_modules/.bin'].map((folder) => path.join(root, folder));
    // A Verdaccio that is started by its own command takes the plugin from its sources too.
    const NODE_OPTIONS = '--conditions=@signet/source';
    const more = page === 'README.md' ? {} : { env: { PATH: [...PATH, env.PATH].join(path.delimiter), NODE_OPTIONS } };
    const options = workshop.options({ cwd: root, timeout: 300_000, group: true, ...more });
    const { code, stdout, stderr } = await run('bash', ['-c', script], options);
    assert.equal(code, 0, `${page}:\n${stdout}\n${stderr}`);
  } finally {
    await workshop.close();
  }
}

describe('the commands of the documents', () => {
  for (const [page, before] of pages) {
    it(`${page} does what it says`, async function () {
      // The pages speak to people at a POSIX shell.
      if (process.platform === 'win32') this.skip();
      // Longer than its script may take, so that a script that hangs is ended and its output shown.
      this.timeout(330_000);
      await follow(page, before);
    });
  }

  it('begin with the two that a newcomer needs, and CI runs the second', async () => {
    const readme = await readFile(path.join(root, 'README.md'), 'utf8');
    const commands = [...readme.matchAll(/^(npm ci && [^#\n]*?) *(?:#.*)?$/gm)].map((match) => match[1]);
    assert.deepEqual(commands, ['npm ci && npm run quickstart', 'npm ci && npm test']);
    const ci = await readFile(path.join(root, '.ci/run'), 'utf8');
    assert.match(ci, /^npm ci$.*^npm test .*^npm run check /ms);
  });

  it('fail the test when one of them fails', async () => {
    const workshop = await Workshop.open();
    try {
      const blocks = readBlocks('Do this:\n\n```sh\ntrue\nfalse\ntrue\n```\n');
      const { code, stderr } = await run('bash', ['-c', scriptOf(blocks, [])], workshop.options());
      assert.equal(code, 1);
      assert.match(stderr, /the block at line 4 failed with 1/);
    } finally {
      await workshop.close();
    }
  });

  it('leave no server behind when they take too long', async function () {
    if (process.platform === 'win32') this.skip();
    const workshop = await Workshop.open();
    try {
      // It ends only when nobody holds its output open any more, and the sleeper does.
      const { code } = await run('bash', ['-c', 'sleep 600 & wait'], workshop.options({ timeout: 1000, group: true }));
      assert.equal(code, null);
    } finally {
      await workshop.close();
    }
  });

  it('are never in a block that would not be run', () => {
    assert.throws(() => readBlocks('```console\n$ signet ci\n```\n'), /line 2/);
    assert.deepEqual(readBlocks('<!-- not run: needs a browser -->\n\n```sh\nsignet publish\n```\n'), []);
  });
});
