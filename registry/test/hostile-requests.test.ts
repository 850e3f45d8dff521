import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Parcel, TestRegistry } from './support/registry.ts';
import { ServerProcess } from './support/server-process.ts';

const name = '@example/victim';
const address = '/@example%2fvictim';

/** Values that are something else than they are taken for; the first has no text, which is where careless code ends. */
const odd = [{ toString: 1 }, [[{ toString: 1 }]], { valueOf: 1 }, [1], 1, true, null] as const;

describe('hostile requests to a registry', () => {
  let registry: TestRegistry;
  let server: ServerProcess;
  let parcel: Parcel;
  let token: string;

  before(async () => {
    registry = await TestRegistry.start();
    parcel = await registry.parcel(name);
    assert.equal((await registry.put(parcel)).status, 201);
    token = await registry.npmToken('alice');
    await registry.running.stop();
    server = await ServerProcess.start(registry);
  });

  after(async () => {
    await server?.kill('SIGTERM');
    await registry?.remove();
  });

  async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const answer = await registry.fetch(path, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
    });
    assert.ok(server.isRunning, `the server ended: ${server.errors.slice(-2000)}`);
    return answer;
  }

  const loggedIn = () => ({ authorization: `Bearer ${token}` });

  async function assertRefused(status: number, ...request: Parameters<typeof send>) {
    const answer = await send(...request);
    const what = JSON.stringify(request.slice(0, 3)).slice(0, 300);
    assert.equal(answer.status, status, `${what}: ${answer.text.slice(0, 200)}`);
    assert.equal(typeof answer.json().error, 'string', what);
  }

  it('with parameters that are not one text each are refused', async () => {
    for (const query of ['text[]=a', 'text[a]=b', 'text%5B%5D=a', 'text=a&text=b', 'text[toString]=1', 'size[]=1']) {
      await assertRefused(400, 'GET', `/-/v1/search?${query}`);
    }
    await assertRefused(400, 'GET', '/-/all?startkey[]=1');
    assert.equal((await send('GET', '/-/v1/search?text=victim&size=20')).status, 200);
  });

  it('for users whose name is a member of every object are refused', async () => {
    for (const user of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
      const body = { _id: `org.couchdb.user:${user}`, name: user, password: 'long enough', type: 'user', roles: [] };
      const basic = `Basic ${Buffer.from(`${user}:long enough`).toString('base64')}`;
      await assertRefused(400, 'PUT', `/-/user/org.couchdb.user:${user}`, body);
      await assertRefused(400, 'PUT', `/-/user/org.couchdb.user:${user}`, body, { authorization: basic });
      await assertRefused(400, 'PUT', `/-/USER/org.couchdb.user:${user}/`, body);
      await assertRefused(400, 'POST', '/-/verdaccio/sec/login', { username: user, password: 'long enough' });
      const whoami = await send('GET', '/-/whoami', undefined, { authorization: basic });
      assert.equal(whoami.json().username, undefined);
    }
  });

  it('for users, logins, passwords and tokens of the wrong kind are refused', async () => {
    const user = { name: 'bob', password: 'long enough' };
    for (const value of odd) {
      await assertRefused(400, 'PUT', '/-/user/org.couchdb.user:bob', { ...user, name: value });
      await assertRefused(400, 'PUT', '/-/user/org.couchdb.user:bob', { ...user, password: value });
      await assertRefused(400, 'PUT', '/-/user/org.couchdb.user:alice', { ...user, name: value }, loggedIn());
      await assertRefused(400, 'POST', '/-/npm/v1/user', { password: { old: value, new: 'long enough' } }, loggedIn());
      await assertRefused(400, 'POST', '/-/npm/v1/user', { password: { old: 'x', new: value } }, loggedIn());
      await assertRefused(400, 'POST', '/-/npm/v1/tokens', { password: value ?? 1, readonly: false }, loggedIn());
      const cidr = { password: 'x', readonly: false, cidr_whitelist: [value] };
      await assertRefused(400, 'POST', '/-/npm/v1/tokens', cidr, loggedIn());
    }
    for (const value of [{ toString: 1 }, [[{ toString: 1 }]], 1, true]) {
      await assertRefused(400, 'POST', '/-/verdaccio/sec/login', { username: value, password: 'long enough' });
    }
  });

  it('with a wrong old password are told so', async () => {
    const body = { password: { old: 'not the password', new: 'long enough' } };
    await assertRefused(401, 'POST', '/-/npm/v1/user', body, loggedIn());
  });

  it('whose body is no object are refused', async () => {
    for (const [method, path] of [
      ['PUT', '/-/user/org.couchdb.user:bob'],
      ['POST', '/-/verdaccio/sec/login'],
      ['POST', '/-/npm/v1/user'],
      ['POST', '/-/npm/v1/tokens'],
      ['PUT', address],
      ['PUT', `${address}/-rev/1-a`],
      ['POST', '/-/package/@example%2fvictim/dist-tags'],
    ] as const) {
      for (const body of [null, [], [[{ toString: 1 }]], 1, true, 'x']) {
        await assertRefused(400, method, path, body, loggedIn());
      }
    }
  });

  it('that tag something of the wrong kind are refused', async () => {
    for (const value of [...odd, 'x', '__proto__', '^1.0.0']) {
      await assertRefused(400, 'POST', '/-/package/@example%2fvictim/dist-tags', { next: value }, loggedIn());
      await assertRefused(400, 'PUT', '/-/package/@example%2fvictim/dist-tags/next', value, loggedIn());
    }
    await assertRefused(409, 'PUT', '/-/package/@example%2fvictim/dist-tags/1.x', '1.0.0', loggedIn());
  });

  it('with package documents whose members are of the wrong kind are refused', async () => {
    const document = {
      _id: name,
      name,
      versions: { '1.0.0': { name, version: '1.0.0', deprecated: 'old' } },
      'dist-tags': { latest: '1.0.0' },
      _attachments: {},
    };
    const [manifest] = Object.values(document.versions);
    for (const path of [address, `${address}/-rev/1-a`]) {
      for (const value of odd) {
        for (const member of ['name', '_id', 'versions', 'dist-tags', 'users']) {
          if (member === 'users' && JSON.stringify(value) === '{}') continue;
          await assertRefused(400, 'PUT', path, { ...document, [member]: value }, loggedIn());
        }
        for (const member of ['name', 'version', '_id', 'dist']) {
          if (member === 'dist' && JSON.stringify(value).startsWith('{"valueOf')) continue;
          const versions = { '1.0.0': { ...manifest, [member]: value } };
          await assertRefused(400, 'PUT', path, { ...document, versions }, loggedIn());
        }
        if (value === null) continue;
        for (const member of ['_rev', '_attachments', 'time', 'readme', 'access', 'maintainers']) {
          if (member === 'maintainers' && Array.isArray(value)) continue;
          await assertRefused(400, 'PUT', path, { ...document, [member]: value }, loggedIn());
        }
        if (value === true) continue;
        for (const member of ['deprecated', 'readme', 'description']) {
          const versions = { '1.0.0': { ...manifest, [member]: value } };
          await assertRefused(400, 'PUT', path, { ...document, versions }, loggedIn());
        }
      }
    }
    await assertRefused(400, 'PUT', address, { _id: name, users: { alice: { toString: 1 } } }, loggedIn());
  }).timeout(180_000);

  it('with a publish whose members are of the wrong kind are refused, and store nothing', async () => {
    const fresh = await TestDocument.of(parcel, '@example/fresh');
    for (const value of odd) {
      for (const member of ['name', '_id', 'versions', 'dist-tags', 'users', '_attachments']) {
        const answer = await send('PUT', '/@example%2ffresh', { ...fresh, [member]: value }, loggedIn());
        assert.ok(answer.status >= 400 && answer.status < 500, `${member} ${JSON.stringify(value)}: ${answer.status}`);
      }
    }
    assert.equal((await send('GET', '/@example%2ffresh')).status, 404);
    // An empty document would take the name.
    await assertRefused(403, 'PUT', '/@example%2ffresh', { name: '@example/fresh', versions: {} }, loggedIn());
    assert.equal((await send('GET', '/@example%2ffresh')).status, 404);
  });

  it('with a body that is compressed are refused, whoever sends them and wherever', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '));
    for (const path of [address, '/-/v1/login', '/-/signet/v1/attestations:batch', '/-/npm/v1/security/audits/x']) {
      for (const encoding of ['gzip', 'GZIP', 'deflate', 'br', 'identity, gzip']) {
        for (const headers of [{}, loggedIn()]) {
          const answer = await registry.fetch(path, {
            method: path === address ? 'PUT' : 'POST',
            headers: { 'content-type': 'application/json', 'content-encoding': encoding, ...headers },
            body: bomb,
          });
          assert.equal(answer.status, 415, `${path} ${encoding}: ${answer.text}`);
        }
      }
    }
  });

  it('with what npm audit sends are read compressed, up to a limit', async () => {
    const ask = (body: Uint8Array) =>
      registry.fetch('/-/npm/v1/security/advisories/bulk', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
        body: new Uint8Array(body),
      });
    assert.equal((await ask(gzipSync(Buffer.alloc(64 * 1024 * 1024, ' ')))).status, 413);
    assert.equal((await ask(Buffer.from('not gzip'))).status, 400);
    assert.equal((await ask(gzipSync('{"doubled":'))).status, 400);
    // This instance passes on no audit, so that nobody answers what was read.
    assert.equal((await ask(gzipSync('{"time":["1.0.0"],"users":["1.0.0"]}'))).status, 404);
    assert.ok(server.isRunning);
  });

  it('with a large body need credentials before it is read', async () => {
    const large = { name, padding: 'a'.repeat(2 * 1024 * 1024) };
    await assertRefused(413, 'PUT', address, large);
    for (const authorization of ['Bearer made-up', 'Bearer signet_tp_e30.AAAA', 'Basic eDp5', 'nonsense']) {
      await assertRefused(413, 'PUT', address, large, { authorization });
    }
    const known = await send('PUT', address, large, loggedIn());
    assert.notEqual(known.status, 413, known.text);
  });

  it('with a large body for a package that the sender may not publish are refused before it is read', async () => {
    const large = { padding: 'a'.repeat(2 * 1024 * 1024) };
    for (const path of ['/not-ours', '/@elsewhere%2fx', '/@elsewhere/x/-rev/1-a', '/%2e%2e%2fx']) {
      await assertRefused(403, 'PUT', path, large, loggedIn());
    }
    await assertRefused(422, 'PUT', address, { ...large, _attachments: { x: {} } }, loggedIn());
  });

  it('whose JSON is deep or has a key twice are refused, wherever', async () => {
    const deep = `${'['.repeat(300_000)}${']'.repeat(300_000)}`;
    const texts = [deep, `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`, '{"name":"a","n\\u0061me":"b"}', '{"a":1', 'x'];
    for (const [method, path] of [
      ['PUT', address],
      ['PUT', '/-/user/org.couchdb.user:bob'],
      ['POST', '/-/npm/v1/security/advisories/bulk'],
      ['POST', '/-/signet/v1/attestations:batch'],
      ['POST', '/-/verdaccio/sec/login'],
    ] as const) {
      for (const body of texts) {
        const headers = { 'content-type': 'application/json; charset=utf-8', ...loggedIn() };
        const answer = await registry.fetch(path, { method, headers, body });
        assert.equal(answer.status, 400, `${path} ${body.slice(0, 30)}: ${answer.text}`);
        assert.equal(typeof answer.json().error, 'string');
      }
    }
    const foreign = { method: 'PUT', headers: { 'content-type': 'application/json; charset=utf-16' }, body: '{}' };
    assert.equal((await registry.fetch(address, foreign)).status, 415);
  });

  it('for pages about something that is no package are answered 404, with a word and no trace', async () => {
    for (const place of ['sidebar', 'package/readme', 'Sidebar']) {
      for (const it of ['..%2fx', '%2e%2e', '..%5cx', '%', 'a%00b', '@example%2f..%2fx', '@a/b%2fc', '', '.x']) {
        await assertRefused(404, 'GET', `/-/verdaccio/data/${place}/${it}`);
      }
    }
    assert.equal((await send('GET', '/-/verdaccio/data/sidebar/@example/victim')).status, 200);
    assert.equal((await send('GET', '/-/verdaccio/data/package/readme/@example/victim/1.0.0')).status, 200);
    assert.doesNotMatch(server.errors, /^ {4}at /m);
  });

  it('whose length is not said need credentials', async () => {
    const { hostname, port } = new URL(registry.url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(`PUT ${address} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`);
        socket.write('Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n');
      });
      socket.setEncoding('utf8').once('data', (text: unknown) => {
        socket.destroy();
        resolve(String(text));
      });
      socket.once('error', reject);
    });
    assert.match(answer, /^HTTP\/1\.1 411 /);
  });

  it('that are refused again and again have one line in the log, and each publish its own in the audit log', async () => {
    // Of each kind one at once, and one with the number of those that followed.
    const lines = () => server.errors.split('\n').filter((line) => /"kind":"registry".*refused/.test(line)).length;
    const before = lines();
    for (let round = 0; round < 50; round += 1) await assertRefused(400, 'GET', '/-/v1/search?flood[]=1');
    const { auditLog } = registry.running.instance.layout.registry;
    const records = async () =>
      (await readFile(auditLog, 'utf8')).split('\n').filter((line) => line.includes('/flood"'));
    const foreign = { name: '@elsewhere/flood', _attachments: { x: {} } };
    const publishes = Array.from({ length: 50 }, () => send('PUT', '/@elsewhere%2fflood', foreign, loggedIn()));
    for (const { status } of await Promise.all(publishes)) assert.equal(status, 403);
    assert.equal((await records()).length, 50);
    const after = lines();
    assert.ok(after - before < 20, `${after - before} lines for a hundred refusals`);
  });

  it('for the evidence of many versions are bounded, and answer each version once', async () => {
    const ask = (packages: unknown) => send('POST', '/-/signet/v1/attestations:batch', { packages });
    const many = Array.from({ length: 1001 }, (_, index) => ({ name, version: `1.0.${index}` }));
    assert.equal((await ask(many)).status, 413);
    const same = await ask(Array.from({ length: 1000 }, () => ({ name, version: '1.0.0' })));
    assert.equal(same.status, 200);
    assert.equal(same.text.trimEnd().split('\n').length, 1);
    assert.equal((await ask(many.slice(1))).text.trimEnd().split('\n').length, 1000);
  });
});

describe('an exception that escapes Verdaccio', () => {
  let registry: TestRegistry;
  let server: ServerProcess;
  const flag = (name: string) => join(registry.directory, name);

  before(async () => {
    registry = await TestRegistry.start();
    assert.equal((await registry.put(await registry.parcel('@example/sound'))).status, 201);
    await registry.running.stop();
    // Put there behind Verdaccio's back, so that nothing but a request reads it.
    const scope = join(registry.running.instance.layout.registry.storage, '@example');
    await cp(join(scope, 'sound'), join(scope, 'poison'), { recursive: true });
    server = await ServerProcess.start(registry, {
      imports: ['./plant-failures.ts'],
      env: { FAIL_READ: flag('fail-read'), FAIL_SYNC: flag('fail-sync') },
    });
  });

  after(async () => {
    await server?.kill('SIGTERM');
    await registry?.remove();
  });

  it('ends its request with 500 and nothing else', async () => {
    await writeFile(flag('fail-read'), '');
    const answers = await Promise.all(
      ['/@example%2fpoison', '/@example%2fsound', '/@example%2fpoison', '/@example%2fsound'].map((path) =>
        registry.fetch(path),
      ),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [500, 200, 500, 200],
    );
    assert.equal(answers[0]?.json().error, 'internal server error');
    assert.ok(server.isRunning);
    assert.match(server.errors, /escaped: GET .*TypeError: planted/);
  });

  it('is not what ends the process when the log cannot make an entry durable: that does', async () => {
    await writeFile(flag('fail-sync'), '');
    const parcel = registry.parcel('@example/lost');
    await assert.rejects(parcel);
    const { code } = await server.ended;
    assert.notEqual(code, 0);
    assert.match(server.errors, /ERR_LOG_STORAGE|the log has stopped/);
  });
});

/** A well-formed publish document with another name. */
const TestDocument = {
  async of({ document, name }: Parcel, other: string): Promise<Record<string, unknown>> {
    const base = (full: string) => full.slice(full.indexOf('/') + 1);
    const text = JSON.stringify(document).replaceAll(name, other).replaceAll(base(name), base(other));
    return JSON.parse(text);
  },
};
