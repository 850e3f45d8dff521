import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { TrustMaterial } from '@signet/client/trust';
import { parseSigningConfig } from '@signet/primitives/formats';
import { freePort, type InitOptions, initInstance, openInstance, startInstance } from '../src/index.ts';

/** Every file below `directory` with its content. */
async function contents(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = files.sort().map(async (file) => [relative(directory, file), await readFile(file, 'utf8')] as const);
  return new Map(await Promise.all(read));
}

describe('an instance', () => {
  let directory: string;
  let port: number;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-instance-'));
    port = await freePort('127.0.0.1');
  });

  after(() => rm(directory, { recursive: true }));

  const options = (name: string, more: Partial<InitOptions> = {}): InitOptions => ({
    directory: join(directory, name),
    port,
    names: ['@example/*'],
    devIdentity: true,
    uplink: 'none',
    ...more,
  });

  it('is made once: a second init changes no byte', async () => {
    const first = await initInstance(options('once'));
    assert.equal(first.created, true);
    const before = await contents(first.layout.directory);
    const second = await initInstance(options('once'));
    assert.equal(second.created, false);
    assert.deepEqual(await contents(first.layout.directory), before);
  });

  it('keeps its private keys from other users', async () => {
    if (process.platform === 'win32') return;
    const { layout } = await initInstance(options('modes'));
    for (const folder of [layout.keys.directory, layout.development.directory]) {
      assert.equal((await stat(folder)).mode & 0o777, 0o700, folder);
      for (const file of await readdir(folder))
        assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600, file);
    }
  });

  it('writes trust and signing configuration that clients read', async () => {
    const { layout, urls } = await initInstance(options('trust'));
    const trust = TrustMaterial.fromTrustedRoot(await readFile(layout.trust.trustedRoot, 'utf8'));
    assert.equal(trust.certificateAuthorities.length, 1);
    assert.equal(trust.timestampAuthorities.length, 1);
    assert.equal(trust.certificateLogs.length, 1);
    const [log] = trust.transparencyLogs;
    assert.equal(log?.name, `127.0.0.1:${port}/-/signet/log`);
    const config = parseSigningConfig(await readFile(layout.trust.signingConfig, 'utf8'));
    assert.equal(config.caUrls[0]?.url, urls.ca);
    const both = JSON.parse(await readFile(layout.trust.clientTrustConfig, 'utf8'));
    assert.deepEqual(both.trustedRoot, JSON.parse(await readFile(layout.trust.trustedRoot, 'utf8')));
  });

  it('is finished by the next init, whichever file the first one stopped before', async () => {
    const { layout } = await initInstance(options('whole'));
    const order = [
      layout.instanceFile,
      layout.issuersFile,
      layout.policyFile,
      layout.development.identityKeys,
      layout.keys.caRoot,
      layout.keys.caIntermediate,
      layout.keys.timestampRoot,
      layout.keys.timestamp,
      layout.keys.certificateLog,
      layout.keys.log,
      layout.certificates.ca,
      layout.certificates.timestamp,
      layout.trust.trustedRoot,
      layout.trust.signingConfig,
      layout.trust.clientTrustConfig,
    ].map((file) => relative(layout.directory, file));
    for (const [index, stopped] of order.entries()) {
      const target = join(directory, 'cut');
      await cp(layout.directory, target, { recursive: true });
      for (const later of order.slice(index)) await rm(join(target, later));
      await writeFile(
        join(target, 'state', 'format.json'),
        '{"format":1,"type":"signet-instance","state":"initializing"}\n',
      );
      const kept = await contents(target);
      await assert.rejects(openInstance(target), { code: 'ERR_INSTANCE', message: /cut off/ });

      const finished = await initInstance({ ...options('cut'), directory: target });
      assert.equal(finished.created, true, stopped);
      const after = await contents(target);
      for (const file of order) assert.ok(after.has(file), `${file} after a stop before ${stopped}`);
      for (const file of order.slice(0, index)) assert.equal(after.get(file), kept.get(file), `${file} was replaced`);
      TrustMaterial.fromTrustedRoot(after.get(join('trust', 'trusted_root.json')));
      await rm(target, { recursive: true });
    }
  });

  it('never makes a second key or certificate for what is complete', async () => {
    for (const missing of [
      'keys/ca-intermediate.key',
      'keys/log.key',
      'certificates/ca.pem',
      'trust/trusted_root.json',
    ]) {
      const target = options('incomplete');
      await initInstance(target);
      await rm(join(target.directory, missing));
      await assert.rejects(startInstance(target), { code: 'ERR_INSTANCE' }, missing);
      await assert.rejects(readFile(join(target.directory, missing)), { code: 'ENOENT' });
      await rm(target.directory, { recursive: true });
    }
  });

  it('refuses to start with the keys of another instance', async () => {
    const mine = await initInstance(options('mine'));
    const other = await initInstance(options('other'));
    for (const key of ['log', 'certificateLog', 'caIntermediate', 'timestamp'] as const) {
      const original = await readFile(mine.layout.keys[key]);
      await cp(other.layout.keys[key], mine.layout.keys[key]);
      await assert.rejects(startInstance(options('mine')), { code: 'ERR_INSTANCE' }, key);
      await writeFile(mine.layout.keys[key], original);
    }
  });

  it('does not fill a directory that holds something else', async () => {
    const target = join(directory, 'foreign');
    await mkdir(target);
    await writeFile(join(target, 'thesis.txt'), 'precious');
    await assert.rejects(initInstance({ ...options('foreign') }), { code: 'ERR_INSTANCE', message: /thesis\.txt/ });
    assert.deepEqual(await readdir(target), ['thesis.txt']);
  });

  it('holds to its public URL', async () => {
    const target = options('url');
    await initInstance(target);
    const publicUrl = 'https://npm.acme.example';
    await assert.rejects(initInstance({ ...target, publicUrl }), { code: 'ERR_INSTANCE_URL' });
    await assert.rejects(startInstance({ ...target, publicUrl }), { code: 'ERR_INSTANCE_URL' });
    await assert.rejects(startInstance({ ...target, port: await freePort('127.0.0.1') }), { code: 'ERR_INSTANCE_URL' });
    const running = await startInstance({ ...target, port: 0, publicUrl: `http://127.0.0.1:${port}/` });
    assert.equal(running.port, port);
    await running.stop();
  });

  it('makes up identities on loopback addresses alone, and only when it was made for that', async () => {
    const publicUrl = 'https://npm.acme.example';
    await assert.rejects(initInstance(options('public', { publicUrl })), { code: 'ERR_DEVELOPMENT_ONLY' });
    const plain = options('plain', { devIdentity: false });
    await initInstance(plain);
    await assert.rejects(startInstance({ ...plain, devIdentity: true }), { code: 'ERR_DEVELOPMENT_ONLY' });
    await assert.rejects(startInstance(plain), { code: 'ERR_ISSUER_CONFIG', message: /issuers\.yaml names no issuer/ });
  });

  it('does not believe the development issuers while they are not served', async () => {
    await initInstance(options('unserved'));
    await assert.rejects(startInstance(options('unserved', { devIdentity: false })), { code: 'ERR_ISSUER_CONFIG' });
  });

  it('does not let a name be owned that is npm’s', async () => {
    for (const name of ['*', '**', '@*/*', 'lod*', '@acme/**', '@acme', '', '@ACME/*', '../x']) {
      await assert.rejects(initInstance(options('names', { names: [name] })), { code: 'ERR_INSTANCE_CONFIG' }, name);
    }
    await assert.rejects(readdir(join(directory, 'names', 'keys')), { code: 'ENOENT' });
  });

  it('is refused by an older Signet than the one that wrote it', async () => {
    const { layout } = await initInstance(options('newer'));
    const text = await readFile(layout.instanceFile, 'utf8');
    await writeFile(layout.instanceFile, text.replace('version: 1', 'version: 2'));
    await assert.rejects(openInstance(layout.directory), { code: 'ERR_INSTANCE_FORMAT' });
    await writeFile(layout.state.format, '{"format":2,"type":"signet-instance","state":"ready"}');
    await assert.rejects(initInstance(options('newer')), { code: 'ERR_INSTANCE_FORMAT' });
  });

  it('belongs to one process at a time, and is free again after a stop', async () => {
    const target = options('alone');
    const running = await startInstance(target);
    for (const again of [target, { ...target, port: 0 }]) {
      await assert.rejects(startInstance(again), { code: 'ERR_INSTANCE_BUSY', message: /is up already.*stop/ });
    }
    assert.equal((await fetch(`${running.urls.registry}-/ping`)).status, 200);
    await running.stop();
    await running.stop();
    const again = await startInstance(target);
    await again.stop();
  });

  it('does not speak of another process where its lock cannot be written', async () => {
    const { layout } = await initInstance(options('unwritable'));
    await rm(layout.state.lock, { force: true });
    await mkdir(layout.state.lock);
    await assert.rejects(startInstance(options('unwritable')), {
      code: 'ERR_INSTANCE',
      message: /cannot be opened and locked; this user must be able to write/,
    });
  });

  it('says that another program has its port, and leaves no directory for an instance that did not come to be', async () => {
    const target = options('crowded');
    const { layout } = await initInstance(target);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    try {
      const words = new RegExp(`Port ${port} of 127.0.0.1 is taken by another program; stop .*${layout.instanceFile}`);
      await assert.rejects(startInstance(target), { code: 'ERR_LISTEN', message: words });
      const fresh = options('homeless');
      await assert.rejects(startInstance(fresh), { code: 'ERR_LISTEN', message: /choose another with --port/ });
      await assert.rejects(readdir(fresh.directory), { code: 'ENOENT' });
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
    const running = await startInstance(target);
    await running.stop();
  });

  it('is not changed by flags that contradict it, and says what to edit', async () => {
    const target = options('fixed');
    const { layout } = await initInstance(target);
    const before = await contents(layout.directory);
    const contradictions: readonly [Partial<InitOptions>, RegExp][] = [
      [{ names: ['@other/*'] }, /edit names there/],
      [{ uplink: 'npmjs' }, /edit uplink there/],
      [{ port: port === 1 ? 2 : 1 }, /is fixed; .*another --data/],
      [{ host: '127.0.0.2' }, /is fixed/],
    ];
    for (const [change, message] of contradictions) {
      const refusal = { code: 'ERR_INSTANCE_CONFIG', message };
      await assert.rejects(initInstance({ ...target, ...change }), refusal, JSON.stringify(change));
    }
    await assert.rejects(startInstance({ ...target, names: ['@other/*'] }), { code: 'ERR_INSTANCE_CONFIG' });
    assert.deepEqual(await contents(layout.directory), before);
    const { port: _, names: __, uplink: ___, ...silent } = target;
    assert.equal((await initInstance(silent)).created, false);
    assert.equal((await initInstance({ ...target, port: 0 })).configuration.listen.port, port);
  });

  it('takes a publisher without an issuer only from the development provider', async () => {
    const target = options('nobody', { devIdentity: false, publishers: [{ subject: 'alice@acme.example' }] });
    const refusal = { code: 'ERR_INSTANCE_CONFIG', message: /whose login/, expected: /https:.* alice@acme\.example/ };
    await assert.rejects(initInstance(target), refusal);
    await assert.rejects(readdir(target.directory), { code: 'ENOENT' });
  });

  it('gives port and directory back when it cannot start', async () => {
    const target = options('refused');
    const { layout } = await initInstance(target);
    const policy = await readFile(layout.policyFile, 'utf8');
    await writeFile(layout.policyFile, 'version: 1\nrulez: []\n');
    await assert.rejects(startInstance(target), { code: 'ERR_PLUGIN_CONFIG', message: /rulez/ });
    await writeFile(layout.policyFile, policy);
    const running = await startInstance(target);
    await running.stop();
  });

  it('encrypts its keys with a passphrase, and starts with that one alone', async () => {
    const target = options('secret', { passphrase: 'correct horse' });
    const { layout } = await initInstance(target);
    const key = JSON.parse(await readFile(layout.keys.caRoot, 'utf8'));
    assert.equal(key.encryption.cipher, 'aes-256-gcm');
    await assert.rejects(startInstance({ ...target, passphrase: 'wrong' }), { code: 'ERR_KEY_FILE' });
    const { passphrase: _, ...without } = target;
    await assert.rejects(startInstance(without), { code: 'ERR_KEY_FILE' });
    const running = await startInstance(target);
    await running.stop();
  });

  it('describes itself, and serves its trust root', async () => {
    const running = await startInstance(options('described'));
    const { urls, instance } = running;
    try {
      const description = (await (await fetch(urls.instance)).json()) as Record<string, unknown>;
      assert.equal(description.format, 1);
      for (const key of ['registry', 'ca', 'ct', 'log', 'tsa', 'oidc', 'trustedRoot', 'signingConfig'] as const) {
        assert.equal(description[key], urls[key], key);
      }
      assert.deepEqual(description.names, ['@example/*']);
      const served = await (await fetch(urls.trustedRoot)).text();
      assert.equal(served, await readFile(instance.layout.trust.trustedRoot, 'utf8'));
      assert.equal((await fetch(`${urls.publicUrl}/-/signet/nothing`)).status, 404);
      assert.equal((await fetch(`${urls.registry}-/ping`)).status, 200);
    } finally {
      await running.stop();
    }
  });
});
