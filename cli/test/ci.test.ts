import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { sha512Integrity } from '@signet/client/npm';
import { run } from '../src/run.ts';

class Collected extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** A project that depends on one unsigned package of a registry on a loopback address; npm is the machine's own. */
describe('signet ci', () => {
  let folder: string;
  let app: string;
  let env: Record<string, string>;
  let server: Server;
  let registry: string;
  let tarball: Buffer;
  let fetched: string[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-ci-'));
    env = {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      npm_config_userconfig: join(folder, '.npmrc'),
      npm_config_globalconfig: join(folder, 'none'),
      npm_config_cache: join(folder, 'cache'),
      npm_config_update_notifier: 'false',
      npm_config_audit: 'false',
    };
    await mkdir(join(folder, 'plain'));
    await writeFile(join(folder, 'plain', 'package.json'), '{"name":"plain","version":"1.0.0"}');
    const shell = process.platform === 'win32';
    await promisify(execFile)('npm', ['pack', './plain'], { cwd: folder, env, shell });
    tarball = await readFile(join(folder, 'plain-1.0.0.tgz'));
    server = createServer((request, response) => {
      fetched.push(request.url ?? '');
      if (request.url?.endsWith('.tgz')) response.end(tarball);
      else response.writeHead(404).end('{"error":"not found"}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });

  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    fetched = [];
    app = await mkdtemp(join(folder, 'app-'));
    await writeFile(join(app, '.npmrc'), `registry=${registry}\n`);
    await writeFile(
      join(app, 'package.json'),
      JSON.stringify({ name: 'app', version: '1.0.0', dependencies: { plain: '1.0.0' } }),
    );
    await lock(sha512Integrity(tarball));
    await policy('');
  });

  const lock = (integrity: string) =>
    writeFile(
      join(app, 'package-lock.json'),
      JSON.stringify({
        name: 'app',
        version: '1.0.0',
        lockfileVersion: 3,
        requires: true,
        packages: {
          '': { name: 'app', version: '1.0.0', dependencies: { plain: '1.0.0' } },
          'node_modules/plain': { version: '1.0.0', resolved: `${registry}plain/-/plain-1.0.0.tgz`, integrity },
        },
      }),
    );

  const policy = (rules: string) => writeFile(join(app, 'trust-policy.yaml'), `version: 1\n${rules}`);

  const demand = `
trustRoots: { own: { file: root.json, packages: [plain] } }
publishers: { alice: { oidc: { issuer: https://login.acme.example, san: alice@acme.example } } }
rules: [ { id: signed, match: plain, require: [ { signature: { by: alice } } ] } ]
`;

  async function demandSignature(): Promise<void> {
    await policy(demand);
    await writeFile(
      join(app, 'root.json'),
      '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}',
    );
  }

  async function ci(...flags: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const stdout = new Collected();
    const stderr = new Collected();
    const { signal } = new AbortController();
    const code = await run(['ci', ...flags], { stdin: {}, stdout, stderr, env, cwd: app, interruption: () => signal });
    return { code, stdout: stdout.text, stderr: stderr.text };
  }

  const isInstalled = () => existsSync(join(app, 'node_modules', 'plain', 'package.json'));

  it('lets npm install what the policy has nothing against, and says when it verified nothing', async () => {
    const { code, stdout, stderr } = await ci();
    assert.equal(code, 0, stderr);
    assert.ok(isInstalled());
    assert.match(stdout, /added 1 package/);
    assert.match(stderr, /nothing was verified/);
    assert.match(stderr, /1 package installed/);
  });

  it('gives its flags to npm', async () => {
    const { code, stderr } = await ci('--dry-run', '--', '--loglevel=silent');
    assert.equal(code, 0, stderr);
    assert.ok(!isInstalled());
  });

  it('ends with 10 before npm unpacks anything when a package is not signed', async () => {
    await demandSignature();
    const { code, stdout, stderr } = await ci();
    assert.equal(code, 10);
    assert.equal(stdout, '');
    assert.match(stderr, /plain@1\.0\.0 {2}TP115 .*\(rule signed\)/);
    assert.match(stderr, /expected: a signature by alice\n {4}found: {4}no evidence/);
    assert.match(stderr, /nothing was installed/);
    assert.ok(!existsSync(join(app, 'node_modules')));
    assert.deepEqual(fetched, ['/-/npm/v1/attestations/plain@1.0.0']);
  });

  it('ends with 11 before npm unpacks anything when the lockfile allows other bytes', async () => {
    await lock(`${sha512Integrity(tarball)} ${sha512Integrity(Buffer.from('evil'))}`);
    const { code, stderr } = await ci();
    assert.equal(code, 11);
    assert.match(stderr, /ERR_INTEGRITY_FORMAT/);
    assert.ok(!existsSync(join(app, 'node_modules')));
  });

  it('ends with 12 when a trust root is missing', async () => {
    await policy(demand);
    assert.equal((await ci()).code, 12);
    assert.ok(!existsSync(join(app, 'node_modules')));
  });

  it('ends with 13 when the registry of a package that must be signed does not answer', async () => {
    await demandSignature();
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const { code, stderr } = await ci('--registry', `http://127.0.0.1:${port}/`);
    assert.equal(code, 13, stderr);
    assert.match(stderr, /not let in; earlier runs on this machine did not verify them/);
    assert.doesNotMatch(stderr, /names no package/);
    assert.ok(!existsSync(join(app, 'node_modules')));
    const anew = await ci('--no-cache', '--registry', `http://127.0.0.1:${port}/`);
    assert.equal(anew.code, 13, anew.stderr);
    assert.match(anew.stderr, /was not looked at, as --no-cache/);
  });

  it('lets in what a rule only warns of, and does not call it verified', async () => {
    await demandSignature();
    await policy(demand.replace('match: plain', 'mode: warn, match: plain'));
    const { code, stderr } = await ci();
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^! plain@1\.0\.0 {2}without evidence, let in despite TP115$/m);
    assert.match(stderr, /^0 of 1 package that the policy names verified, 1 let in with a warning$/m);
    assert.doesNotMatch(stderr, /✔/);
    assert.equal(JSON.parse((await ci('--json')).stdout).packages[0].verified, false);
  });

  it('ends with 2 and an example without a policy', async () => {
    await rm(join(app, 'trust-policy.yaml'));
    const { code, stderr } = await ci();
    assert.equal(code, 2);
    assert.match(stderr, /there is no trust-policy\.yaml.*\nsignet policy init writes one/);
    assert.match(stderr, /match: \['@acme\/\*'\]/);
  });

  it('ends with 2 when a policy is misspelt, and names the place', async () => {
    await policy('noMatsch: deny\n');
    const { code, stderr } = await ci();
    assert.equal(code, 2);
    assert.match(stderr, /trust-policy\.yaml:2: TP001 noMatsch: unknown key; did you mean noMatch\?/);
  });

  it('takes no packages and no global folder', async () => {
    assert.equal((await ci('left-pad')).code, 2);
    assert.equal((await ci('--', '--global')).code, 2);
  });

  it('passes npm’s own exit code through', async () => {
    await lock(sha512Integrity(Buffer.from('evil')));
    const { code, stderr } = await ci('--', `--cache=${join(app, 'cache')}`, '--fetch-retries=0');
    assert.equal(code, 1);
    assert.match(stderr, /npm error/);
  });

  it('says before anything is fetched, in npm’s words, what package.json asks for and the lockfile does not have', async () => {
    await demandSignature();
    const wish = async (wished: object) => {
      await writeFile(join(app, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', ...wished }));
      const { code, stderr } = await ci();
      assert.equal(code, 2, stderr);
      assert.match(stderr, /your package\.json and package-lock\.json are in sync\./);
      assert.match(stderr, /Run npm install --package-lock-only/);
      return stderr;
    };
    const other = await wish({ dependencies: { plain: '2.0.0' } });
    assert.match(other, /Invalid: lock file's plain@1\.0\.0 does not satisfy plain@2\.0\.0/);
    const missing = await wish({ dependencies: { plain: '^1.0.0' }, devDependencies: { more: '1' } });
    assert.match(missing, /Missing: more@1 from lock file/);
    assert.deepEqual(fetched, []);
    assert.ok(!existsSync(join(app, 'node_modules')));
  });

  it('leaves what an override decides, and ranges that the lockfile satisfies, to npm', async () => {
    await writeFile(
      join(app, 'package.json'),
      JSON.stringify({ name: 'app', version: '1.0.0', dependencies: { plain: '>=0.5' } }),
    );
    const { code, stderr } = await ci();
    assert.equal(code, 0, stderr);
    await writeFile(
      join(app, 'package.json'),
      JSON.stringify({
        name: 'app',
        version: '1.0.0',
        dependencies: { plain: '2' },
        overrides: { plain: '2' },
      }),
    );
    assert.equal((await ci()).code, 1);
  });

  it('does not let a project’s settings make npm install without comparing hashes', async () => {
    await lock(sha512Integrity(Buffer.from('evil')));
    await writeFile(join(app, '.npmrc'), `registry=${registry}\ninstall-strategy=linked\n`);
    const { code, stderr } = await ci('--', `--cache=${join(app, 'cache')}`);
    assert.equal(code, 2);
    assert.match(stderr, /install-strategy=linked.*ERR_LOCKFILE_CONFLICT/);
    assert.ok(!existsSync(join(app, 'node_modules')));
  });

  for (const strategy of ['hoisted', 'nested', 'shallow']) {
    it(`relies on npm comparing hashes with install-strategy=${strategy}`, async () => {
      await lock(sha512Integrity(Buffer.from('evil')));
      const flags = [`--install-strategy=${strategy}`, `--cache=${join(app, 'cache')}`, '--fetch-retries=0'];
      const { code, stderr } = await ci('--', ...flags);
      assert.notEqual(code, 0);
      assert.match(stderr, /EINTEGRITY/);
    });
  }

  it('writes one document with --json, and npm’s words elsewhere', async () => {
    const { code, stdout, stderr } = await ci('--json');
    assert.equal(code, 0);
    const document = JSON.parse(stdout);
    assert.equal(stdout.indexOf('\n'), stdout.length - 1);
    assert.deepEqual([document.format, document.verdict, document.npm], [1, 'allowed', { exitCode: 0, installed: 1 }]);
    assert.match(stderr, /added 1 package/);
    await demandSignature();
    const denied = JSON.parse((await ci('--json')).stdout);
    assert.deepEqual([denied.verdict, denied.violations[0].code, 'npm' in denied], ['denied', 'TP115', false]);
  });

  it('notices a lockfile that changed between the check and the installation', async function () {
    if (process.platform === 'win32') this.skip();
    const bin = join(app, 'bin');
    await mkdir(bin);
    const npm = join(bin, 'npm');
    const real = `PATH=$(printf %s "$PATH" | cut -d: -f2-) npm "$@"`;
    await writeFile(npm, `#!/bin/sh\n${real}\nstatus=$?\necho ' ' >> package-lock.json\nexit $status\n`);
    await chmod(npm, 0o755);
    const path = env.PATH ?? '';
    env.PATH = `${bin}${delimiter}${path}`;
    try {
      const { code, stderr } = await ci();
      assert.notEqual(code, 0);
      assert.match(stderr, /ERR_LOCKFILE_CONFLICT/);
    } finally {
      env.PATH = path;
    }
  });
});
