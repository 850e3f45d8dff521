import assert from 'node:assert/strict';
import { root, run } from './repository.ts';

const record = `
  import { registerHooks } from 'node:module';
  const packages = new Set();
  registerHooks({
    load(url, context, next) {
      const name = /.*\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)\\//.exec(url)?.[1];
      if (name) packages.add(name);
      if (/\\/(?:core\\/services|registry|plugins\\/[a-z]+)\\/src\\//.test(url)) packages.add('a server of ours');
      return next(url, context);
    },
  });
`;

/** The third-party packages that a program loads without being asked for more than the import. */
async function loadedBy(program: string): Promise<string[]> {
  const print = 'process.on("exit", () => process.stderr.write("loaded " + JSON.stringify([...packages].sort())));';
  const args = ['--conditions=@signet/source', '--input-type=module', '--eval', `${record}${print}${program}`];
  const { code, stderr } = await run(process.execPath, args, `${root}test`);
  assert.equal(code, 0, stderr);
  return JSON.parse(/loaded (\[.*\])$/.exec(stderr)?.[1] ?? assert.fail(stderr)) as string[];
}

describe('starting', () => {
  const rooms: readonly [room: string, mayLoad: readonly string[]][] = [
    ['@signet/primitives/formats', []],
    ['@signet/primitives/crypto', []],
    ['@signet/primitives/keys', []],
    ['@signet/client/trust', []],
    ['@signet/client/verify', []],
    ['@signet/client/policy', ['re2js', 'semver', 'yaml']],
  ];
  for (const [room, mayLoad] of rooms) {
    it(`${room} loads ${mayLoad.length > 0 ? `nothing but ${mayLoad.join(', ')}` : 'no third-party package'}`, async () => {
      const loaded = await loadedBy(`await import('${room}');`);
      assert.deepEqual(
        loaded.filter((name) => !mayLoad.includes(name)),
        [],
      );
    });
  }

  it('the command line loads no server, no login and no packer', async () => {
    const main = new URL('../../../cli/src/main.ts', import.meta.url).href;
    const loaded = await loadedBy(`process.argv = ['node', 'signet', '--version']; await import('${main}');`);
    const heavy = ['a server of ours', 'fastify', 'verdaccio', 'oidc-provider', 'openid-client', 'libnpmpack'];
    assert.deepEqual(
      loaded.filter((name) => heavy.includes(name)),
      [],
    );
  });
});
