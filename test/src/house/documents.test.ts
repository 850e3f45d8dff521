import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { run } from '../scene/processes.ts';
import { Workshop } from '../scene/workshop.ts';
import { readBlocks, scriptOf } from './document.ts';
import { root } from './repository.ts';

/** The port that the documents name; a test puts a free one in its place. */
const documentedPort = 4873;

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

/**
 * Does what the document says, with an empty home, from the root of the repository. The README says itself where the command
 * `signet` is; the other pages have it on the path.
 */
async function follow(document: string): Promise<void> {
  const text = await readFile(path.join(root, document), 'utf8');
  const port = await freePort();
  const blocks = readBlocks(text.replaceAll(String(documentedPort), String(port)));
  assert.ok(blocks.length > 0, `${document} tells nobody to do anything`);
  const workshop = await Workshop.open();
  try {
    const { env } = workshop.options();
    const PATH = [path.join(root, 'scripts/bin'), env.PATH].join(path.delimiter);
    const more = document === 'README.md' ? {} : { env: { PATH } };
    const options = workshop.options({ cwd: root, timeout: 120_000, ...more });
    const { code, stdout, stderr } = await run('bash', ['-c', scriptOf(blocks, [port])], options);
    assert.equal(code, 0, `${document}:\n${stdout}\n${stderr}`);
  } finally {
    await workshop.close();
  }
}

describe('the commands of the documents', () => {
  for (const document of ['README.md', 'docs/operator/README.md', 'docs/author/README.md', 'docs/consumer/README.md']) {
    it(`${document} does what it says`, async function () {
      // The documents speak to people at a POSIX shell.
      if (process.platform === 'win32') this.skip();
      this.timeout(150_000);
      await follow(document);
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

  it('are never in a block that would not be run', () => {
    assert.throws(() => readBlocks('```console\n$ signet ci\n```\n'), /line 2/);
    assert.deepEqual(readBlocks('<!-- not run: needs a browser -->\n\n```sh\nsignet publish\n```\n'), []);
  });
});
