import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { succeed } from '../scene/instance.ts';
import { signetCommand } from '../scene/processes.ts';
import { AttackScene } from './attack-scene.ts';

/** Ends the process with 99 as soon as it would open a socket, ask for a name, or start another program. */
const noSockets = `data:text/javascript,${encodeURIComponent(`
import net from 'node:net';
import dgram from 'node:dgram';
import dns from 'node:dns';
import child from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
const end = (what) => () => { process.stderr.write('opens a socket: ' + what); process.exit(99); };
net.Socket.prototype.connect = end('connect');
dgram.createSocket = end('datagram');
dns.lookup = end('lookup');
child.spawn = end('spawn');
syncBuiltinESMExports();
`)}`;

describe('verifying offline', function () {
  this.timeout(240_000);
  let scene: AttackScene;
  let project: string;

  before(async () => {
    scene = await AttackScene.open();
    project = await scene.copyProject('project');
    await succeed(scene.workshop.signet(['export', '--output', 'proof'], { cwd: project }));
  });
  after(() => scene?.close());

  const verify = (...args: readonly string[]) => {
    const [, [conditions = '', main = '', ...rest]] = signetCommand(['verify', ...args, '--no-cache']);
    return scene.workshop.node([conditions, '--import', noSockets, main, ...rest], { cwd: project });
  };

  it('opens no socket, and says the same as with a registry', async () => {
    const online = await verify('package-lock.json');
    assert.equal(online.code, 99, `the trap is set: ${online.stderr}`);
    const { code, stdout, stderr } = await verify('proof', '--offline');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /✔ @example\/greeting@1\.0\.0 {2}signed by alice@example\.com/);
    const missing = await verify('package-lock.json', '--offline');
    assert.equal(missing.code, 13, missing.stderr);
    assert.match(missing.stderr, /ERR_OFFLINE/);
  });

  it('refuses a folder of evidence in which anything was changed', async () => {
    const other = (text: string) => `${text.slice(0, -1)}${text.endsWith('A') ? 'B' : 'A'}`;
    const changes: [file: string, from: RegExp, to: (text: string) => string, code: number][] = [
      ['package-lock.json', /sha512-./, other, 13],
      ['trust-evidence.jsonl', /"payload":".{41}/, other, 11],
      ['trust-policy.yaml', /alice@/g, () => 'bob@', 13],
      ['trust/example.json', /"rawBytes": ?".{61}/, other, 12],
    ];
    for (const [name, from, to, expected] of changes) {
      const path = join(project, 'proof', name);
      const honest = await readFile(path, 'utf8');
      const changed = honest.replace(from, to);
      assert.notEqual(changed, honest, name);
      await writeFile(path, changed);
      const { code, stderr } = await verify('proof', '--offline');
      assert.equal(code, expected, `${name}: ${stderr}`);
      await writeFile(path, honest);
    }
    assert.equal((await verify('proof', '--offline')).code, 0);
  });

  it('writes its findings for code scanning and for test reports', async () => {
    await writeFile(
      join(project, 'proof', 'other.yaml'),
      (await readFile(join(project, 'proof', 'trust-policy.yaml'), 'utf8')).replace(/alice@/g, 'bob@'),
    );
    const files = ['--sarif', 'f.sarif', '--junit', 'f.xml', '--policy', 'proof/other.yaml'];
    const { code } = await scene.workshop.signet(['ci', '--no-cache', ...files], { cwd: project });
    assert.equal(code, 10);
    const sarif = JSON.parse(await readFile(join(project, 'f.sarif'), 'utf8'));
    assert.equal(sarif.version, '2.1.0');
    const [result] = sarif.runs[0].results;
    assert.deepEqual([result.ruleId, result.level], ['TP111', 'error']);
    assert.equal(result.locations[0].physicalLocation.artifactLocation.uri, 'package-lock.json');
    const junit = await readFile(join(project, 'f.xml'), 'utf8');
    assert.match(junit, /<testcase classname="signet" name="@example\/greeting@1\.0\.0"><failure type="TP111"/);
  });
});
