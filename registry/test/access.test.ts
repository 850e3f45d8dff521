import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Parcel, TestRegistry } from './support/registry.ts';
import { StockVerdaccio } from './support/stock-verdaccio.ts';

describe('evidence of packages that not everybody may read, below a path', () => {
  let folder: string;
  let server: StockVerdaccio;
  const tokens: Record<string, string> = {};
  const [open, secret] = ['@example/open', '@example/secret'];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-access-'));
    const registry = await TestRegistry.start();
    let parcels: readonly Parcel[];
    try {
      parcels = [await registry.parcel(open), await registry.parcel(secret)];
      const { layout } = registry.running.instance;
      await mkdir(join(folder, 'trust'));
      await copyFile(layout.trust.trustedRoot, join(folder, 'trust', 'trusted_root.json'));
      await copyFile(layout.policyFile, join(folder, 'trust-policy.yaml'));
    } finally {
      await registry.remove();
    }
    const configuration = await StockVerdaccio.configure(
      folder,
      {
        names: ['@example/*'],
        trustedRoot: './trust/trusted_root.json',
        policy: './trust-policy.yaml',
        publicUrl: 'https://packages.example/npm/',
        advertise: true,
      },
      {
        [secret]: { access: ['alice'], publish: ['alice'] },
        '@example/*': { access: '$all', publish: ['alice'] },
      },
    );
    server = await (await StockVerdaccio.start(configuration)).ready();
    for (const user of ['alice', 'mallory']) tokens[user] = await server.account(user);
    for (const parcel of parcels) {
      const { status, text } = await server.put(parcel, tokens.alice);
      assert.equal(status, 201, text);
    }
  });

  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const get = (path: string, user?: string) =>
    server.fetch(path, { headers: user === undefined ? {} : { authorization: `Bearer ${tokens[user]}` } });

  /** As it arrives: once the proxy has taken the path off, and with the path in front a second time, as npm up to 11.10 asks. */
  const addresses = (name: string) =>
    ['', '/npm'].flatMap((path) =>
      [name, name.replace('/', '%2f'), name.replace('/', '%2F'), name.replace('@', '%40').replace('/', '%2f')].map(
        (spelled) => `${path}/-/npm/v1/attestations/${spelled}@1.0.0`,
      ),
    );

  it('is told to those who may read the package, in every spelling of its name', async () => {
    for (const [name, user] of [
      [open, undefined],
      [open, 'mallory'],
      [secret, 'alice'],
    ] as const) {
      for (const address of addresses(name)) {
        const answer = await get(address, user);
        assert.equal(answer.status, 200, `${address}: ${answer.text}`);
        assert.equal(answer.json<{ attestations: unknown[] }>().attestations.length, 1, address);
      }
    }
  });

  it('is told to nobody else', async () => {
    for (const user of [undefined, 'mallory']) {
      for (const address of addresses(secret)) {
        const answer = await get(address, user);
        assert.ok(answer.status === 401 || answer.status === 403, `${address}: ${answer.status} ${answer.text}`);
        assert.doesNotMatch(answer.text, /dsseEnvelope/);
      }
      const panel = await get(`/-/signet/v1/panel?name=${encodeURIComponent(secret)}&version=1.0.0`, user);
      assert.ok(panel.status === 401 || panel.status === 403, panel.text);
    }
  });

  it('is left out of answers about many, as if the package did not exist', async () => {
    const ask = async (user: string | undefined) => {
      const answer = await server.fetch('/-/signet/v1/attestations:batch', {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(user === undefined ? {} : { authorization: `Bearer ${tokens[user]}` }),
        },
        body: JSON.stringify({
          packages: [open, secret, '@example/nothing'].map((name) => ({ name, version: '1.0.0' })),
        }),
      });
      const lines = answer.text.trimEnd().split('\n');
      return lines.map((line) => JSON.parse(line) as { integrity: string | null; attestations: unknown[] });
    };
    for (const user of [undefined, 'mallory']) {
      const [told, kept, missing] = await ask(user);
      assert.equal(told?.attestations.length, 1);
      assert.deepEqual([kept?.integrity, kept?.attestations], [null, []]);
      assert.deepEqual([missing?.integrity, missing?.attestations], [null, []]);
    }
    assert.equal((await ask('alice'))[1]?.attestations.length, 1);
  });

  it('is pointed to below the path of the public URL', async () => {
    const document = (await get('/@example%2fopen')).json<{
      versions: Record<string, { dist: { attestations: { url: string } } }>;
    }>();
    const url = 'https://packages.example/npm/-/npm/v1/attestations/@example%2fopen@1.0.0';
    assert.equal(document.versions['1.0.0']?.dist.attestations.url, url);
  });
});
