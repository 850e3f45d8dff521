import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPublishDocument, parseIntegrity, sha512Integrity, toPurl } from '@signet/client/npm';
import { signStatement } from '@signet/client/sign';
import { statementV1, toHex } from '@signet/primitives/formats';
import { packTarball } from './support/package.ts';
import { packageManagers, Workplace } from './support/package-managers.ts';
import { author, TestRegistry } from './support/registry.ts';

describe('pnpm’s trustPolicy: no-downgrade', () => {
  let registry: TestRegistry;
  let folder: string;
  let work: Workplace;
  let configuration: Readonly<Record<string, string>>;

  before(async function () {
    this.timeout(180_000);
    folder = await mkdtemp(join(tmpdir(), 'signet-downgrade-'));
    const pnpm = packageManagers.find(({ name }) => name === 'pnpm');
    assert.ok(pnpm);
    const opened = await Workplace.open(pnpm, join(folder, 'home'));
    if (typeof opened === 'string') {
      process.stderr.write(`skipped: ${opened}\n`);
      this.skip();
    }
    work = opened;
    registry = await TestRegistry.start();
    const { instanceFile } = registry.running.instance.layout;
    const settings = await readFile(instanceFile, 'utf8');
    await writeFile(instanceFile, settings.replace('advertiseEvidence: false', 'advertiseEvidence: true'));
    await registry.restart();
    configuration = pnpm.configure(registry.url, await registry.npmToken('alice'));
  });

  after(async () => {
    await registry?.remove();
    await rm(folder, { recursive: true });
  });

  async function publish(name: string, version: string, predicateType: string) {
    const manifest = { name, version };
    const tarball = packTarball(manifest);
    const { urls } = registry.running;
    const sha512 = toHex(parseIntegrity(sha512Integrity(tarball)));
    const { bundle } = await signStatement({
      statement: statementV1({
        subject: [{ name: toPurl(name, version), digest: { sha512 } }],
        predicateType,
        predicate: { buildDefinition: { buildType: 'urn:test' }, runDetails: { builder: { id: 'urn:test' } } },
      }),
      identityToken: await registry.identityToken(author),
      services: { caUrl: urls.ca, tsaUrl: `${urls.tsa}/api/v1/timestamp`, logUrl: urls.log },
      trust: await registry.trust(),
    });
    const document = createPublishDocument({ manifest, tarball, registry: registry.url, bundle });
    const answer = await registry.put({ name, document: structuredClone(document) as Record<string, unknown> });
    assert.equal(answer.status, 201, answer.text);
  }

  async function install(name: string, version: string, policy: string) {
    const manifest = { name: 'consumer', version: '1.0.0', dependencies: { [name]: version } };
    const settings = `minimumReleaseAge: 0\ntrustPolicy: ${policy}\n`;
    await work.begin({ ...configuration, 'package.json': JSON.stringify(manifest), 'pnpm-workspace.yaml': settings });
    return work.run(['install', '--no-frozen-lockfile']);
  }

  it('fires on a version without provenance after one with it, and on nothing else', async function () {
    this.timeout(120_000);
    const name = '@example/downgraded';
    const provenance = 'https://slsa.dev/provenance/v1';
    await publish(name, '1.0.0', provenance);
    await publish(name, '1.1.0', provenance);
    await publish(name, '1.2.0', 'https://example.com/release/v1');
    for (const version of ['1.0.0', '1.1.0']) {
      const { code, output } = await install(name, version, 'no-downgrade');
      assert.equal(code, 0, output);
    }
    const refused = await install(name, '1.2.0', 'no-downgrade');
    assert.notEqual(refused.code, 0, refused.output);
    assert.match(refused.output, /TRUST_DOWNGRADE|trust downgrade/i);
    const { code, output } = await install(name, '1.2.0', 'off');
    assert.equal(code, 0, output);
  });
});
