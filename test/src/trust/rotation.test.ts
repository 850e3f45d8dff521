import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Certificate, equalBytes } from '@signet/primitives/formats';
import { openKeyFile } from '@signet/primitives/keys';
import {
  beginRotation,
  type Instance,
  initInstance,
  type RunningInstance,
  readRotations,
  rotatedServices,
  startInstance,
} from '@signet/registry';

describe('rotations', () => {
  let directory: string;
  let instance: Instance;
  let running: RunningInstance | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-rotation-'));
    const options = { directory: join(directory, 'i'), names: ['@example/*'], devIdentity: true };
    instance = await initInstance({ ...options, uplink: 'none', port: 0 });
  });

  afterEach(async () => {
    await running?.stop();
    running = undefined;
    await rm(directory, { recursive: true });
  });

  const start = async () => {
    running = await startInstance({
      directory: instance.layout.directory,
      devIdentity: true,
      only: ['ca', 'log', 'tsa', 'tuf'],
    });
    return running;
  };

  const done = async () => {
    while ((await readRotations(instance)).length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  };

  const chain = async (name: string) =>
    Certificate.listFromPem(await readFile(join(instance.layout.certificates.directory, name), 'utf8'));

  for (const service of rotatedServices) {
    it(`of ${service} that are begun at the same time are one`, async () => {
      const begun = await Promise.allSettled(
        [1, 2, 3, 4].map(() => beginRotation(instance, service, { leadSeconds: 0 })),
      );
      assert.equal(begun.filter(({ status }) => status === 'fulfilled').length, 1);
      for (const one of begun) {
        if (one.status === 'fulfilled') continue;
        assert.deepEqual([one.reason.code, /is under way already/.test(one.reason.message)], ['ERR_ROTATION', true]);
      }
      assert.equal((await readRotations(instance)).length, 1);
      await start();
      await done();
      assert.equal((await beginRotation(instance, service)).generation, 3);
    }).timeout(60_000);
  }

  it('that were cut off before they were noted are begun again, with the key that nobody has used', async () => {
    await beginRotation(instance, 'ca');
    const key = await readFile(join(instance.layout.keys.directory, 'ca-intermediate-2.key'), 'utf8');
    await rm(join(instance.layout.state.directory, 'rotation-ca.json'));
    const { generation } = await beginRotation(instance, 'ca', { leadSeconds: 0, newRoot: true });
    assert.equal(generation, 2);
    assert.equal(await readFile(join(instance.layout.keys.directory, 'ca-intermediate-2.key'), 'utf8'), key);
    const [intermediate, root] = await chain('ca-2.pem');
    const [, oldRoot] = await chain('ca.pem');
    const signer = await openKeyFile(join(instance.layout.keys.directory, 'ca-intermediate-2.key'));
    assert.ok(intermediate && root && oldRoot && equalBytes(intermediate.publicKey.spki, signer.publicKey.spki));
    assert.ok(!equalBytes(root.bytes, oldRoot.bytes));
    await start();
    await done();
  }).timeout(60_000);

  it('after one with a new root are signed by that root', async () => {
    await start();
    for (const [service, certificates] of [
      ['ca', 'ca'],
      ['tsa', 'tsa'],
    ] as const) {
      await beginRotation(instance, service, { leadSeconds: 0, newRoot: true });
      await done();
      await beginRotation(instance, service, { leadSeconds: 0 });
      await done();
      const [[, first], [, second], [, third]] = await Promise.all([
        chain(`${certificates}.pem`),
        chain(`${certificates}-2.pem`),
        chain(`${certificates}-3.pem`),
      ]);
      assert.ok(first && second && third);
      assert.ok(!equalBytes(first.bytes, second.bytes));
      assert.ok(equalBytes(second.bytes, third.bytes));
    }
    const roots = (await readdir(instance.layout.keys.directory)).filter((name) => /^(ca|tsa)-root-2-/.test(name));
    assert.equal(roots.length, 2);
    // Clients would refuse what a wrong root has signed, and so does the authority itself.
    for (const path of ['ca/healthz', 'tsa/healthz']) {
      assert.equal((await fetch(`${instance.urls.publicUrl}/-/signet/${path}`)).status, 200);
    }
  }).timeout(60_000);

  it('are asked for at every start when a certificate comes to its end', async () => {
    const says = async (years: number) => {
      const notes: string[] = [];
      const now = () => new Date(Date.now() + years * 365 * 86_400_000);
      const options = { directory: instance.layout.directory, devIdentity: true, only: ['tuf'] as const, now };
      const started = await startInstance({ ...options, onNote: (note) => notes.push(note) });
      await started.stop();
      return notes.join('\n');
    };
    assert.doesNotMatch(await says(0), /is valid until/);
    assert.match(await says(2.9), /^the certificate authority is valid until \d{4}-\d\d-\d\d: signet ca rotate$/m);
    assert.match(
      await says(9.9),
      /^the root of the timestamp authority is valid until .*: signet tsa rotate --new-root$/m,
    );
  }).timeout(30_000);

  it('without the key of the present root are not begun', async () => {
    const { keys } = instance.layout;
    await rm(keys.caRoot);
    await assert.rejects(beginRotation(instance, 'ca'), { code: 'ERR_KEY_FILE', message: /--offline-keys DIR/ });
    const other = await initInstance({ directory: join(directory, 'o'), names: ['@o/*'], uplink: 'none', port: 0 });
    await rm(keys.timestampRoot);
    await assert.rejects(beginRotation(instance, 'tsa', { offlineKeys: { directory: other.layout.keys.directory } }), {
      code: 'ERR_KEY_FILE',
    });
    assert.ok(!(await readdir(keys.directory)).some((name) => /-2\.key$/.test(name)));
    assert.deepEqual(await readRotations(instance), []);
  }).timeout(30_000);
});
