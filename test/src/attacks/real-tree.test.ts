import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TamperingProxy } from '../author/tampering-proxy.ts';
import { succeed } from '../scene/instance.ts';
import { AttackScene } from './attack-scene.ts';

/** Real evidence of real packages; absent in a fresh clone elsewhere. */
const data = new URL('../../../../shared/data/', import.meta.url);
const proven: Readonly<Record<string, string>> = {
  'sigstore@2.3.1': 'slsa-verifier__sigstore@2.3.1.attestations.json',
  'tuf-js@1.0.0': 'npm-cli__tuf-js@1.0.0.attestations.json',
};

/** Of that time are certificates that say less: the workflow is known by their subject alone. */
const tufWorkflow = 'https://github.com/theupdateframework/tuf-js/.github/workflows/publish.yml@refs/tags/v1.0.0';

/** For one command, milliseconds. */
const timeout = 1_200_000;

/**
 * A real application from npm's default registry, through an instance, with a package of the instance and packages that npm proves. It takes
 * many minutes and a connection, so that it runs where SIGNET_REAL_TREE is set.
 */
describe('an application of more than a thousand packages', function () {
  this.timeout(1_800_000);
  let scene: AttackScene;
  let proxy: TamperingProxy;
  let project: string;

  before(async function () {
    if (!process.env.SIGNET_REAL_TREE || !existsSync(data)) {
      console.error('      skipped: it runs where SIGNET_REAL_TREE is set and ../shared/data is there');
      this.skip();
    }
    scene = await AttackScene.open();
    proxy = await TamperingProxy.open(scene.instance.urls.registry);
    proxy.tamper = async (passing) => {
      const path = decodeURIComponent(passing.path);
      const file = path.includes('/-/npm/v1/attestations/') ? proven[path.slice(path.lastIndexOf('/') + 1)] : undefined;
      if (file === undefined) return await passing.forward();
      const body = await readFile(new URL(`npm-attestations/${file}`, data));
      return { status: 200, headers: { 'content-type': 'application/json' }, body };
    };
    project = await scene.workshop.copyExample('app', 'application', ({ dependencies, ...manifest }) => ({
      ...manifest,
      dependencies: {
        ...(dependencies as object),
        'react-scripts': '5.0.1',
        sigstore: '2.3.1',
        'tuf-js': '1.0.0',
      },
    }));
    // Resolved where the packages are from, which is quicker, and installed through the instance.
    const scope = `@example:registry=${scene.instance.urls.registry}`;
    await writeFile(join(project, '.npmrc'), `omit-lockfile-registry-resolved=true\nlegacy-peer-deps=true\n${scope}\n`);
    const env = { npm_config_userconfig: scene.workshop.path('none') };
    await measured('npm install --package-lock-only', () =>
      succeed(
        scene.workshop.npm(['install', '--package-lock-only', '--ignore-scripts'], { cwd: project, timeout, env }),
      ),
    );
    await policy('71096353');
  });
  after(async () => {
    await proxy?.close();
    await scene?.close();
  });

  const options = (...flags: readonly string[]) => ({
    args: ['ci', '--registry', proxy.through(scene.instance.urls.registry), '--json', ...flags],
    run: { cwd: project, timeout },
  });
  const ci = async () => {
    const { args, run } = options();
    return await scene.workshop.signet(args, run);
  };

  async function measured<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
    const start = performance.now();
    const result = await work();
    console.error(`      ${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
    return result;
  }

  async function policy(owner: string): Promise<void> {
    const publicGood = fileURLToPath(new URL('conformance/public-good-trusted-root.json', data));
    const text = scene.instance
      .policy()
      .replace('version: 1', 'version: 1\nnoMatch: allow')
      .replace('trustRoots:', `trustRoots:\n  public-good: { file: ${JSON.stringify(publicGood)} }`)
      .replace(
        'publishers:',
        `publishers:
  sigstore-js: { github: { repository: sigstore/sigstore-js, ownerId: '${owner}' } }
  tuf-js: { oidc: { issuer: 'https://token.actions.githubusercontent.com', san: ['${tufWorkflow}'] } }`,
      );
    await writeFile(
      join(project, 'trust-policy.yaml'),
      `${text}  - { id: sigstore, match: [sigstore@2.3.1], require: [ { provenance: { by: [sigstore-js] } } ] }
  - { id: tuf, match: [tuf-js@1.0.0], require: [ { provenance: { by: [tuf-js] } } ] }
`,
    );
  }

  it('is judged by three rules and installed, and the next time without a question', async () => {
    const first = await measured('signet ci', () => succeed(ci()));
    const report = JSON.parse(first.stdout);
    assert.equal(report.verdict, 'allowed');
    assert.deepEqual(
      report.packages.map(({ name, verified }: { name: string; verified: boolean }) => [name, verified]).sort(),
      [
        ['@example/greeting', true],
        ['sigstore', true],
        ['tuf-js', true],
      ],
    );
    assert.ok(report.unmatched > 1000, String(report.unmatched));
    assert.ok(report.npm.installed > 1000, String(report.npm.installed));
    const asked = proxy.seen.filter((path) => path.includes('/attestations')).length;
    const again = await measured('signet ci, remembered', () => succeed(ci()));
    assert.ok(JSON.parse(again.stdout).packages.every(({ verifiedAt }: { verifiedAt?: string }) => verifiedAt));
    assert.equal(proxy.seen.filter((path) => path.includes('/attestations')).length, asked);
  });

  it('is refused for one package whose repository belongs to somebody else', async () => {
    await policy('666');
    const { code, stdout } = await ci();
    assert.equal(code, 10);
    const [violation] = JSON.parse(stdout).violations;
    assert.deepEqual([violation.code, violation.package], ['TP111', 'sigstore@2.3.1']);
  });
});
