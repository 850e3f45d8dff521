import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, it } from 'mocha';
import { run } from '../src/run.ts';

class Collected extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

async function signet(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const stdout = new Collected();
  const stderr = new Collected();
  const code = await run(words, {
    stdin: {},
    stdout,
    stderr,
    env: {},
    cwd: process.cwd(),
    interruption: () => new AbortController().signal,
  });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

describe('the command line', () => {
  it('prints its version on standard output and nothing else', async () => {
    const { code, stdout, stderr } = await signet('--version');
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
    assert.equal(stderr, '');
  });

  it('gives its version as a document with --json', async () => {
    const { stdout } = await signet('--version', '--json');
    assert.equal(JSON.parse(stdout).format, 1);
  });

  it('suggests the verb that was meant and exits with 2', async () => {
    const { code, stdout, stderr } = await signet('pubilsh');
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /did you mean signet publish\?.*ERR_USAGE/);
  });

  it('suggests the flag that was meant and exits with 2', async () => {
    const { code, stderr } = await signet('help', '--jsno');
    assert.equal(code, 2);
    assert.match(stderr, /unknown flag --jsno; did you mean --json\?/);
  });

  it('says what is wrong with a flag that stands where the verb should', async () => {
    assert.match((await signet('--hepl')).stderr, /unknown flag --hepl; did you mean --help\?/);
    assert.match((await signet('--json', 'ci')).stderr, /--json stands behind a verb: signet <verb> --json/);
    assert.match((await signet('--nonsense')).stderr, /a verb comes first/);
  });

  it('explains and suggests verbs below verbs', async () => {
    assert.match((await signet('help', 'dev', 'token')).stdout, /Usage: signet dev token /);
    assert.match((await signet('help', 'dev', 'tokne')).stderr, /did you mean signet dev token\?/);
    assert.match((await signet('help', 'ci', 'more')).stderr, /signet ci has no verb more/);
  });

  it('gives help as a document with --json', async () => {
    for (const words of [['--help'], ['ci', '--help'], ['help', 'dev', 'token']]) {
      const { format, help } = JSON.parse((await signet(...words, '--json')).stdout);
      assert.equal(format, 1);
      assert.match(help, /Usage: signet/);
    }
  });

  it('treats names of object members as unknown verbs and flags', async () => {
    for (const word of ['constructor', '__proto__', 'toString']) {
      assert.equal((await signet(word)).code, 2);
      assert.equal((await signet('help', `--${word}`)).code, 2);
    }
  });

  it('refuses a value for a flag that takes none, and a missing value', async () => {
    assert.match((await signet('help', '--quiet=yes')).stderr, /--quiet takes no value/);
    assert.match((await signet('help', '--registry')).stderr, /--registry needs a value/);
    assert.match((await signet('help', '--registry', '--json')).stderr, /--registry needs a value/);
  });

  it('says errors as one JSON document with --json', async () => {
    const { code, stdout } = await signet('nonsense', '--json');
    assert.equal(code, 2);
    assert.deepEqual(Object.keys(JSON.parse(stdout).error), ['code', 'message', 'exitCode']);
  });

  it('shows hostile words of the command line escaped', async () => {
    const { stderr } = await signet('\u001b[31mred\u202e');
    assert.ok(!stderr.includes('\u001b') && !stderr.includes('\u202e'));
    assert.match(stderr, /\\u\{1b\}\[31mred\\u\{202e\}/);
  });

  it('prints help without a verb on standard error, as a usage error', async () => {
    const { code, stdout, stderr } = await signet();
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /Usage: signet <verb>/);
  });
});
