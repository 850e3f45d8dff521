import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import {
  examineAttestationDocument,
  type PackageSubject,
  parseRegistryKeys,
  sha512Integrity,
  verifyAttestationDocument,
  verifyPackageBundle,
} from '@signet/client/npm';
import { TrustMaterial } from '@signet/client/trust';
import { utf8 } from '@signet/primitives/formats';

/** Documents that npmjs served, and altered ones (README there); absent in a fresh clone elsewhere. */
const data = new URL('../../../../../shared/data/', import.meta.url);
const file = (path: string): string => readFileSync(new URL(path, data), 'utf8');

interface Listed {
  file: string;
  package: string;
  sri: string;
  attestations: { predicateType: string }[];
}

interface Raw {
  attestations?: { predicateType: string; bundle: object }[];
}

const publishType = 'https://github.com/npm/attestation/tree/main/specs/publish/v0.1';

/** Package, then the code that each attestation of the document is refused with, or undefined for one that holds. */
const sigstore = 'sigstore@0.4.0';
const other = '@laurentsimon/provenance-npm-test@1.0.0';
const negative: Record<string, [packageVersion: string, codes: (string | undefined)[]]> = {
  'pacote__mismatched-keyid-attestations.json': [sigstore, ['ERR_ATTESTATION_DOCUMENT', undefined]],
  'pacote__mismatched-subject-digest-attestations.json': [sigstore, [undefined, 'ERR_LOG_ENTRY_MISMATCH']],
  'pacote__mismatched-subject-name-attestations.json': [sigstore, [undefined, 'ERR_LOG_ENTRY_MISMATCH']],
  'slsa-verifier__npm-att-mismatch-prov-payloadtype.intoto.sigstore': [other, ['ERR_LOG_ENTRY_MISMATCH', undefined]],
  'slsa-verifier__npm-att-mismatch-pub-payloadtype.intoto.sigstore': [other, ['ERR_LOG_ENTRY_MISMATCH', undefined]],
  'slsa-verifier__npm-att-mismatch-prov-predicatetype.intoto.sigstore': [
    other,
    ['ERR_ATTESTATION_DOCUMENT', undefined],
  ],
  'slsa-verifier__npm-att-mismatch-pub-predicatetype.intoto.sigstore': [other, [undefined, 'ERR_ATTESTATION_DOCUMENT']],
  'slsa-verifier__npm-att-prov-invalid-signature.intoto.sigstore': [other, ['ERR_LOG_ENTRY_MISMATCH', undefined]],
  'slsa-verifier__npm-att-publish-invalid-signature.intoto.sigstore': [other, [undefined, 'ERR_LOG_ENTRY_MISMATCH']],
  'slsa-verifier__npm-att-publish-nodigest.intoto.sigstore': [other, [undefined, 'ERR_LOG_ENTRY_MISMATCH']],
  'slsa-verifier__npm-att-publish-nosubjects.intoto.sigstore': [other, [undefined, 'ERR_LOG_ENTRY_MISMATCH']],
};

/** Digests that the valid attestations in the altered documents are about. */
const integrities: Record<string, string> = {
  'sigstore@0.4.0': 'sha512-KCwMX6k20mQyFkNYG2XT3lwK9u1P36wS9YURFd85zCXPrwrSLZCEh7/vMBFNYcJXRiBtGDS+T4/RZZF493zABA==',
  '@laurentsimon/provenance-npm-test@1.0.0':
    'sha512-KdGfJiM/REEyhBKzT9c+0QTs/vYvFAl4kMzPdFW1IbZcWs/4UYSfqoXIU5WqItQBQ28B86+2GxnHgOkGyIx/IA==',
};

describe('attestations of real packages', () => {
  let trust: TrustMaterial;
  let registryKeys: ReturnType<typeof parseRegistryKeys>;
  before(function () {
    if (!existsSync(data)) {
      console.error('      skipped: the folder ../shared/data is not there');
      this.skip();
    }
    trust = TrustMaterial.fromTrustedRoot(file('conformance/public-good-trusted-root.json'), { name: 'public-good' });
    registryKeys = parseRegistryKeys(JSON.parse(file('npm-attestations/npm-registry-keys.json')));
  });

  const listed = existsSync(data) ? (JSON.parse(file('npm-attestations/INDEX.json')) as Listed[]) : [];
  const subjectOf = (packageVersion: string, integrity: string): PackageSubject => {
    const at = packageVersion.lastIndexOf('@');
    return { name: packageVersion.slice(0, at), version: packageVersion.slice(at + 1), integrity, trust, registryKeys };
  };

  for (const entry of listed) {
    const read = (): Raw => JSON.parse(file(`npm-attestations/${entry.file}`));

    it(`hold for ${entry.file}`, () => {
      const raw = read();
      const subject = subjectOf(entry.package, entry.sri);
      if (raw.attestations === undefined) {
        assert.equal(verifyPackageBundle(raw, subject).verified.trustRoot, 'public-good');
        return;
      }
      const types = verifyAttestationDocument(raw, subject).map(({ predicateType }) => predicateType);
      assert.deepEqual(
        types,
        entry.attestations.map(({ predicateType }) => predicateType),
      );
    });

    it(`do not hold for another version, name or tarball than ${entry.file}'s`, () => {
      const raw = read();
      const bundles = raw.attestations?.map(({ bundle }) => bundle) ?? [raw];
      const subject = subjectOf(entry.package, entry.sri);
      for (const bundle of bundles) {
        const refused = (change: Partial<PackageSubject>, code: string): void =>
          assert.throws(() => verifyPackageBundle(bundle, { ...subject, ...change }), { code });
        refused({ version: '9.9.9' }, 'ERR_ATTESTATION_SUBJECT');
        refused({ name: `${subject.name}x` }, 'ERR_ATTESTATION_SUBJECT');
        refused({ name: subject.name.toUpperCase() }, 'ERR_ATTESTATION_SUBJECT');
        refused({ integrity: sha512Integrity(utf8('other bytes')) }, 'ERR_ATTESTATION_SUBJECT');
        refused({ integrity: `${subject.integrity} ${subject.integrity}` }, 'ERR_INTEGRITY_FORMAT');
      }
    });
  }

  for (const [name, [packageVersion, codes]] of Object.entries(negative)) {
    it(`do not hold in ${name}`, () => {
      const raw = JSON.parse(file(`npm-attestations/negative/${name}`)) as Raw;
      const subject = subjectOf(packageVersion, integrities[packageVersion] ?? '');
      assert.throws(() => verifyAttestationDocument(raw, subject), { name: 'SignetError' });
      const found = (raw.attestations ?? []).map(
        (attestation) => examineAttestationDocument({ attestations: [attestation] }, subject).invalid[0]?.error.code,
      );
      assert.deepEqual(found, codes);
    });
  }

  it('do not hold in libnpmpublish’s bundles, which no registry ever served', () => {
    const names = readdirSync(new URL('npm-attestations/negative/', data)).filter((name) =>
      name.startsWith('libnpmpublish'),
    );
    assert.equal(names.length, 8);
    for (const name of names) {
      const subject = subjectOf('@npmcli/libnpmpublish-test@1.0.0', sha512Integrity(utf8('')));
      const code = name.includes('bad-bundle') ? 'ERR_JSON' : 'ERR_BUNDLE_FORMAT';
      assert.throws(() => verifyPackageBundle(file(`npm-attestations/negative/${name}`), subject), { code }, name);
    }
  });

  /** The same, once what stood in `verificationData` before bundles had a version stands where v0.1 has it. */
  const reasons: Record<string, string | undefined> = {
    'bad-dsse-payload': 'ERR_JSON',
    'digest-mismatch-provenance': 'ERR_ATTESTATION_SUBJECT',
    'invalid-signature': 'ERR_ENVELOPE_FORMAT',
    'multi-subject-provenance': 'ERR_ATTESTATION_SUBJECT',
    'no-provenance-envelope': 'ERR_BUNDLE_FORMAT',
    'no-provenance-subject': 'ERR_ATTESTATION_SUBJECT',
    valid: undefined,
  };
  for (const [name, code] of Object.entries(reasons)) {
    it(`${code === undefined ? 'hold' : 'do not hold'} in libnpmpublish’s ${name} bundle in the form of v0.1`, () => {
      const old = JSON.parse(file(`npm-attestations/negative/libnpmpublish__${name}-bundle.json`));
      const { verificationData, verificationMaterial, dsseEnvelope } = old;
      const bundle = {
        mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
        verificationMaterial: { ...verificationMaterial, ...verificationData },
        dsseEnvelope,
      };
      const sha512 =
        'ba5d2ecfa66724e1fafe473489339464a86ef4b5c69718ad94731f311b2d60578a83134b3393af9828aef83dc5edb19126a8aeda55253c31ec1909cbfd48f66f';
      const integrity = `sha512-${Buffer.from(sha512, 'hex').toString('base64')}`;
      const subject = subjectOf('@npmcli/libnpmpublish-test@1.0.0', integrity);
      if (code === undefined) assert.equal(verifyPackageBundle(bundle, subject).verified.trustRoot, 'public-good');
      else assert.throws(() => verifyPackageBundle(bundle, subject), { code });
    });
  }

  it('by the registry need its key, the right one, for attestations, at the time', () => {
    const entry = listed.find(({ package: name }) => name === 'sigstore@1.0.0');
    assert.ok(entry);
    const raw = JSON.parse(file(`npm-attestations/${entry.file}`)) as Raw;
    const subject = subjectOf(entry.package, entry.sri);
    const publish = raw.attestations?.find(({ predicateType }) => predicateType === publishType)?.bundle;
    const [key] = registryKeys.filter(({ usage }) => usage === 'npm:attestations');
    const wrong = registryKeys.find(({ keyId }) => keyId !== key?.keyId);
    assert.ok(key && wrong);
    const refused = (keys: typeof registryKeys, code: string): void =>
      assert.throws(() => verifyPackageBundle(publish, { ...subject, registryKeys: keys }), { code });
    refused([], 'ERR_REGISTRY_KEY');
    refused([{ ...key, usage: 'npm:signatures' }], 'ERR_REGISTRY_KEY');
    refused([{ ...key, keyId: 'SHA256:other' }], 'ERR_REGISTRY_KEY');
    assert.throws(() =>
      verifyPackageBundle(publish, { ...subject, registryKeys: [{ ...key, publicKey: wrong.publicKey }] }),
    );
    const expired = { ...key, validFor: { start: new Date(0), end: new Date('2023-01-01') } };
    assert.throws(() => verifyPackageBundle(publish, { ...subject, registryKeys: [expired] }), { name: 'SignetError' });
  });

  it('by the registry count for nothing where its keys are not known', () => {
    const entry = listed.find(({ package: name }) => name === 'sigstore@1.0.0');
    assert.ok(entry);
    const { registryKeys: _unknown, ...subject } = subjectOf(entry.package, entry.sri);
    const examined = examineAttestationDocument(JSON.parse(file(`npm-attestations/${entry.file}`)), subject);
    assert.deepEqual([examined.attestations.length, examined.invalid.length, examined.unjudged], [1, 0, 1]);
  });

  it('are none in an empty list', () => {
    assert.deepEqual(
      verifyAttestationDocument({ attestations: [] }, subjectOf('a@1.0.0', sha512Integrity(utf8('')))),
      [],
    );
  });

  for (const [what, document] of Object.entries({
    'a list': [],
    'no list': {},
    text: '{"attestations":[]}',
    'too many': { attestations: Array.from({ length: 65 }, () => ({})) },
  })) {
    it(`are refused as ${what}`, () => {
      const subject = subjectOf('a@1.0.0', sha512Integrity(utf8('')));
      assert.throws(() => examineAttestationDocument(document, subject), { code: 'ERR_ATTESTATION_DOCUMENT' });
    });
  }
});
