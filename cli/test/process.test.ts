import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

async function signet(args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd = process.cwd()) {
  const child = spawn(process.execPath, ['--conditions=@signet/source', main, ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ]);
  return { stdout, stderr, code };
}

function token(claims: Readonly<Record<string, unknown>>): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const all = { iss: 'https://login.example', sub: 'alice', aud: 'sigstore', exp: Date.now() / 1000 + 600, ...claims };
  return `${encode({ alg: 'RS256' })}.${encode(all)}.${Buffer.from('signature-of-a-test').toString('base64url')}`;
}

describe('signet as a process', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-cli-'));
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });

  it('puts data on standard output and ends with the code of the error', async () => {
    const version = await signet(['--version']);
    assert.deepEqual([version.code, version.stderr], [0, '']);
    const unknown = await signet(['verfy']);
    assert.deepEqual([unknown.code, unknown.stdout], [2, '']);
    assert.match(unknown.stderr, /did you mean signet verify\?/);
  });

  it('survives a reader that goes away', async () => {
    const child = spawn(process.execPath, ['--conditions=@signet/source', main, 'publish', '--help'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    const stderr = await text(child.stderr);
    assert.equal(await new Promise((resolve) => child.on('close', resolve)), 0, stderr);
    assert.equal(stderr, '');
  });

  it('tells who one is without ever printing the token', async () => {
    const secret = token({ email: 'alice@example.com', evil: '\u001b[2J' });
    await writeFile(join(folder, 'token'), secret);
    for (const [args, env] of [
      [['whoami'], { SIGSTORE_ID_TOKEN: secret }],
      [['whoami', '--json'], { SIGSTORE_ID_TOKEN: secret }],
      [['whoami', '--identity-token-file', 'token'], {}],
      [['whoami', '--audience', 'elsewhere'], { SIGSTORE_ID_TOKEN: secret, SIGNET_DEBUG: '1' }],
    ] as const) {
      const { stdout, stderr } = await signet(args, env, folder);
      for (const part of secret.split('.').slice(1)) assert.ok(!`${stdout}${stderr}`.includes(part), args.join(' '));
      assert.ok(!`${stdout}${stderr}`.includes('\u001b'));
    }
    const { stdout } = await signet(['whoami', '--json'], { SIGSTORE_ID_TOKEN: secret });
    const { format, source, identity } = JSON.parse(stdout);
    assert.deepEqual([format, source, identity.email], [1, 'SIGSTORE_ID_TOKEN', 'alice@example.com']);
  });

  it('says why each source of identities offers nothing', async () => {
    const { code, stderr } = await signet(['whoami'], { GITHUB_ACTIONS: 'true' });
    assert.equal(code, 2);
    assert.match(stderr, /^passed over: SIGSTORE_ID_TOKEN is not set\npassed over: GitHub Actions: /);
    assert.match(stderr, /permissions: \{ id-token: write \}/);
    assert.match(stderr, /\nnot here: Forgejo Actions, GitLab CI, .*\nsignet: there is no identity here/);
  });

  it('names the source that would be used, before it can fail', async () => {
    const { code, stderr } = await signet(['whoami'], { SIGSTORE_ID_TOKEN: 'no token' });
    assert.equal(code, 2);
    assert.match(stderr, /^would use: SIGSTORE_ID_TOKEN\nsignet: .*\[ERR_IDENTITY_TOKEN\]/);
  });

  it('asks for trust before anything else, and never a registry for it', async () => {
    await writeFile(join(folder, 'file.txt'), 'x');
    const { code, stderr } = await signet(['sign', 'file.txt', '--registry', 'http://127.0.0.1:9'], {}, folder);
    assert.equal(code, 2);
    assert.match(stderr, /--trusted-root FILE/);
  });

  it('opens no connection with --offline', async () => {
    for (const verb of ['publish', 'sign']) {
      const { code, stderr } = await signet([verb, 'file.txt', '--offline'], {}, folder);
      assert.equal(code, 13, stderr);
      assert.match(stderr, /ERR_OFFLINE/);
    }
  });
});
