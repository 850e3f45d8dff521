import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { parseArguments } from '../src/arguments.ts';
import { type Command, globalOptions } from '../src/command.ts';
import { loadVerb } from '../src/run.ts';
import { commandHelp, generalHelp } from '../src/usage.ts';
import { verbGroups, verbs } from '../src/verbs.ts';

async function everyCommand(): Promise<Command[]> {
  const commands = await Promise.all(Object.keys(verbs).map(loadVerb));
  return commands.flatMap((command) => [command, ...Object.values(command.subcommands ?? {})]);
}

describe('every verb', () => {
  it('stands in signet --help with its summary', async () => {
    const help = await generalHelp('1.0.0', 200);
    assert.ok(help.includes('-v, --version'));
    for (const [verb, load] of Object.entries(verbs)) {
      const { command } = await load();
      assert.equal(command.name, verb);
      if (verb !== 'help') assert.ok(help.includes(`  ${verb.padEnd(10)} ${command.summary}`), verb);
    }
    assert.deepEqual([...verbGroups.flatMap((group) => group.verbs), 'help'].sort(), Object.keys(verbs).sort());
  });

  it('explains itself with examples that it accepts', async () => {
    for (const command of await everyCommand()) {
      assert.ok(command.examples.length > 0, command.name);
      const help = commandHelp(command, 400);
      for (const { command: line } of command.examples) {
        assert.ok(help.includes(line), line);
        const words = line.replace(/ #.*/, '').split(/\s+/);
        const at = words.indexOf('signet');
        assert.ok(at >= 0, line);
        // An example of a verb with verbs below it is judged there.
        if (command.subcommands !== undefined) continue;
        const own = words.slice(at + 1 + command.name.split(' ').length);
        parseArguments(
          command,
          own.map((word) => word.replace(/^['"]|['"]$/g, '')),
        );
      }
    }
  });

  it('is explained within the width of the terminal, with every word whole', async () => {
    for (const width of [60, 80, 120]) {
      for (const help of [
        await generalHelp('1.0.0', width),
        ...(await everyCommand()).map((one) => commandHelp(one, width)),
      ]) {
        for (const line of help.split('\n')) {
          // A single word, or a flag with its value, may be longer than a line.
          assert.ok(line.length <= width || line.trim().split(' ').length <= 3 || /^ {2}\S.*'/.test(line), line);
        }
      }
    }
  });

  it('shows each example once', async () => {
    for (const command of await everyCommand()) {
      const shown = commandHelp(command, 400)
        .split('\n')
        .filter((line) => line.startsWith('  signet '));
      assert.deepEqual(shown, [...new Set(shown)], command.name);
    }
  });

  it('leaves the global flags as they are everywhere', async () => {
    for (const command of await everyCommand()) {
      for (const [name, option] of Object.entries(command.options)) {
        assert.ok(!Object.hasOwn(globalOptions, name), `${command.name} --${name}`);
        assert.ok(!['h', 'q', 'v'].includes(option.short ?? ''), `${command.name} -${option.short}`);
        assert.notEqual(option.description, '', `${command.name} --${name}`);
      }
    }
  });
});
