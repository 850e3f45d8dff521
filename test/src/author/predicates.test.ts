import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { type PublishOptions, type PublishReport, publishPackage } from '@signet/client/publish';
import { fromBase64, parseStatement, toPem } from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { after, before, describe, it } from 'mocha';
import { AuthorScene, alice } from './author-scene.ts';
import { TamperingProxy } from './tampering-proxy.ts';

describe('what a publish attests', function () {
  this.timeout(60_000);
  let scene: AuthorScene;
  let proxy: TamperingProxy;
  const key = generateSigner();

  before(async () => {
    scene = await AuthorScene.open();
    proxy = await TamperingProxy.open(scene.registry);
    const { layout } = scene.instance.instance;
    await writeFile(join(scene.directory, 'instance', 'release.pub'), toPem('PUBLIC KEY', key.publicKey.spki));
    const policy = await readFile(layout.policyFile, 'utf8');
    const rules = [
      "  - { id: spdx, match: ['@example/spdx-*'], require: [{ attestation: { predicateType: 'https://spdx.dev/Document', by: [alice] } }] }",
      "  - { id: key, match: ['@example/by-key'], require: [{ provenance: { by: [holder] } }] }",
    ];
    await writeFile(
      layout.policyFile,
      `${policy
        .replace('publishers:\n', 'publishers:\n  holder: { key: { file: ./release.pub } }\n')
        .replace('by: [alice, job]', 'by: [alice, job, holder]')}${rules.join('\n')}\n`,
    );
    // npm asks for advisories; the registry knows of none.
    proxy.tamper = async (passing) =>
      passing.path.includes('/security/advisories/bulk')
        ? { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from('{}') }
        : await passing.forward();
  });
  after(async () => {
    await proxy?.close();
    await scene?.close();
  });

  async function publish(name: string, more: Partial<PublishOptions> = {}): Promise<PublishReport> {
    const version = '1.0.0';
    const integrity = `sha512-${'A'.repeat(86)}==`;
    const left = { version, resolved: `${scene.registry}left/-/left-1.0.0.tgz`, integrity };
    const packages = { '': { name, version, dependencies: { left: version } }, 'node_modules/left': left };
    const lockfile = JSON.stringify({ name, version, lockfileVersion: 3, requires: true, packages });
    const folder = await scene.package(
      { name, version, license: 'Apache-2.0', dependencies: { left: version } },
      { 'package-lock.json': lockfile },
    );
    const npmrc = (await scene.npmrc()).replaceAll(new URL(scene.registry).host, new URL(proxy.origin).host);
    await writeFile(join(folder, '.npmrc'), npmrc);
    return await publishPackage({
      source: folder,
      cwd: folder,
      env: scene.env,
      trust: scene.trust,
      findToken: async () => ({ token: await scene.token(), source: 'test', skipped: [] }),
      ...more,
    });
  }

  /** The reference client's verdict; throws when it is against. */
  async function verifyStock(bundle: Readonly<Record<string, unknown>>, signer?: Signer): Promise<void> {
    const root = TrustedRoot.fromJSON(JSON.parse(await scene.readTrustedRoot()));
    const spki = signer?.publicKey.spki;
    const publicKey = spki && createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    const material = toTrustMaterial(root, publicKey && (() => ({ publicKey, validFor: () => true })));
    const ctlogThreshold = signer === undefined ? 1 : 0;
    const verifier = new Verifier(material, { tlogThreshold: 1, ctlogThreshold, timestampThreshold: 1 });
    const { identity } = verifier.verify(toSignedEntity(bundleFromJSON(bundle)));
    if (signer === undefined) assert.equal(identity?.subjectAlternativeName, alice);
  }

  function statementOf(bundle: Readonly<Record<string, unknown>>) {
    const { dsseEnvelope } = bundle as { dsseEnvelope: { payload: string } };
    return parseStatement(fromBase64(dsseEnvelope.payload));
  }

  it('are a bill of materials by CycloneDX’s own schema and an audit, and the reference client verifies all', async () => {
    const report = await publish('@example/sbom-schema', { sbom: 'cyclonedx', audit: true });
    const bundles = [report.bundle, ...report.extra.map(({ bundle }) => bundle)];
    assert.equal(bundles.length, 3);
    for (const bundle of bundles) await verifyStock(bundle);
    const [provenance, sbom, audit] = bundles.map(statementOf);
    assert.ok(provenance && sbom && audit);
    const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot5);
    assert.equal(await validator.validate(JSON.stringify(sbom.predicate)), null);
    // A schema that lets everything pass would prove nothing.
    assert.notEqual(await validator.validate(JSON.stringify({ ...sbom.predicate, components: 'none' })), null);
    // SLSA v1, "Parsing rules" and the fields that it marks REQUIRED.
    const { buildDefinition, runDetails } = provenance.predicate as {
      buildDefinition: { buildType: string; externalParameters: object };
      runDetails: { builder: { id: string } };
    };
    assert.ok(URL.canParse(buildDefinition.buildType) && URL.canParse(runDetails.builder.id));
    assert.equal(typeof buildDefinition.externalParameters, 'object');
    // cosign's specification of vuln/v1.
    const { invocation, scanner, metadata } = audit.predicate as {
      invocation: object;
      scanner: { uri: string; version: string; db: object; result: object };
      metadata: { scanStartedOn: string; scanFinishedOn: string };
    };
    assert.ok(invocation && scanner.db && scanner.result && scanner.version);
    assert.match(scanner.uri, /^pkg:npm\/npm@/);
    assert.ok(Date.parse(metadata.scanStartedOn) <= Date.parse(metadata.scanFinishedOn));
  });

  it('are a bill of materials with all that SPDX 2.3 requires of a document', async () => {
    const report = await publish('@example/spdx-full', { sbom: 'spdx' });
    const [extra] = report.extra;
    await verifyStock(extra?.bundle ?? {});
    const { predicate } = statementOf(extra?.bundle ?? {});
    const document = predicate as Record<string, unknown> & { creationInfo: { created: string; creators: string[] } };
    assert.equal(document.spdxVersion, 'SPDX-2.3');
    assert.equal(document.SPDXID, 'SPDXRef-DOCUMENT');
    assert.equal(document.dataLicense, 'CC0-1.0');
    assert.ok(typeof document.name === 'string' && URL.canParse(String(document.documentNamespace)));
    assert.match(document.creationInfo.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.match(document.creationInfo.creators.join(), /^Tool: /);
  });

  it('is verified by the reference client too where a log of Rekor’s first version witnessed it, or a key signed', async () => {
    const logUrls = [`${scene.registry}-/signet/log-v1`];
    const services = { ...scene.services, logUrls, rekorVersion: 1 } as const;
    await verifyStock((await publish('@example/by-v1', { services })).bundle);
    await verifyStock((await publish('@example/by-key', { signer: key })).bundle, key);
  });
});
