import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { openKeyFile } from '@signet/primitives/keys';
import { after, before, describe, it } from 'mocha';
import { signetCommand } from '../scene/processes.ts';
import { hasTerminal, Terminal } from '../scene/terminal.ts';
import { Workshop } from '../scene/workshop.ts';

const passphrase = 'correct horse battery';

describe('a passphrase at a terminal', () => {
  let workshop: Workshop;

  before(async function () {
    if (!hasTerminal()) {
      process.stderr.write('    not tested: this machine lacks script(1) of util-linux\n');
      this.skip();
    }
    workshop = await Workshop.open();
  });
  after(async () => {
    await workshop?.close();
  });

  function signet(...args: readonly string[]): Terminal {
    const [program, words] = signetCommand(args);
    const { cwd, env } = workshop.options();
    const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
    return new Terminal([program, ...words].map((word) => `'${word}'`).join(' '), {
      cwd,
      env: { ...given, TERM: 'xterm' },
    });
  }

  it('is asked for twice and not shown, and the key opens with it alone', async () => {
    const terminal = signet('key', 'generate', 'typed');
    // A slip of the finger, taken back.
    await terminal.answer('Passphrase for typed.key: ', `${passphrase}x\u007f\r`);
    await terminal.answer('The same again: ', `${passphrase}\r`);
    assert.equal(await terminal.end(), 0, terminal.screen);
    assert.ok(!terminal.screen.includes('correct'), terminal.screen);
    assert.match(terminal.screen, /typed\.pub/);
    const file = workshop.path('typed.key');
    assert.equal((await openKeyFile(file, { passphrase })).keyDetails, 'PKIX_ECDSA_P256_SHA_256');
    await assert.rejects(openKeyFile(file, { passphrase: `${passphrase}x` }), { code: 'ERR_KEY_FILE' });
  });

  it('is asked for once to open a key, and once more and again for the form in which it is given out', async () => {
    const terminal = signet('key', 'export', 'typed.key', '--private', '--out', 'given.pem');
    await terminal.answer('Passphrase of typed.key: ', `${passphrase}\r`);
    await terminal.answer('Passphrase for the private key that is given out: ', 'other\r');
    await terminal.answer('The same again: ', 'other\r');
    assert.equal(await terminal.end(), 0, terminal.screen);
    assert.match(await readFile(workshop.path('given.pem'), 'utf8'), /BEGIN ENCRYPTED PRIVATE KEY/);
    const again = signet('key', 'import', 'given.pem', 'taken');
    await again.answer('Passphrase of given.pem: ', 'other\r');
    await again.answer('Passphrase for taken.key: ', 'third\r');
    await again.answer('The same again: ', 'third\r');
    assert.equal(await again.end(), 0, again.screen);
    assert.ok(await openKeyFile(workshop.path('taken.key'), { passphrase: 'third' }));
  });

  for (const [what, keys, code, words] of [
    ['the two differ', [`${passphrase}\r`, 'another\r'], 2, /differ; nothing was written/],
    ['it is empty', ['\r'], 2, /empty; nothing was written/],
    ['it is cancelled', ['\u0003'], 130, /cancelled/],
    ['it never ends', ['x'.repeat(1500)], 2, /at most 1024/],
  ] as const) {
    it(`leaves no file behind when ${what}`, async () => {
      const terminal = signet('key', 'generate', 'none');
      const [first, second] = keys;
      await terminal.answer('Passphrase for none.key: ', first);
      if (second !== undefined) await terminal.answer('The same again: ', second);
      assert.equal(await terminal.end(), code, terminal.screen);
      assert.match(terminal.screen, words);
      for (const file of ['none.key', 'none.pub']) assert.ok(!existsSync(workshop.path(file)));
    });
  }

  it('is not asked for where a file gives it, nor in a script', async () => {
    await writeFile(workshop.path('passphrase'), `${passphrase}\n`);
    const env = { SIGNET_PASSPHRASE_FILE: workshop.path('passphrase') };
    const given = await workshop.signet(['key', 'generate', 'given'], { env });
    assert.equal(given.code, 0, given.stderr);
    const script = await workshop.signet(['key', 'generate', 'script'], { input: `${passphrase}\n${passphrase}\n` });
    assert.equal(script.code, 2);
    assert.match(script.stderr, /SIGNET_PASSPHRASE_FILE, or say --no-passphrase/);
    const flag = await workshop.signet(['key', 'generate', 'flag', '--passphrase', passphrase]);
    assert.equal(flag.code, 2, 'there is no such flag');
  });
});
