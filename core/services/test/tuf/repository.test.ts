import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { roleLifetimes, type TargetSet, TufRepository, tufRoutes } from '@signet/services/tuf';
import fastify, { type FastifyInstance } from 'fastify';
import { Updater } from 'tuf-js';

const targets = (text: string): TargetSet =>
  new Map([
    ['trusted_root.json', { bytes: utf8(text) }],
    ['npmjs/keys.json', { bytes: utf8('{}'), custom: { sigstore: { usage: 'npm' } } }],
  ]);

describe('a trust-root repository', () => {
  let directory: string;
  let app: FastifyInstance;
  let url: string;
  let repository: TufRepository;
  let holders: Signer[];
  let online: Signer;
  let now: Date;
  const clock = () => now;

  beforeEach(async () => {
    now = new Date();
    directory = await mkdtemp(join(tmpdir(), 'signet-tuf-'));
    holders = ['PKIX_ECDSA_P256_SHA_256', 'PKIX_ED25519', 'PKIX_ECDSA_P384_SHA_384'].map((details) =>
      generateSigner(details as 'PKIX_ED25519'),
    );
    online = generateSigner('PKIX_ED25519');
    repository = await create(holders);
    await serve();
  });

  afterEach(async () => {
    await app.close();
    await rm(directory, { recursive: true });
  });

  const place = () => join(directory, 'tuf');

  function create(offline: readonly Signer[]): Promise<TufRepository> {
    return TufRepository.create({
      directory: place(),
      signers: { online, offline },
      root: { signers: holders, threshold: 2 },
      targets: targets('first'),
      clock,
    });
  }

  async function serve(): Promise<void> {
    app = fastify();
    await app.register(tufRoutes(repository, clock), { prefix: '/tuf' });
    url = `${await app.listen({ port: 0, host: '127.0.0.1' })}/tuf`;
  }

  /** A stock client that starts from the first root, or goes on with what it has. */
  async function client(name = 'client', from = '1.root.json'): Promise<Updater> {
    const cache = join(directory, name);
    await cp(join(place(), 'metadata', from), join(cache, 'root.json'), { force: false });
    return new Updater({
      metadataDir: cache,
      metadataBaseUrl: url,
      targetDir: cache,
      targetBaseUrl: `${url}//targets`,
    });
  }

  async function read(name?: string): Promise<string> {
    const updater = await client(name);
    const info = await updater.getTargetInfo('trusted_root.json');
    assert.ok(info);
    return readFile(await updater.downloadTarget(info), 'utf8');
  }

  it('is read by a stock client, doubled slashes included', async () => {
    assert.equal(await read(), 'first');
    const info = await (await client()).getTargetInfo('npmjs/keys.json');
    assert.deepEqual(info?.custom, { sigstore: { usage: 'npm' } });
  });

  it('is opened again as it was, and never made a second time', async () => {
    const opened = await TufRepository.open({ directory: place(), signers: { online, offline: [] }, clock });
    assert.equal(opened.rootFingerprint, repository.rootFingerprint);
    assert.deepEqual([...opened.files.keys()].sort(), [...repository.files.keys()].sort());
    await assert.rejects(create(holders), { code: 'ERR_TUF_REPOSITORY' });
  });

  it('gives new targets to clients that had the old ones', async () => {
    assert.equal(await read(), 'first');
    await repository.publishTargets(targets('second'));
    assert.equal(await read(), 'second');
    assert.equal(await read('another'), 'second');
  });

  it('signs again at half life what it can, and only that', async () => {
    assert.deepEqual(await repository.renew(), []);
    now = new Date(now.getTime() + roleLifetimes.timestamp / 2 + 1000);
    assert.deepEqual(await repository.renew(), ['timestamp']);
    now = new Date(now.getTime() + roleLifetimes.root / 2);
    assert.deepEqual(await repository.renew(), ['root', 'targets', 'snapshot', 'timestamp']);
    assert.equal(repository.rootVersion, 2);
    const keyless = await TufRepository.open({ directory: place(), signers: { online, offline: [] }, clock });
    now = new Date(now.getTime() + roleLifetimes.root / 2 + 1000);
    assert.deepEqual(await keyless.renew(), ['snapshot', 'timestamp']);
    assert.equal(await read(), 'first');
  });

  it('goes on above every version that clients have seen after a backup of it was restored', async () => {
    const backup = join(directory, 'backup');
    await cp(place(), backup, { recursive: true });
    for (const text of ['second', 'third', 'fourth']) await repository.publishTargets(targets(text));
    assert.equal(await read(), 'fourth');
    await app.close();
    await rm(place(), { recursive: true });
    await cp(backup, place(), { recursive: true });
    now = new Date(now.getTime() + 60_000);
    repository = await TufRepository.open({ directory: place(), signers: { online, offline: holders }, clock });
    assert.deepEqual(await repository.renew({ force: true }), ['targets', 'snapshot', 'timestamp']);
    await serve();
    assert.equal(await read(), 'first');
  });

  it('does not publish what a stock client would refuse, and keeps serving what it had', async () => {
    const before = await readdir(join(place(), 'metadata'));
    const [one] = holders;
    assert.ok(one);
    const other = await TufRepository.open({
      directory: place(),
      signers: { online: generateSigner('PKIX_ED25519'), offline: holders },
      clock,
    });
    await assert.rejects(other.publishTargets(targets('never')), (error: Error & { code?: string }) => {
      return error.code === 'ERR_TUF_REFUSED' && /signed by 0\/1 keys/.test(error.message);
    });
    assert.deepEqual(await readdir(join(place(), 'metadata')), before);
    const below = await TufRepository.open({ directory: place(), signers: { online, offline: [one] }, clock });
    await assert.rejects(below.publishTargets(targets('never')), { code: 'ERR_TUF_SIGNATURES' });
    assert.equal(await read(), 'first');
  });

  it('says when it expires, and that it has', async () => {
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    assert.match(await (await fetch(`${url}/metrics`)).text(), /signet_tuf_days_to_expiry\{role="timestamp"\} 6\.99/);
    now = new Date(now.getTime() + roleLifetimes.timestamp + 1000);
    const answer = await fetch(`${url}/healthz`);
    assert.equal(answer.status, 503);
    const timestamp = (await (await fetch(`${url}/timestamp.json`)).json()) as { signed: { expires: string } };
    // Other clients read whole seconds only.
    assert.match(timestamp.signed.expires, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  it('is not opened when a file of it is gone or damaged', async () => {
    const open = () => TufRepository.open({ directory: place(), signers: { online, offline: [] }, clock });
    const timestamp = join(place(), 'metadata', 'timestamp.json');
    await writeFile(timestamp, '{"signed":{"_type":"root"},"signatures":[]}');
    await assert.rejects(open(), { code: 'ERR_TUF_REPOSITORY' });
    await rm(timestamp);
    await assert.rejects(open(), { code: 'ERR_TUF_REPOSITORY' });
  });

  it('answers 404 for what it does not have', async () => {
    for (const path of ['2.root.json', 'targets/none', 'targets/..%2f..%2fmetadata%2ftimestamp.json', '%00']) {
      assert.equal((await fetch(`${url}/${path}`)).status, 404, path);
    }
    assert.equal((await fetch(`${url}/root.json`)).status, 200);
  });
});
