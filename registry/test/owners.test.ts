import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Answer, bundlesOf, TestRegistry } from './support/registry.ts';

type Document = Record<string, unknown> & {
  readonly _rev: string;
  readonly versions: Record<string, Record<string, unknown>>;
  readonly 'dist-tags': Record<string, string>;
};

describe('changes of what is published', () => {
  let registry: TestRegistry;

  before(async () => {
    registry = await TestRegistry.start();
    const { instanceFile } = registry.running.instance.layout;
    const text = await readFile(instanceFile, 'utf8');
    const changes = { operators: ['root'], owners: { '@example/shared': ['bob'] } };
    await writeFile(instanceFile, text.replace('changes: {}', `changes: ${JSON.stringify(changes)}`));
    await registry.restart();
  });

  after(() => registry.remove());

  async function send(user: string, method: string, path: string, body?: unknown): Promise<Answer> {
    return registry.fetch(path, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await registry.npmToken(user)}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async function publish(name: string, ...versions: readonly string[]) {
    for (const version of versions) {
      const { status, text } = await registry.put(await registry.parcel(name, version));
      assert.equal(status, 201, text);
    }
  }

  const path = (name: string) => `/${name.replace('/', '%2f')}`;

  async function document(name: string): Promise<Document> {
    return (await registry.fetch(`${path(name)}?write=true`)).json<Document>();
  }

  /** Every way to change a package, as npm sends them. Each is made by `user` to a package with 1.0.0 and 1.1.0. */
  const ways: Readonly<Record<string, (user: string, name: string) => Promise<Answer>>> = {
    'dist-tag add': (user, name) => send(user, 'PUT', `/-/package/${path(name).slice(1)}/dist-tags/next`, '1.0.0'),
    'dist-tag add by POST': (user, name) =>
      send(user, 'POST', `/-/package/${path(name).slice(1)}/dist-tags`, { next: '1.0.0' }),
    'dist-tag by the short address': (user, name) => send(user, 'PUT', `${path(name)}/next`, '1.0.0'),
    'dist-tag rm': (user, name) => send(user, 'DELETE', `/-/package/${path(name).slice(1)}/dist-tags/latest`),
    deprecate: async (user, name) => {
      const whole = await document(name);
      Object.assign(whole.versions['1.0.0'] ?? {}, { deprecated: 'broken' });
      return send(user, 'PUT', path(name), whole);
    },
    'tags in a document': async (user, name) => {
      const whole = await document(name);
      const tags = { ...whole['dist-tags'], latest: '1.0.0' };
      return send(user, 'PUT', `${path(name)}/-rev/${whole._rev}`, { ...whole, 'dist-tags': tags });
    },
    'unpublish a version': async (user, name) => {
      const { versions, ...whole } = await document(name);
      const { '1.0.0': _, ...others } = versions;
      return send(user, 'PUT', `${path(name)}/-rev/${whole._rev}`, { ...whole, versions: others });
    },
    'unpublish by an empty document': async (user, name) => {
      const { _rev } = await document(name);
      return send(user, 'PUT', `${path(name)}/-rev/${_rev}`, { name, versions: {} });
    },
    'a document that changes nothing': async (user, name) => {
      const whole = await document(name);
      return send(user, 'PUT', `${path(name)}/-rev/${whole._rev}`, whole);
    },
    'stars of others': async (user, name) => {
      const whole = await document(name);
      return send(user, 'PUT', `${path(name)}/-rev/${whole._rev}`, { ...whole, users: { carol: true } });
    },
    'unpublish everything': async (user, name) =>
      send(user, 'DELETE', `${path(name)}/-rev/${(await document(name))._rev}`),
  };

  for (const [way, change] of Object.entries(ways)) {
    it(`are refused to other users: ${way}`, async () => {
      const name = `@example/foreign-${way.replace(/\W+/g, '-').toLowerCase()}`;
      await publish(name, '1.0.0', '1.1.0');
      const before = await document(name);
      const answer = await change('mallory', name);
      assert.equal(answer.status, 403, answer.text);
      assert.match(String(answer.json().error), /Only the owners of .* and you are mallory/);
      assert.deepEqual(await document(name), before);
    });

    it(`are the first publisher’s to make, and the operators’: ${way}`, async () => {
      for (const user of ['alice', 'root']) {
        const name = `@example/${user}-${way.replace(/\W+/g, '-').toLowerCase()}`;
        await publish(name, '1.0.0', '1.1.0');
        const answer = await change(user, name);
        assert.ok(answer.status === 200 || answer.status === 201, `${user}: ${answer.status} ${answer.text}`);
      }
    });
  }

  it('may be made by owners whom the operator names', async () => {
    await publish('@example/shared', '1.0.0', '1.1.0');
    assert.equal((await ways['dist-tag add']?.('bob', '@example/shared'))?.status, 201);
    await publish('@example/not-shared', '1.0.0', '1.1.0');
    assert.equal((await ways['dist-tag add']?.('bob', '@example/not-shared'))?.status, 403);
  });

  it('of maintainers, as npm owner sends them, take no version away', async () => {
    const name = '@example/maintained';
    await publish(name, '1.0.0', '1.1.0');
    const before = await document(name);
    const sent = { _id: name, _rev: before._rev, maintainers: [{ name: 'bob', email: 'bob@example.com' }] };
    assert.equal((await send('alice', 'PUT', `${path(name)}/-rev/${before._rev}`, sent)).status, 422);
    const body = { ...sent, name };
    for (const address of ['-rev', '%2drev']) {
      for (const user of ['alice', 'root', 'mallory']) {
        const answer = await send(user, 'PUT', `${path(name)}/${address}/${before._rev}`, body);
        assert.equal(answer.status, user === 'mallory' ? 403 : 409, answer.text);
        if (user !== 'mallory') assert.match(answer.text, /owners are named in the registry’s configuration/);
      }
    }
    assert.deepEqual(await document(name), before);
  });

  it('of stars are everybody’s own, and reach nobody else’s', async () => {
    const name = '@example/starred';
    await publish(name, '1.0.0');
    const star = async (user: string, users: Record<string, boolean>) => {
      const { _rev } = await document(name);
      const { status, text } = await send(user, 'PUT', path(name), { _id: name, _rev, users });
      assert.equal(status, 200, text);
      return (await document(name)).users;
    };
    assert.deepEqual(await star('mallory', { mallory: true }), { mallory: true });
    assert.deepEqual(await star('mallory', { mallory: true }), { mallory: true });
    assert.deepEqual(await star('bob', { bob: true }), { mallory: true, bob: true });
    assert.deepEqual(await star('mallory', {}), { bob: true });
    const whole = await document(name);
    const forged = { ...whole, users: { carol: true } };
    assert.equal((await send('alice', 'PUT', `${path(name)}/-rev/${whole._rev}`, forged)).status, 201);
    assert.deepEqual((await document(name)).users, { bob: true });
  });

  it('do not take a version along that was published after the client looked', async () => {
    const name = '@example/meanwhile';
    await publish(name, '1.0.0', '1.1.0');
    const seen = await document(name);
    await publish(name, '1.2.0');
    Object.assign(seen.versions['1.0.0'] ?? {}, { deprecated: 'broken' });
    const deprecated = await send('alice', 'PUT', path(name), seen);
    assert.equal(deprecated.status, 409, deprecated.text);
    const { '1.0.0': _, ...others } = seen.versions;
    const removed = await send('alice', 'PUT', `${path(name)}/-rev/${seen._rev}`, { ...seen, versions: others });
    assert.equal(removed.status, 409, removed.text);
    assert.deepEqual(Object.keys((await document(name)).versions), ['1.0.0', '1.1.0', '1.2.0']);
  });

  it('leave evidence and tarballs alone as long as their version is there', async () => {
    const name = '@example/evident';
    await publish(name, '1.0.0');
    const { _rev } = await document(name);
    const files = await readdir(join(registry.running.instance.layout.registry.storage, name));
    const evidence = files.find((file) => file.endsWith('.sigstore.json'));
    for (const user of ['mallory', 'alice', 'root']) {
      for (const file of [evidence, 'evident-1.0.0.tgz', 'package.json', 'x.sigstore']) {
        const answer = await send(user, 'DELETE', `${path(name)}/-/${file}/-rev/${_rev}`);
        assert.equal(answer.status, user === 'mallory' ? 403 : 409, `${user} ${file}: ${answer.text}`);
        const put = await send(user, 'PUT', `${path(name)}/-/${file}/x`, {});
        assert.equal(put.status, 403, `${user} ${file}: ${put.text}`);
      }
    }
    assert.deepEqual(await readdir(join(registry.running.instance.layout.registry.storage, name)), files);
    assert.equal(await bundlesOf(registry, `${name}@1.0.0`), 1);
  });

  it('bring a version back with the bytes that it had, and with no others', async () => {
    const name = '@example/returning';
    const first = await registry.parcel(name, '1.0.0');
    assert.equal((await registry.put(first)).status, 201);
    await publish(name, '1.1.0');
    const { versions, ...whole } = await document(name);
    const { '1.0.0': _, ...others } = versions;
    const tags = { latest: '1.1.0' };
    const unpublished = { ...whole, versions: others, 'dist-tags': tags };
    assert.equal((await send('alice', 'PUT', `${path(name)}/-rev/${whole._rev}`, unpublished)).status, 201);
    const { _rev } = await document(name);
    assert.equal((await send('alice', 'DELETE', `${path(name)}/-/returning-1.0.0.tgz/-rev/${_rev}`)).status, 201);
    const gone = await document(name);
    assert.equal((await send('alice', 'DELETE', `${path(name)}/-rev/${gone._rev}`)).status, 201);
    await registry.restart();

    for (const version of ['1.0.0', '1.1.0']) {
      const other = await registry.parcel(name, version, { manifest: { description: 'other bytes' } });
      const answer = await registry.put(other);
      assert.equal(answer.status, 409, answer.text);
      assert.match(String(answer.json().error), /was unpublished and can come back only with the bytes that it had/);
    }
    const again = await registry.put(first);
    assert.equal(again.status, 201, again.text);
    assert.equal(await bundlesOf(registry, `${name}@1.0.0`), 1);
  });

  it('show texts of the client without what a terminal would obey', async () => {
    const name = '@example/coloured';
    await publish(name, '1.0.0');
    const whole = await document(name);
    Object.assign(whole.versions['1.0.0'] ?? {}, { deprecated: 'old \u001b[2J\u202eplease' });
    assert.equal((await send('alice', 'PUT', path(name), whole)).status, 201);
    const { deprecated } = (await document(name)).versions['1.0.0'] ?? {};
    assert.equal(deprecated, 'old \\u{1b}[2J\\u{202e}please');
  });

  it('are all in the audit log, with who asked', async () => {
    const name = '@example/watched';
    await publish(name, '1.0.0', '1.1.0');
    await ways['dist-tag add']?.('mallory', name);
    await ways['dist-tag add']?.('alice', name);
    await ways.deprecate?.('alice', name);
    await ways['unpublish a version']?.('alice', name);
    await ways['unpublish everything']?.('root', name);
    const text = await readFile(registry.running.instance.layout.registry.auditLog, 'utf8');
    const records = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      records.filter((record) => record.package === name).map(({ action, decision, user }) => [action, decision, user]),
      [
        ['publish', 'accepted', 'alice'],
        ['publish', 'accepted', 'alice'],
        ['tag', 'refused', 'mallory'],
        ['tag', 'accepted', 'alice'],
        ['deprecate', 'accepted', 'alice'],
        // The tag next still points to it; npm's own client takes such tags away.
        ['unpublish', 'refused', 'alice'],
        ['unpublish', 'accepted', 'root'],
      ],
    );
    assert.ok(records.some(({ action, what }) => action === 'user' && what === 'mallory'));
  });
});
