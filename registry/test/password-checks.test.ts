import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { TestRegistry } from './support/registry.ts';

describe('passwords at a registry', () => {
  let registry: TestRegistry;

  beforeEach(async () => {
    registry = await TestRegistry.start();
  });

  afterEach(() => registry.remove());

  const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const ask = (authorization: string) => registry.fetch('/-/whoami', { headers: { authorization } });

  function register(user: string, password: string) {
    return registry.fetch(`/-/user/org.couchdb.user:${user}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: user, password, type: 'user', roles: [] }),
    });
  }

  it('that are wrong are checked some times a minute, and those that were right go on', async () => {
    const token = `Bearer ${await registry.npmToken('alice')}`;
    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => ask(basic('alice', `wrong ${n}`))));
    const refused = answers.filter(({ status }) => status === 429);
    // One of twenty was Alice's own account.
    assert.equal(refused.length, 21);
    assert.match(String(refused[0]?.json().error), /wrong passwords/);
    for (const { json } of answers) assert.equal(json().username, undefined);
    assert.equal((await ask(token)).json().username, 'alice');
    assert.equal((await ask(basic('bob', 'unknown'))).status, 429);
    const answer = await fetch(`${registry.url}-/whoami`, { headers: { authorization: basic('alice', 'wrong') } });
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    assert.equal((await register('carol', 'long enough')).status, 429);
    assert.equal((await registry.fetch('/@example%2fnothing')).status, 404);
  });

  it('are counted by the address that connects, or that a proxy names whom the operator believes', async () => {
    assert.equal((await register('finn', 'long enough')).status, 201);
    const from = (address: string, password: string) =>
      registry.fetch('/-/whoami', {
        headers: { authorization: basic('finn', password), 'x-forwarded-for': address },
      });
    const tries = (addressOf: (n: number) => string) =>
      Promise.all(Array.from({ length: 22 }, (_, n) => from(addressOf(n), `wrong ${n}`)));
    const refusedOf = (answers: Awaited<ReturnType<typeof tries>>) =>
      answers.filter(({ status }) => status === 429).length;
    assert.equal(refusedOf(await tries((n) => `198.51.100.${n}`)), 3, 'nobody believes what the client says');

    const file = registry.running.instance.layout.instanceFile;
    await appendFile(file, '\nlog: { proxies: ["127.0.0.0/8", "::1"] }\n');
    await registry.restart();
    assert.equal(refusedOf(await tries((n) => `198.51.100.${n}`)), 0);
    assert.equal(refusedOf(await tries(() => '203.0.113.1')), 2);
    assert.equal((await from('203.0.113.2', 'long enough')).json().username, 'finn');
    assert.equal((await from('203.0.113.9, 203.0.113.1', 'again wrong')).status, 429, 'what stands before is hearsay');
    assert.equal(refusedOf(await tries((n) => `2001:db8:1:2:${n}::1`)), 2, 'one network of IPv6');
    assert.equal((await from('2001:db8:1:3::1', 'wrong')).status, 200);
  }).timeout(120_000);

  it('of new accounts are made some times a minute', async () => {
    const answers = await Promise.all(Array.from({ length: 25 }, (_, n) => register(`user${n}`, 'long enough')));
    const statuses = answers.map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 429).length, 5);
    assert.equal(statuses.filter((status) => status === 201).length, 20);
  }).timeout(120_000);

  it('are not checked again for a while, until the password file says otherwise', async () => {
    assert.equal((await register('dora', 'the first one')).status, 201);
    const first = basic('dora', 'the first one');
    // As many at once as would be too many if each was a check of its own.
    const many = await Promise.all(Array.from({ length: 50 }, () => ask(first)));
    for (const { json } of many) assert.equal(json().username, 'dora');

    const file = registry.running.instance.layout.registry.users;
    const before = await readFile(file, 'utf8');
    await writeFile(file, before.replace(/^dora:.*\n?/m, ''));
    assert.equal((await ask(first)).json().username, undefined, 'a user who was removed');
    await writeFile(file, before);
    assert.equal((await ask(first)).json().username, 'dora');

    const change = await registry.fetch('/-/npm/v1/user', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: first },
      body: JSON.stringify({ password: { old: 'the first one', new: 'the second one' } }),
    });
    assert.equal(change.status, 200, change.text);
    assert.equal((await ask(first)).json().username, undefined, 'a password that was changed');
    assert.equal((await ask(basic('dora', 'the second one'))).json().username, 'dora');
  });

  it('are checked by another thread, while packages are read', async () => {
    const file = registry.running.instance.layout.instanceFile;
    await appendFile(file, '\nlog: { proxies: ["127.0.0.0/8", "::1"] }\n');
    await registry.restart();
    assert.equal((await register('gwen', 'long enough')).status, 201);
    const parcel = await registry.parcel('@example/read');
    assert.equal((await registry.put(parcel)).status, 201);
    const require = createRequire(import.meta.url);
    const passwords = createRequire(
      createRequire(require.resolve('verdaccio/package.json')).resolve('verdaccio-htpasswd'),
    );
    const bcrypt = passwords('bcryptjs') as { compare: unknown; hash: unknown };
    const original = { ...bcrypt };
    // What this thread would compute them with.
    const unwanted = () => Promise.reject(new Error('computed in the thread that serves'));
    Object.assign(bcrypt, { compare: unwanted, hash: unwanted });
    try {
      let waiting = 60;
      const wrong = Array.from({ length: waiting }, async (_, n) => {
        const answer = await registry.fetch('/-/whoami', {
          headers: { authorization: basic('gwen', `wrong ${n}`), 'x-forwarded-for': `198.51.100.${n}` },
        });
        waiting -= 1;
        return answer;
      });
      let read = 0;
      for (; waiting > 30; read += 1) assert.equal((await registry.fetch('/@example%2fread')).status, 200);
      assert.ok(read > 30, `${read} packages read while 30 passwords were checked`);
      for (const { status, json } of await Promise.all(wrong))
        assert.deepEqual([status, json().username], [200, undefined]);
      assert.equal((await ask(basic('gwen', 'long enough'))).json().username, 'gwen');
      assert.equal((await register('hugo', 'long enough')).status, 201);
    } finally {
      Object.assign(bcrypt, original);
    }
  }).timeout(120_000);

  it('beyond those that can wait are refused, from however many addresses', async () => {
    const file = registry.running.instance.layout.instanceFile;
    await appendFile(file, '\nlog: { proxies: ["127.0.0.0/8", "::1"] }\n');
    await registry.restart();
    assert.equal((await register('ines', 'long enough')).status, 201);
    assert.equal((await ask(basic('ines', 'long enough'))).json().username, 'ines');
    const answers = Promise.all(
      Array.from({ length: 180 }, (_, n) =>
        fetch(`${registry.url}-/whoami`, {
          headers: { authorization: basic('ines', `wrong ${n}`), 'x-forwarded-for': `198.51.100.${n}` },
        }),
      ),
    );
    // Known ones need no place.
    assert.equal((await ask(basic('ines', 'long enough'))).json().username, 'ines');
    const refused = (await answers).filter(({ status }) => status === 429);
    assert.ok(refused.length >= 20 && refused.length < 180, `${refused.length} refused`);
    for (const { headers } of refused) assert.equal(headers.get('retry-after'), '1');
  }).timeout(120_000);

  it('of clients that went away are not checked', async () => {
    assert.equal((await register('eve', 'long enough')).status, 201);
    const { hostname, port } = new URL(registry.url);
    const sockets = Array.from({ length: 15 }, (_, n) => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      socket.write(`GET /-/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic('eve', `wrong ${n}`)}\r\n\r\n`);
      return socket;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const socket of sockets) socket.destroy();
    // Those that were dropped count as no attempt: one turn at least is left, though 15 and 10 are more than may fail.
    assert.equal((await ask(basic('eve', 'long enough'))).json().username, 'eve');
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => ask(basic('eve', `late ${n}`))));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  });
});
