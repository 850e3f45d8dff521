import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answer, type Parcel, TestRegistry } from './support/registry.ts';
import { StockVerdaccio } from './support/stock-verdaccio.ts';

type Json = Record<string, unknown>;

// What is published here was signed before; no log, no authority and no instance answers while it is.
describe('several processes of a stock Verdaccio over one storage', () => {
  let folder: string;
  let servers: StockVerdaccio[] = [];
  let configuration: string;
  const tokens: Record<string, string> = {};
  const pairs: (readonly [Parcel, Parcel])[] = [];
  let single: Parcel;
  let unsigned: Parcel;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-several-'));
    const registry = await TestRegistry.start();
    try {
      for (let round = 1; round <= 6; round += 1) {
        const one = await registry.parcel('@example/race', `1.0.${round}`, { manifest: { description: 'one' } });
        const two = await registry.parcel('@example/race', `1.0.${round}`, { manifest: { description: 'two' } });
        pairs.push([one, two]);
      }
      single = await registry.parcel('@example/single');
      unsigned = await registry.parcel('@example/unsigned', '1.0.0', { bundle: undefined });
      const { layout } = registry.running.instance;
      await mkdir(join(folder, 'trust'));
      await copyFile(layout.trust.trustedRoot, join(folder, 'trust', 'trusted_root.json'));
      await copyFile(layout.policyFile, join(folder, 'trust-policy.yaml'));
    } finally {
      await registry.remove();
    }
    configuration = await StockVerdaccio.configure(
      folder,
      {
        names: ['@example/*'],
        trustedRoot: './trust/trusted_root.json',
        policy: './trust-policy.yaml',
        auditLog: './audit.jsonl',
        signatures: { key: './registry.key', keys: './keys.json' },
      },
      { '@example/*': { access: '$all', publish: ['alice', 'bob'], unpublish: ['alice', 'bob'] } },
    );
    // The first makes the secret that both share.
    const first = await (await StockVerdaccio.start(configuration)).ready();
    servers = [first, await (await StockVerdaccio.start(configuration)).ready()];
    for (const user of ['alice', 'bob', 'mallory']) tokens[user] = await first.account(user);
  });

  after(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await rm(folder, { recursive: true, force: true });
  });

  /** Everything that both processes say of a version must fit together. */
  async function assertWhole({ name, version }: Parcel, winner: Parcel) {
    for (const server of servers) {
      const document = (await server.fetch(`/${name.replace('/', '%2f')}`)).json<{ versions: Record<string, Json> }>();
      const dist = document.versions[version]?.dist as Json;
      const tarball = await fetch(`${server.url}/${name}/-/${name.slice(name.indexOf('/') + 1)}-${version}.tgz`);
      assert.equal(tarball.status, 200, `${version}: ${await tarball.clone().text()}`);
      const bytes = new Uint8Array(await tarball.arrayBuffer());
      assert.deepEqual(bytes, winner.tarball, version);
      assert.equal(dist.integrity, `sha512-${createHash('sha512').update(bytes).digest('base64')}`);
      const served = await server.fetch(`/-/npm/v1/attestations/${name}@${version}`);
      assert.equal(served.status, 200, served.text);
      assert.equal(served.json<{ attestations: unknown[] }>().attestations.length, 1);
    }
  }

  it('lets one of two publishes of the same version win, and keeps what belongs to it', async () => {
    for (const [one, two] of pairs) {
      const answers = await Promise.all([servers[0]?.put(one, tokens.alice), servers[1]?.put(two, tokens.bob)]);
      const statuses = answers.map((answer) => answer?.status);
      assert.deepEqual([...statuses].sort(), [201, 409], answers.map((answer) => answer?.text).join());
      await assertWhole(one, statuses[0] === 201 ? one : two);
    }
  });

  it('takes evidence without asking anybody, from users with rights alone', async () => {
    const [server] = servers as [StockVerdaccio];
    const refused = async (answer: Promise<Answer>, status: number, reason: RegExp) => {
      const { text, ...found } = await answer;
      assert.equal(found.status, status, text);
      assert.match(text, reason);
      assert.equal((await server.fetch('/@example%2fsingle')).status, 404);
    };
    await refused(server.put(single), 401, /authorization required|not allowed|unregistered/i);
    await refused(server.put(single, tokens.mallory), 403, /mallory is not allowed to publish/);
    await refused(server.put(unsigned, tokens.mallory), 403, /mallory is not allowed to publish/);
    await refused(server.put(unsigned, tokens.alice), 403, /comes without signed evidence/);
    assert.equal((await server.put(single, tokens.alice)).status, 201);
    await assertWhole(single, single);
  });

  it('lets the first publisher change a package, by whichever process, and nobody else', async () => {
    const change = (server: StockVerdaccio | undefined, user: string) =>
      server?.fetch('/-/package/@example%2fsingle/dist-tags/next', {
        method: 'PUT',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${tokens[user]}` },
        body: '"1.0.0"',
      });
    for (const server of servers) {
      assert.equal((await change(server, 'bob'))?.status, 403);
      assert.equal((await change(server, 'alice'))?.status, 201);
    }
  });

  it('does not start with a plugin whose configuration is wrong', async () => {
    const section = { names: ['@example/*'], trustedRoot: './trust/trusted_root.json', policy: './trust-policy.yaml' };
    for (const wrong of [
      { ...section, names: undefined },
      { ...section, policy: './nowhere.yaml' },
      { ...section, trustedRoot: './trust-policy.yaml' },
      { ...section, publish: 'sometimes' },
      { ...section, changes: { by: 'everybody' } },
    ]) {
      const other = join(folder, 'wrong');
      await mkdir(join(other, 'trust'), { recursive: true });
      await copyFile(join(folder, 'trust', 'trusted_root.json'), join(other, 'trust', 'trusted_root.json'));
      await copyFile(join(folder, 'trust-policy.yaml'), join(other, 'trust-policy.yaml'));
      const file = await StockVerdaccio.configure(other, wrong, { '**': { access: '$all', publish: '$all' } });
      const { code, output } = await (await StockVerdaccio.start(file)).ended;
      assert.notEqual(code, 0, JSON.stringify(wrong));
      assert.match(output, /ERR_PLUGIN_CONFIG|Verdaccio's configuration|cannot use its trusted root/);
    }
  }).timeout(180_000);
});
