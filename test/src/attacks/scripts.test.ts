import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { author, succeed } from '../scene/instance.ts';
import { AttackScene, allowed } from './attack-scene.ts';

/** Scripts run after the comparison of what was installed, and otherwise as npm ci runs them. */
describe('scripts of a verified installation', function () {
  this.timeout(120_000);
  let scene: AttackScene;
  let project: string;
  let log: string;

  /** A script that says that it ran, and how its package was called. */
  const says = (what: string, code = 0) =>
    `node -e "require('fs').appendFileSync(process.env.SCRIPT_LOG, '${what}\\n'); process.exit(${code})"`;

  before(async () => {
    scene = await AttackScene.open();
    for (const [name, code] of [
      ['@example/deep', 0],
      ['@example/built', 0],
      ['@example/broken', 1],
    ] as const) {
      const base = name.slice('@example/'.length);
      const dependencies = base === 'built' ? { '@example/deep': '1.0.0' } : {};
      const scripts = { preinstall: says(`${base} preinstall`), postinstall: says(`${base} postinstall`, code) };
      const folder = await scene.copyPackage(base, { name, version: '1.0.0', scripts, dependencies });
      await succeed(scene.publish(folder, author));
    }
  });
  after(() => scene?.close());

  let count = 0;
  beforeEach(async () => {
    log = scene.workshop.path(`log-${count}`);
    // Characters that mean something in a specification of npm's.
    project = await scene.workshop.copyExample('app', `a project % #${count++}`, (manifest) => ({
      ...manifest,
      workspaces: ['packages/*'],
      dependencies: { '@example/built': '1.0.0' },
      optionalDependencies: { '@example/broken': '1.0.0' },
      scripts: Object.fromEntries(
        ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare'].map((event) => [
          event,
          says(`project ${event}`),
        ]),
      ),
    }));
    await mkdir(join(project, 'packages', 'tool'), { recursive: true });
    const tool = {
      name: 'tool',
      version: '1.0.0',
      scripts: { prepare: says('tool prepare') },
      bin: { tool: 'tool.js' },
    };
    await writeFile(join(project, 'packages', 'tool', 'package.json'), JSON.stringify(tool));
    await writeFile(join(project, 'packages', 'tool', 'tool.js'), '#!/usr/bin/env node\n');
    await writeFile(join(project, 'trust-policy.yaml'), scene.instance.policy());
    await succeed(scene.workshop.npm(['install', '--package-lock-only', '--ignore-scripts'], { cwd: project }));
  });

  async function outcome(running: Promise<{ code: number | null; stdout: string; stderr: string }>) {
    const { code, stderr } = await running;
    const lines = (await readFile(log, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
    await rm(log, { force: true });
    const packages = Object.keys(
      JSON.parse(await readFile(join(project, 'node_modules', '.package-lock.json'), 'utf8')).packages,
    );
    const broken = await readFile(join(project, 'node_modules/@example/broken/package.json')).then(
      () => true,
      () => false,
    );
    const command = await readFile(join(project, 'node_modules/.bin/tool'), 'utf8');
    await rm(join(project, 'node_modules'), { recursive: true });
    // Packages are built side by side, so that only the order within each is certain.
    const own = (name: string) => lines.filter((line) => line.startsWith(`${name} `));
    const scripts = Object.fromEntries(['project', 'deep', 'built', 'broken', 'tool'].map((name) => [name, own(name)]));
    const last = lines.findIndex((line) => line.startsWith('project '));
    return {
      code,
      stderr,
      scripts,
      packages,
      broken,
      command,
      projectLast: last === lines.length - own('project').length,
    };
  }

  const env = () => ({ ...allowed, SCRIPT_LOG: log });
  const npm = (...args: readonly string[]) =>
    outcome(scene.workshop.npm(['ci', ...args], { cwd: project, env: env() }));
  const signet = (...args: readonly string[]) =>
    outcome(scene.workshop.signet(['ci', ...args], { cwd: project, env: env() }));

  it('are those that npm ci runs, in its order, without an optional package whose script fails', async () => {
    const expected = await npm();
    assert.equal(expected.code, 0, expected.stderr);
    assert.equal(expected.scripts.deep?.length, 2, 'this npm runs scripts of packages');
    const { stderr, packages, ...found } = await signet();
    const { stderr: _said, packages: _listed, ...wanted } = expected;
    assert.deepEqual(found, wanted, stderr);
    assert.match(stderr, /the scripts of node_modules\/@example\/broken failed; it is optional, and was removed/);
    assert.ok(packages.includes('node_modules/@example/built'));
  });

  it('are none where npm is told so, by a flag or a file', async () => {
    const none = { project: [], deep: [], built: [], broken: [], tool: [] };
    assert.deepEqual((await signet('--ignore-scripts')).scripts, none);
    await writeFile(join(project, '.npmrc'), 'ignore-scripts=true\n');
    assert.deepEqual((await signet()).scripts, none);
  });

  it('end the installation with npm’s exit code when one fails that must not', async () => {
    const manifest = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'));
    manifest.scripts = { postinstall: says('project postinstall', 3) };
    await writeFile(join(project, 'package.json'), JSON.stringify(manifest));
    const wanted = await npm();
    const found = await signet();
    assert.equal(found.code, wanted.code, found.stderr);
    assert.notEqual(found.code, 0);
    assert.deepEqual(found.scripts.project, ['project postinstall']);
  });
});
