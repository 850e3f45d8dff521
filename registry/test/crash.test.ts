import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Answer, bundlesOf, TestRegistry } from './support/registry.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

describe('a publish during which the server is killed', () => {
  let registry: TestRegistry;

  before(async () => {
    registry = await TestRegistry.start();
  });

  after(() => registry.remove());

  /**
   * Sends a publish to a server that kills itself before its n-th write to the package.
   *
   * @returns the answer, or undefined when the server died before it gave one
   */
  async function publishToDying(moment: number, send: () => Promise<Answer>): Promise<Answer | undefined> {
    await registry.running.stop();
    const child = spawn(
      process.execPath,
      [
        '--conditions=@signet/source',
        '--import',
        here('./support/kill-at-rename.ts'),
        here('./support/serve.ts'),
        join(registry.directory, 'instance'),
      ],
      {
        env: { ...process.env, KILL_AT: String(moment), KILL_FOLDER: join('@example', 'mortal') },
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    try {
      const exited = once(child, 'exit', { signal: AbortSignal.timeout(60_000) });
      const started = once(createInterface({ input: child.stdout }), 'line');
      await Promise.race([started, exited.then(([code]) => assert.fail(`the server ended with ${code}`))]);
      const answer = await send().catch(() => undefined);
      if (answer === undefined) assert.deepEqual(await exited, [null, 'SIGKILL']);
      return answer;
    } finally {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    }
  }

  it('leaves nothing or all of the version, whichever write it died at, and a retry works', async () => {
    let answer: Answer | undefined;
    let moment = 0;
    while (answer === undefined) {
      moment += 1;
      assert.ok(moment < 20, 'the publish ends some time');
      const version = `1.0.${moment}`;
      const parcel = await registry.parcel('@example/mortal', version);
      Object.assign(parcel.document, { 'dist-tags': { [`tag-${moment}`]: version } });
      answer = await publishToDying(moment, () => registry.put(parcel));
      await registry.restart();
      const what = `write ${moment}`;

      const packument = (await registry.fetch('/@example/mortal')).json<{
        versions?: Record<string, unknown>;
        'dist-tags'?: Record<string, string>;
      }>();
      const visible = packument.versions?.[version] !== undefined;
      assert.equal(await bundlesOf(registry, `@example/mortal@${version}`), visible ? 1 : 0, what);
      assert.equal(packument['dist-tags']?.[`tag-${moment}`], visible ? version : undefined, what);
      if (visible) {
        const tarball = await fetch(`${registry.url}@example/mortal/-/mortal-${version}.tgz`);
        assert.deepEqual(new Uint8Array(await tarball.arrayBuffer()), parcel.tarball, what);
      }
      if (answer !== undefined) assert.equal(answer.status, 201, answer.text);

      const again = await registry.parcel('@example/mortal', version);
      assert.equal((await registry.put(again)).status, visible ? 409 : 201, what);
      assert.equal(await bundlesOf(registry, `@example/mortal@${version}`), 1, what);
    }
    assert.ok(moment > 4, `${moment - 1} writes`);
  }).timeout(180_000);
});
