import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  describeTrust,
  exportTrust,
  fetchFirstRoot,
  parseTrustArchive,
  TrustStore,
  type TrustStoreOptions,
} from '@signet/client/trust/tuf';
import { fromUtf8, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { changeOf, propose, roleLifetimes, signProposal, TufRepository } from '@signet/services/tuf';
import { TufScene, targetsOf } from './tuf-scene.ts';

describe('trust fetched from a repository', () => {
  let scene: TufScene;
  let pinned: Uint8Array;

  beforeEach(async () => {
    scene = await TufScene.open();
    pinned = scene.repository.root;
  });

  afterEach(() => scene.close());

  const reference = () => ({ url: scene.url, root: pinned });
  const store = (options: TrustStoreOptions = {}) =>
    new TrustStore({ cache: join(scene.directory, 'cache'), clock: scene.clock, ...options });
  const textOf = async (trust: Promise<{ trustedRoot: Uint8Array }>) => fromUtf8((await trust).trustedRoot, 'root');
  const later = (milliseconds: number) => {
    scene.now = new Date(scene.now.getTime() + milliseconds);
  };
  const copyFile = async () => {
    const [name = ''] = await readdir(join(scene.directory, 'cache', 'trust'));
    return join(scene.directory, 'cache', 'trust', name);
  };

  it('is kept, and asked for anew when it is older than an hour', async () => {
    const first = await store().load(reference());
    assert.deepEqual(
      [first.source, first.root.version, first.root.fingerprint],
      ['network', 1, scene.repository.rootFingerprint],
    );
    await scene.repository.publishTargets(targetsOf('second'));
    assert.equal((await store().load(reference())).source, 'cache');
    later(3_700_000);
    assert.equal(await textOf(store().load(reference())), 'second');
    assert.equal(await textOf(store().refresh(reference())), 'second');
  });

  it('is used without a network until it expires, with a word on its age', async () => {
    await assert.rejects(store({ offline: true }).load(reference()), { code: 'ERR_OFFLINE' });
    await store().load(reference());
    await scene.stopServing();
    later(2 * 3_600_000);
    assert.equal((await store().load(reference())).source, 'cache');
    later(roleLifetimes.timestamp);
    // Whoever cuts the network cannot hold clients on old trust: they have to say that they want it.
    await assert.rejects(store().load(reference()), { code: 'ERR_TRUST_EXPIRED' });
    const notes: string[] = [];
    const offline = store({ offline: true, onNote: (note) => notes.push(note) });
    assert.equal((await offline.load(reference())).source, 'cache');
    assert.match(notes.join(), /last refreshed on \d{4}-\d\d-\d\d; it is used until/);
    later(roleLifetimes.targets);
    await assert.rejects(store({ offline: true }).load(reference()), { code: 'ERR_TRUST_EXPIRED' });
  }).timeout(60_000);

  it('follows the roots from the pinned one, and no root that a cache brings', async () => {
    await store().load(reference());
    const other = generateSigner('PKIX_ED25519');
    const change = { root: { add: [other], threshold: 1 } };
    const proposal = await propose(join(scene.directory, 'p'), scene.repository.current, change, scene.now);
    await signProposal(proposal, scene.holder);
    await scene.repository.apply(changeOf(proposal));
    const refreshed = await store().refresh(reference());
    assert.equal(refreshed.root.version, 2);
    assert.equal((await store({ offline: true }).load(reference())).root.version, 2);

    const foreign = await TufScene.open('{"foreign":true}');
    try {
      const theirs = { url: foreign.url, root: foreign.repository.root };
      const elsewhere = new TrustStore({ cache: join(scene.directory, 'theirs') });
      await elsewhere.load(theirs);
      const [name = ''] = await readdir(join(scene.directory, 'theirs', 'trust'));
      await writeFile(await copyFile(), await readFile(join(scene.directory, 'theirs', 'trust', name)));
      await assert.rejects(store({ offline: true }).load(reference()), { code: 'ERR_OFFLINE' });
      assert.equal(await textOf(store().load(reference())), '{"first":true}');
    } finally {
      await foreign.close();
    }
  });

  it('is refused when the repository goes back, expires, or is another one', async () => {
    const before = new Map(scene.repository.files);
    await store().load(reference());
    later(10_000);
    await scene.repository.publishTargets(targetsOf('second'));
    await store().refresh(reference());
    let files: ReadonlyMap<string, Uint8Array> = before;
    const server = createServer((request, response) => {
      const bytes = files.get((request.url ?? '').slice('/tuf/'.length));
      response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
    });
    await scene.stopServing();
    await new Promise<void>((resolve) => server.listen(Number(new URL(scene.url).port), '127.0.0.1', resolve));
    assert.ok((server.address() as AddressInfo).port);
    try {
      await assert.rejects(store().refresh(reference()), { code: 'ERR_TRUST_REPOSITORY' });
      files = new Map();
      await assert.rejects(store().refresh(reference()), { code: 'ERR_TRUST_REPOSITORY' });
      files = new Map([...scene.repository.files, ['timestamp.json', utf8('{"signatures":[]}')]]);
      await assert.rejects(store().refresh(reference()), { code: 'ERR_TRUST_REPOSITORY' });
      files = scene.repository.files;
      assert.equal(await textOf(store().refresh(reference())), 'second');
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('is refused when the repository goes back behind a root that took its online key away', async () => {
    const before = new Map(scene.repository.files);
    await store().load(reference());
    later(10_000);
    const online = generateSigner('PKIX_ED25519');
    const change = { root: { online } };
    const proposal = await propose(join(scene.directory, 'p'), scene.repository.current, change, scene.now);
    await signProposal(proposal, scene.holder);
    const repository = await TufRepository.open({
      directory: join(scene.directory, 'tuf'),
      signers: { online, offline: [scene.holder] },
      clock: scene.clock,
    });
    await repository.apply(changeOf(proposal));
    let files: ReadonlyMap<string, Uint8Array> = repository.files;
    const server = createServer((request, response) => {
      const bytes = files.get((request.url ?? '').slice('/tuf/'.length));
      response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
    });
    await scene.stopServing();
    await new Promise<void>((resolve) => server.listen(Number(new URL(scene.url).port), '127.0.0.1', resolve));
    try {
      assert.equal((await store().refresh(reference())).root.version, 2);
      // All that a thief of the old online key can sign, and the first root, without the second one.
      files = before;
      await assert.rejects(store().refresh(reference()), { code: 'ERR_TRUST_REPOSITORY' });
      later(roleLifetimes.timestamp);
      await assert.rejects(store().load(reference()), { code: 'ERR_TRUST_REPOSITORY' });
      files = repository.files;
      assert.equal((await store({ offline: true }).load(reference())).root.version, 2);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }).timeout(60_000);

  it('travels in an archive to where there is no network, and never backwards', async () => {
    await store().load(reference());
    const old = await exportTrust(store(), new Map([['acme', reference()]]));
    later(10_000);
    await scene.repository.publishTargets(targetsOf('second'));
    await store().refresh(reference());
    const archive = await exportTrust(store(), new Map([['acme', reference()]]));
    const far = new TrustStore({ cache: join(scene.directory, 'far'), offline: true, clock: scene.clock });
    const [entry] = parseTrustArchive(archive, 'archive');
    assert.ok(entry);
    assert.equal(entry.name, 'acme');
    assert.equal((await far.take(reference(), entry.copy)).newer, true);
    assert.equal((await far.take(reference(), entry.copy)).newer, false);
    assert.equal(await textOf(far.load(reference())), 'second');
    const [outdated] = parseTrustArchive(old, 'archive');
    assert.ok(outdated);
    await assert.rejects(far.take(reference(), outdated.copy), { code: 'ERR_TRUST_ARCHIVE' });
    const files = new Map([['trusted_root.json', utf8('{"forged":true}')]]);
    await assert.rejects(far.take(reference(), { ...entry.copy, files }), { code: 'ERR_TRUST_REPOSITORY' });
    for (const text of [
      '',
      '{}',
      '{"format":1,"type":"signet-trust-archive","roots":[{}]}',
      fromUtf8(archive, '').replace('"format": 1', '"format": 2'),
    ]) {
      assert.throws(() => parseTrustArchive(utf8(text), 'archive'), { name: 'SignetError' });
    }
  });

  it('begins with a root whose fingerprint somebody was told', async () => {
    const { fingerprint } = (await fetchFirstRoot(scene.url, undefined)).facts;
    assert.equal(fingerprint, scene.repository.rootFingerprint);
    const change = { root: { add: [generateSigner('PKIX_ED25519')] } };
    const proposal = await propose(join(scene.directory, 'p'), scene.repository.current, change, scene.now);
    await signProposal(proposal, scene.holder);
    await scene.repository.apply(changeOf(proposal));
    assert.equal((await fetchFirstRoot(scene.url, fingerprint)).facts.version, 1);
    assert.equal((await fetchFirstRoot(scene.url, undefined)).facts.version, 2);
    await assert.rejects(fetchFirstRoot(scene.url, 'ab'.repeat(32)), { code: 'ERR_TRUST_FINGERPRINT' });
    assert.deepEqual(await describeTrust(`${scene.url}/`), { url: scene.url, names: [] });
  });
});
