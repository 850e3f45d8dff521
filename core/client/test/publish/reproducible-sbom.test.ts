import assert from 'node:assert/strict';
import { reproducibleSbom } from '../../src/publish/reproducible-sbom.ts';

const purl = 'pkg:npm/%40acme/widgets@1.0.0';
const tarball = new TextEncoder().encode('the bytes');
const subject = { name: '@acme/widgets', version: '1.0.0', purl, tarball, env: {} };

/** As `npm sbom` prints it: of a folder with this name, at this time. */
const cyclonedx = (run: { serial: string; time: string; folder: string }) => ({
  bomFormat: 'CycloneDX',
  specVersion: '1.5',
  serialNumber: `urn:uuid:${run.serial}`,
  metadata: { timestamp: run.time, component: { name: run.folder, version: '1.0.0', purl } },
  components: [{ name: 'left', version: '1.0.0', purl: 'pkg:npm/left@1.0.0' }],
});

const spdx = (run: { serial: string; time: string }) => ({
  spdxVersion: 'SPDX-2.3',
  name: 'root@0.0.0',
  documentNamespace: `http://spdx.example/${run.serial}`,
  creationInfo: { created: run.time, creators: ['Tool: npm'] },
  documentDescribes: ['SPDXRef-root'],
  packages: [
    { name: 'root', versionInfo: '0.0.0', SPDXID: 'SPDXRef-root' },
    { name: '@acme/widgets', versionInfo: '1.0.0', SPDXID: 'SPDXRef-widgets' },
  ],
});

describe('a bill of materials', () => {
  it('is the same from run to run and from machine to machine', () => {
    const one = { serial: '86bedbcc', time: '2026-11-21T13:57:13.260Z', folder: 'widgets' };
    const two = { serial: '11111111', time: '2027-01-01T00:00:00.000Z', folder: 'checkout-7' };
    assert.deepEqual(
      reproducibleSbom('cyclonedx', cyclonedx(one), subject),
      reproducibleSbom('cyclonedx', cyclonedx(two), subject),
    );
    assert.deepEqual(reproducibleSbom('spdx', spdx(one), subject), reproducibleSbom('spdx', spdx(two), subject));
    const others = reproducibleSbom('cyclonedx', cyclonedx(one), { ...subject, tarball: new Uint8Array(1) });
    assert.notEqual(others.serialNumber, reproducibleSbom('cyclonedx', cyclonedx(one), subject).serialNumber);
  });

  it('has the date of the source where that is known', () => {
    const env = { SOURCE_DATE_EPOCH: '1767225600' };
    const run = { serial: '1', time: '2027-01-01T00:00:00.000Z', folder: 'x' };
    const { metadata } = reproducibleSbom('cyclonedx', cyclonedx(run), { ...subject, env });
    assert.equal((metadata as { timestamp: string }).timestamp, '2026-01-01T00:00:00.000Z');
    const { creationInfo } = reproducibleSbom('spdx', spdx(run), { ...subject, env });
    assert.equal((creationInfo as { created: string }).created, '2026-01-01T00:00:00Z');
    assert.throws(() => reproducibleSbom('spdx', spdx(run), { ...subject, env: { SOURCE_DATE_EPOCH: 'today' } }), {
      code: 'ERR_CONFIGURATION',
    });
  });

  it('is about the workspace that is published, and not about the root beside it', () => {
    const described = reproducibleSbom('spdx', spdx({ serial: '1', time: '' }), subject);
    assert.deepEqual([described.name, described.documentDescribes], ['@acme/widgets@1.0.0', ['SPDXRef-widgets']]);
    const document = {
      ...cyclonedx({ serial: '1', time: '', folder: 'root' }),
      metadata: { component: { name: 'root', purl: 'pkg:npm/root@0.0.0' } },
      components: [
        { name: 'widgets', purl },
        { name: 'left', purl: 'pkg:npm/left@1.0.0' },
      ],
    };
    const { metadata, components } = reproducibleSbom('cyclonedx', document, subject);
    assert.deepEqual(metadata, { component: { name: '@acme/widgets', purl } });
    assert.deepEqual(components, [{ name: 'left', purl: 'pkg:npm/left@1.0.0' }]);
  });

  it('is refused when it is none, or about another package', () => {
    for (const format of ['cyclonedx', 'spdx'] as const) {
      assert.throws(() => reproducibleSbom(format, { error: 'no' }, subject), { code: 'ERR_PACK_FAILED' });
    }
    const run = { serial: '1', time: '', folder: 'x' };
    const another = { ...subject, name: '@acme/gadgets', purl: 'pkg:npm/%40acme/gadgets@1.0.0' };
    assert.throws(() => reproducibleSbom('cyclonedx', cyclonedx(run), another), /another package/);
    assert.throws(() => reproducibleSbom('spdx', spdx(run), another), /another package/);
  });
});
