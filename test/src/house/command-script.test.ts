import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../../', import.meta.url));

describe('the command in a fresh clone', () => {
  let clone: string;

  beforeEach(async () => {
    clone = await mkdtemp(join(tmpdir(), 'signet-clone-'));
    await cp(join(repository, 'scripts'), join(clone, 'scripts'), { recursive: true });
    await cp(join(repository, 'package.json'), join(clone, 'package.json'));
  });
  afterEach(() => rm(clone, { recursive: true }));

  async function signet(): Promise<{ code: number; stderr: string }> {
    const windows = process.platform === 'win32';
    const script = join(clone, 'scripts', 'bin', windows ? 'signet.cmd' : 'signet');
    const child = spawn(script, ['--version'], { stdio: ['ignore', 'ignore', 'pipe'], shell: windows });
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    return { code, stderr };
  }

  it('says that npm ci comes first', async () => {
    const { code, stderr } = await signet();
    assert.equal(code, 1);
    assert.match(stderr, /^signet: the dependencies of .* are not installed; run npm ci there\r?\n$/);
  });

  it('says which Node it needs when the machine has another', async () => {
    const manifest = JSON.parse(await readFile(join(clone, 'package.json'), 'utf8'));
    await writeFile(join(clone, 'package.json'), JSON.stringify({ ...manifest, engines: { node: '>=99' } }));
    const { code, stderr } = await signet();
    assert.equal(code, 1);
    assert.match(stderr, /^Signet needs Node >=99; this is Node \d/);
    assert.doesNotMatch(stderr, /ERR_|at file/);
  });
});
