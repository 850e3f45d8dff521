import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signStatement } from '@signet/client/sign';
import { TrustMaterial } from '@signet/client/trust';
import { TrustStore } from '@signet/client/trust/tuf';
import { verifyBundle } from '@signet/client/verify';
import { statementV1 } from '@signet/primitives/formats';
import { openKeyFile } from '@signet/primitives/keys';
import {
  emailClaims,
  mintToken,
  type RunningInstance,
  readDevelopmentKeys,
  type StartOptions,
  startInstance,
} from '@signet/registry';
import {
  backUp,
  continueInNewLogs,
  openInstance,
  publishProposal,
  readCheckpoints,
  restoreBackup,
} from '@signet/registry/operator';
import { readProposal, signProposal } from '@signet/services/tuf';

const author = 'alice@example.com';

describe('a backup of an instance', () => {
  let directory: string;
  let running: RunningInstance | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-backup-'));
  });

  afterEach(async () => {
    await running?.stop();
    running = undefined;
    await rm(directory, { recursive: true });
  });

  const at = (...names: string[]) => join(directory, ...names);

  async function start(name: string, options: Partial<StartOptions> = {}): Promise<RunningInstance> {
    running = await startInstance({
      directory: at(name),
      port: 0,
      names: ['@example/*'],
      devIdentity: true,
      uplink: 'none',
      only: ['ca', 'log', 'tsa', 'tuf'],
      ...options,
    });
    return running;
  }

  async function stop(): Promise<void> {
    await running?.stop();
    running = undefined;
  }

  async function trust({ urls }: RunningInstance): Promise<TrustMaterial> {
    // As a client that pinned the first root; it has none of the later ones yet.
    const root = await readFile(at('first-root.json'));
    return TrustMaterial.fromTrustedRoot((await new TrustStore().load({ url: urls.tuf, root })).trustedRoot);
  }

  async function sign(instance: RunningInstance, version: string) {
    const { urls } = instance;
    const config = (await (await fetch(urls.signingConfig)).json()) as {
      rekorTlogUrls: { url: string; validFor: { end?: string } }[];
    };
    const log = config.rekorTlogUrls.find(({ validFor }) => validFor.end === undefined);
    const keys = await readDevelopmentKeys(instance.instance.layout);
    const { bundle } = await signStatement({
      statement: statementV1({
        subject: [{ name: `pkg:npm/%40example/x@${version}`, digest: { sha512: 'ab'.repeat(64) } }],
        predicateType: 'https://example.com/release/v1',
        predicate: {},
      }),
      identityToken: mintToken(keys, urls.oidc, emailClaims(author)),
      services: { caUrl: urls.ca, tsaUrl: `${urls.tsa}/api/v1/timestamp`, logUrl: log?.url ?? '' },
      trust: await trust(instance),
    });
    return bundle;
  }

  async function verify(instance: RunningInstance, bundle: unknown): Promise<void> {
    verifyBundle(bundle, {
      trust: await trust(instance),
      artifact: { algorithm: 'sha512', digest: new Uint8Array(64).fill(0xab) },
      identities: [{ issuer: instance.urls.oidc, subject: author }],
    });
  }

  /** Keeps what clients have seen of the logs, as a monitor does. */
  async function watch({ urls }: RunningInstance, name: string): Promise<string> {
    await mkdir(at(name), { recursive: true });
    for (const [index, url] of [urls.log, urls.ct, `${urls.logV1}/api/v1/log`].entries()) {
      const answer = await fetch(index < 2 ? `${url}/checkpoint` : url);
      const text =
        index < 2 ? await answer.text() : ((await answer.json()) as { signedTreeHead: string }).signedTreeHead;
      await writeFile(at(name, `${index}.checkpoint`), text);
    }
    return at(name);
  }

  /** An instance that signed once, its backup, and how far its logs were then. */
  async function make(options: Partial<StartOptions> = {}) {
    const instance = await start('instance', options);
    await writeFile(at('first-root.json'), await readFile(instance.tufRoot.path));
    const before = await sign(instance, '1.0.0');
    const seen = await watch(instance, 'then');
    await stop();
    return { instance: instance.instance, before, seen, manifest: await backUp(instance.instance, at('backup')) };
  }

  it('brings everything back when its checkpoints are the last that anybody saw', async () => {
    const { instance, before, seen, manifest } = await make();
    assert.deepEqual(
      manifest.logs.map(({ treeSize }) => treeSize),
      [1, 0, 1],
    );
    if (process.platform !== 'win32') {
      assert.equal((await stat(at('backup'))).mode & 0o777, 0o700);
      assert.equal((await stat(at('backup', 'data', 'keys', 'log.key'))).mode & 0o777, 0o600);
    }
    await assert.rejects(backUp(instance, at('backup')), {
      code: 'ERR_BACKUP',
      message: /nothing is ever overwritten/,
    });
    await assert.rejects(backUp(instance, at('instance', 'backup')), { code: 'ERR_BACKUP' });
    await assert.rejects(restoreBackup(at('backup'), at('instance'), { nothingNewer: true }), { code: 'ERR_BACKUP' });

    await rm(at('instance'), { recursive: true });
    await assert.rejects(restoreBackup(at('backup'), at('instance')), {
      code: 'ERR_LOG_BEHIND',
      message: /--checkpoint FILE.*--nothing-newer.*--new-logs/,
    });
    await assert.rejects(readdir(at('instance')), { code: 'ENOENT' });
    await restoreBackup(at('backup'), at('instance'), { checkpoints: await readCheckpoints(seen) });
    const restored = await start('instance');
    await verify(restored, before);
    await verify(restored, await sign(restored, '1.0.1'));
    assert.equal(restored.urls.publicUrl, manifest.publicUrl);
  }).timeout(60_000);

  it('is not continued behind what clients have seen; new logs go on, and every signature stays valid', async () => {
    const { before } = await make();
    const instance = await start('instance');
    const lost = await sign(instance, '2.0.0');
    const seen = await readCheckpoints(await watch(instance, 'last'));
    await stop();
    await rm(at('instance'), { recursive: true });

    for (const nothingNewer of [false, true]) {
      const restored = restoreBackup(at('backup'), at('instance'), { checkpoints: seen, nothingNewer });
      await assert.rejects(restored, { code: 'ERR_LOG_BEHIND', message: /has gone on after this backup/ });
    }
    const { instance: restored } = await restoreBackup(at('backup'), at('instance'), { newLogs: true });
    await continueInNewLogs(restored, undefined);
    const again = await start('instance');
    const after = await sign(again, '3.0.0');
    for (const bundle of [before, lost, after]) await verify(again, bundle);
    // What was restored has not grown: nobody can hold it against what was seen.
    const old = await (await fetch(`${again.urls.log}/checkpoint`)).text();
    assert.equal(old.split('\n')[1], '1');
    assert.equal((await (await fetch(`${again.urls.log}/2/checkpoint`)).text()).split('\n')[1], '1');
    assert.equal((await (await fetch(`${again.urls.ct}-2/checkpoint`)).text()).split('\n')[1], '1');
    await stop();
    await stop();
    await start('instance');
  }).timeout(90_000);

  it('waits for the holders of the trust root before new logs go on', async () => {
    const offlineKeys = { directory: at('vault'), holders: 2, threshold: 2 };
    const { before } = await make({ offlineKeys });
    await rm(at('instance'), { recursive: true });
    const { instance } = await restoreBackup(at('backup'), at('instance'), { newLogs: true });
    await continueInNewLogs(instance, undefined);
    const waits = { code: 'ERR_LOG_BEHIND', message: /sign and publish the proposal/ };
    let ceremonies = 0;
    for (;;) {
      const started = await start('instance').catch((error: unknown) => error);
      if (!(started instanceof Error)) break;
      assert.throws(() => {
        throw started;
      }, waits);
      const proposal = await readProposal(instance.layout.tuf.proposal);
      for (const holder of [1, 2]) await signProposal(proposal, await openKeyFile(at('vault', `tuf-${holder}.key`)));
      await publishProposal(await openInstance(at('instance')), proposal, undefined);
      ceremonies++;
      assert.ok(ceremonies < 8);
    }
    assert.ok(ceremonies > 0 && running !== undefined);
    for (const bundle of [before, await sign(running, '3.0.0')]) await verify(running, bundle);
  }).timeout(90_000);

  it('that is not whole, or leads elsewhere, is not put back', async () => {
    const { instance } = await make();
    const damage: readonly [what: string, make: () => Promise<unknown>, code: string][] = [
      ['a changed file', () => appendFile(at('copy', 'data', 'issuers.yaml'), '#'), 'ERR_BACKUP'],
      ['a missing file', () => rm(at('copy', 'data', 'keys', 'log.key')), 'ERR_BACKUP'],
      ['no manifest', () => rm(at('copy', 'backup.json')), 'ERR_BACKUP'],
      [
        'a path out of it',
        () => edit((text) => text.replace('"path": "issuers.yaml"', '"path": "../x"')),
        'ERR_BACKUP',
      ],
      ['a log of another size', () => edit((text) => text.replace('"treeSize": 1', '"treeSize": 0')), 'ERR_BACKUP'],
      ['a newer format', () => edit((text) => text.replace('"format": 1', '"format": 2')), 'ERR_INSTANCE_FORMAT'],
      ['something else', () => writeFile(at('copy', 'backup.json'), '{}'), 'ERR_BACKUP'],
    ];
    async function edit(change: (text: string) => string): Promise<void> {
      const text = await readFile(at('copy', 'backup.json'), 'utf8');
      assert.notEqual(change(text), text);
      await writeFile(at('copy', 'backup.json'), change(text));
    }
    for (const [what, spoil, code] of damage) {
      await backUp(instance, at('copy'));
      await spoil();
      await assert.rejects(restoreBackup(at('copy'), at('restored'), { nothingNewer: true }), { code }, what);
      await assert.rejects(readdir(at('restored')), { code: 'ENOENT' }, what);
      await assert.rejects(readdir(at('restored.unfinished')), { code: 'ENOENT' }, what);
      await assert.rejects(readdir(at('x')), { code: 'ENOENT' }, what);
      await rm(at('copy'), { recursive: true });
    }
    await restoreBackup(at('backup'), at('restored'), { nothingNewer: true });
  }).timeout(60_000);

  it('is not made of a damaged log, nor of what lies elsewhere', async () => {
    const { instance } = await make();
    const entries = join(instance.layout.logDirectory, 'entries.dat');
    const bytes = await readFile(entries);
    await writeFile(
      entries,
      bytes.map((byte, index) => (index === 20 ? byte ^ 1 : byte)),
    );
    await assert.rejects(backUp(instance, at('second')), { code: 'ERR_LOG_CORRUPT' });
    await writeFile(entries, bytes);
    if (process.platform !== 'win32') {
      await symlink(at('first-root.json'), join(instance.layout.directory, 'link'));
      await assert.rejects(backUp(instance, at('second')), { code: 'ERR_BACKUP', message: /neither a file/ });
      await rm(join(instance.layout.directory, 'link'));
    }
    await backUp(instance, at('second'));
  }).timeout(60_000);
});
