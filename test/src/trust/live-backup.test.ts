import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { signStatement } from '@signet/client/sign';
import { TrustMaterial } from '@signet/client/trust';
import { parseBundle, statementV1 } from '@signet/primitives/formats';
import { AttackScene } from '../attacks/attack-scene.ts';
import { author, type ReadyLine, succeed } from '../scene/instance.ts';
import { type Server, signetCommand, startServer } from '../scene/processes.ts';

const name = '@example/greeting';

/** An entry that the log has promised to keep. */
interface Acknowledged {
  readonly version: string;
  readonly index: number;
}

describe('a backup of an instance that runs', function () {
  this.timeout(240_000);
  let scene: AttackScene;
  let restored: Server | undefined;

  beforeEach(async () => {
    scene = await AttackScene.open();
  });
  afterEach(async () => {
    await restored?.stop();
    restored = undefined;
    await scene.close();
  });

  const path = (...parts: readonly string[]) => scene.workshop.path(...parts);
  const backUp = (to: string) => scene.workshop.signet(['backup', '--data', scene.instance.data, '--to', path(to)]);

  async function sign(version: string): Promise<Acknowledged> {
    const { urls } = scene.instance;
    const { bundle } = await signStatement({
      statement: statementV1({
        subject: [{ name: `pkg:npm/%40example/x@${version}`, digest: { sha512: 'ab'.repeat(64) } }],
        predicateType: 'https://example.com/release/v1',
        predicate: {},
      }),
      identityToken: await token(),
      services: { caUrl: urls.ca, tsaUrl: `${urls.tsa}/api/v1/timestamp`, logUrl: urls.log },
      trust: TrustMaterial.fromTrustedRoot(JSON.parse(await readFile(urls.trustedRoot, 'utf8'))),
    });
    const [entry] = parseBundle(bundle).tlogEntries;
    return { version, index: Number(entry?.logIndex) };
  }

  let known: Promise<string> | undefined;
  const token = () => (known ??= scene.instance.token(author));

  async function versions(): Promise<Record<string, { dist: { integrity: string; tarball: string } }>> {
    const answer = await fetch(`${scene.instance.urls.registry}${name.replace('/', '%2f')}`);
    return ((await answer.json()) as { versions: Record<string, { dist: { integrity: string; tarball: string } }> })
      .versions;
  }

  it('has everything that was acknowledged before it began, and is a state that the instance was in', async () => {
    known = undefined;
    const [entries, published]: [Acknowledged[], string[]] = [[], ['1.0.0']];
    let ending = false;
    let count = 0;
    const signers = Array.from({ length: 4 }, async () => {
      while (!ending) entries.push(await sign(`1.0.${count++}`));
    });
    const publisher = (async () => {
      for (let minor = 1; !ending; minor++) {
        const version = `1.${minor}.0`;
        await succeed(scene.publish(await scene.copyPackage(`copy-${minor}`, { version }), author));
        published.push(version);
      }
    })();
    while (published.length < 2 || entries.length < 40) await new Promise((resolve) => setTimeout(resolve, 50));
    const [entriesBefore, publishedBefore] = [entries.slice(), published.slice()];
    const { stdout } = await succeed(backUp('backup'));
    const during = entries.length - entriesBefore.length;
    ending = true;
    await Promise.all([...signers, publisher]);
    assert.match(stdout, /files, .* MB/);
    assert.ok(during > 0, 'entries were written while it was taken');

    const whole = path('instance', 'log', 'entries.dat');
    const copied = path('backup', 'data', 'log', 'entries.dat');
    const [wholeBytes, copiedBytes] = [await readFile(whole), await readFile(copied)];
    assert.ok(copiedBytes.length > 0 && copiedBytes.length < wholeBytes.length);
    assert.deepEqual(wholeBytes.subarray(0, copiedBytes.length), copiedBytes, 'an earlier state of the same log');

    await scene.instance.stop();
    const refused = await scene.workshop.signet(['restore', '--from', path('backup'), '--data', path('elsewhere')]);
    assert.equal(refused.code, 20, refused.stderr);
    assert.match(refused.stderr, /ERR_LOG_BEHIND/);
    // Nobody else has seen this log; clients that had would be told of new ones.
    const args = ['restore', '--from', path('backup'), '--data', path('elsewhere'), '--nothing-newer', '--json'];
    const { logs } = JSON.parse((await succeed(scene.workshop.signet(args))).stdout) as {
      logs: { origin: string; treeSize: number }[];
    };
    for (const kind of [[], ['--v1'], ['--ct']]) {
      const fsck = await scene.workshop.signet(['log', 'fsck', '--data', path('elsewhere'), ...kind]);
      assert.equal(fsck.code, 0, fsck.stdout + fsck.stderr);
      assert.match(fsck.stdout, /^sound$/m);
    }
    const size = logs.find(({ origin }) => origin.endsWith('/log'))?.treeSize ?? 0;
    const certificates = logs.find(({ origin }) => origin.endsWith('/ct'))?.treeSize ?? 0;
    for (const { version, index } of entriesBefore) assert.ok(index < size, `${version} is entry ${index} of ${size}`);
    assert.ok(certificates >= entriesBefore.length + publishedBefore.length, `${certificates} certificates`);

    // The policy of these tests names the trusted root by where it was.
    const trustedRoot = path('elsewhere', 'trust', 'trusted_root.json');
    await writeFile(path('elsewhere', 'trust-policy.yaml'), scene.instance.policy(author, trustedRoot));
    const [program, programArgs] = signetCommand(['up', '--data', path('elsewhere'), '--dev-identity', '--json']);
    restored = await startServer(program, programArgs, scene.workshop.options());
    assert.equal((JSON.parse(restored.ready) as ReadyLine).registry, scene.instance.urls.registry);
    const there = await versions();
    for (const version of publishedBefore) assert.ok(there[version], `${version} was published before`);
    for (const [version, { dist }] of Object.entries(there)) {
      const tarball = await fetch(dist.tarball);
      assert.equal(tarball.status, 200, version);
      const bytes = new Uint8Array(await tarball.arrayBuffer());
      const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
      assert.equal(integrity, dist.integrity, version);
      const evidence = await fetch(
        `${scene.instance.urls.registry}-/npm/v1/attestations/${name.replace('/', '%2f')}@${version}`,
      );
      const { attestations } = (await evidence.json()) as {
        attestations: { bundle: { verificationMaterial: { tlogEntries: { logIndex: string }[] } } }[];
      };
      for (const { bundle } of attestations) {
        for (const { logIndex } of bundle.verificationMaterial.tlogEntries) assert.ok(Number(logIndex) < size);
      }
      assert.ok(attestations.length > 0, version);
    }
    await sign('9.0.0');
  });

  it('is not taken while keys or trust change all the time, and names what changes', async () => {
    let ending = false;
    const file = path('instance', 'keys', 'notes.txt');
    const changing = (async () => {
      for (let count = 0; !ending; count++) {
        await writeFile(file, String(count));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    try {
      const { code, stderr } = await backUp('backup');
      assert.notEqual(code, 0);
      assert.match(stderr, /notes\.txt was changed in each of \d+ attempts.*ERR_BACKUP/);
      await assert.rejects(stat(path('backup')), { code: 'ENOENT' });
      await assert.rejects(stat(path('backup.unfinished')), { code: 'ENOENT' });
    } finally {
      ending = true;
      await changing;
    }
    await succeed(backUp('backup'));
  });
});
