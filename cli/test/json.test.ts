import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { Command } from '../src/command.ts';
import { loadVerb, run } from '../src/run.ts';
import { verbs } from '../src/verbs.ts';

class Collected extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** Servers print their document when they are up, and tests of theirs read it. */
const isServer = ({ name }: Command) => name === 'up' || name.endsWith(' serve');

/** Every command that does something by itself, with those below other verbs. */
async function leaves(): Promise<Command[]> {
  const below = (command: Command): Command[] =>
    command.subcommands === undefined ? [command] : Object.values(command.subcommands).flatMap(below);
  const commands = (await Promise.all(Object.keys(verbs).map(loadVerb))).flatMap(below);
  return commands.filter((command) => !isServer(command));
}

describe('--json', () => {
  let parent: string;

  before(async () => {
    parent = await mkdtemp(join(tmpdir(), 'signet-json-'));
  });

  after(() => rm(parent, { recursive: true }));

  it('makes every verb say one document on standard output, and no colours anywhere, also where nothing is as it should be', async () => {
    const commands = await leaves();
    assert.ok(commands.length > 30, String(commands.length));
    for (const command of commands) {
      const folder = await mkdtemp(join(parent, 'empty-'));
      const [stdout, stderr] = [new Collected(), new Collected()];
      const code = await run([...command.name.split(' '), '--json', '--offline'], {
        stdin: {},
        stdout,
        stderr,
        env: { HOME: folder, PATH: process.env.PATH, SIGNET_CACHE: join(folder, 'cache') },
        cwd: folder,
        interruption: () => new AbortController().signal,
      });
      const [document = '', ...more] = stdout.text.split('\n');
      assert.deepEqual(more, [''], `${command.name}: ${stdout.text}`);
      const { format, error } = JSON.parse(document);
      assert.equal(format, 1, command.name);
      if (code !== 0 && error !== undefined) assert.equal(error.exitCode, code, command.name);
      assert.notEqual(code, 1, `${command.name}: ${stderr.text}`);
      assert.ok(!`${stdout.text}${stderr.text}`.includes('\u001b'), command.name);
    }
  }).timeout(120_000);
});
