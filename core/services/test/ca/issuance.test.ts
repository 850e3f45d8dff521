import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { digest, importPublicKey, verifySignature } from '@signet/primitives/crypto';
import {
  Certificate,
  embeddedScts,
  equalBytes,
  fulcioClaims,
  oids,
  parseDer,
  sctSignedData,
  toHex,
  toPem,
} from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { createAuthority, type IssuedCertificate } from '@signet/services/ca';
import { makeAuthority, prove, type TestAuthority } from './authority.ts';
import { githubClaims } from './ci-claims.ts';
import { IdentityProvider } from './identity-provider.ts';

const run = promisify(execFile);

async function loadX509() {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

/** Arc and text of every extension of a job of GitHub's, by the table in sigstore/fulcio's docs/oid-info.md. */
function githubExtensions(issuer: string): [arc: number, text: string][] {
  const github = 'https://github.com';
  const claims = githubClaims;
  return [
    [1, issuer],
    [2, claims.event_name],
    [3, claims.sha],
    [4, claims.workflow],
    [5, claims.repository],
    [6, claims.ref],
    [8, issuer],
    [9, `${github}/${claims.job_workflow_ref}`],
    [10, claims.job_workflow_sha],
    [11, claims.runner_environment],
    [12, `${github}/${claims.repository}`],
    [13, claims.sha],
    [14, claims.ref],
    [15, claims.repository_id],
    [16, `${github}/${claims.repository_owner}`],
    [17, claims.repository_owner_id],
    [18, `${github}/${claims.workflow_ref}`],
    [19, claims.workflow_sha],
    [20, claims.event_name],
    [21, `${github}/${claims.repository}/actions/runs/${claims.run_id}/attempts/${claims.run_attempt}`],
    [22, claims.repository_visibility],
    [23, claims.environment],
    [24, claims.sub],
  ];
}

describe('an issued certificate', () => {
  let provider: IdentityProvider;
  let test: TestAuthority;
  let issued: IssuedCertificate;
  let certificate: Certificate;
  let signer: Signer;

  before(async () => {
    provider = await IdentityProvider.start();
    test = await makeAuthority({
      'oidc-issuers': { [provider.url]: { type: 'ci-provider', 'ci-provider': 'github-workflow' } },
    });
    const proof = await prove(githubClaims.sub);
    signer = proof.signer;
    issued = await test.authority.issue({ token: await provider.token(githubClaims), ...proof });
    certificate = Certificate.parse(issued.certificate);
  });

  after(() => provider.stop());

  it('follows the profile of fulcio-spec.md §7', () => {
    assert.equal(toHex(certificate.subject), '3000');
    assert.deepEqual(certificate.publicKey.spki, signer.publicKey.spki);
    assert.equal(certificate.notAfter.getTime() - certificate.notBefore.getTime(), 600_000);
    assert.equal(certificate.serialNumber.length, 20);
    assert((certificate.serialNumber[0] ?? 0xff) < 0x80);
    assert.deepEqual(certificate.extendedKeyUsage, [oids.codeSigning]);
    assert.deepEqual(certificate.keyUsage, { digitalSignature: true, keyCertSign: false, cRLSign: false });
    assert.equal(toHex(certificate.subjectKeyId ?? new Uint8Array()), toHex(digest('sha1', signer.publicKey.keyBytes)));
    assert.deepEqual(certificate.authorityKeyId, Certificate.parse(test.intermediate).subjectKeyId);
    assert.equal(certificate.basicConstraints, undefined);
    const critical = [...certificate.extensions.values()].filter((extension) => extension.critical);
    assert.deepEqual(
      critical.map(({ oid }) => oid),
      [oids.keyUsage, oids.subjectAlternativeName],
    );
    assert.deepEqual(certificate.subjectAlternativeNames, [
      { type: 'uri', value: `https://github.com/${githubClaims.job_workflow_ref}` },
    ]);
  });

  it('encodes extensions 1 to 6 as raw text and 8 to 24 as UTF8String', () => {
    for (let arc = 1; arc <= 24; arc++) {
      const value = certificate.extensions.get(`${oids.fulcio}.${arc}`)?.value;
      if (arc === 7) assert.equal(value, undefined);
      else if (arc <= 6) assert.match(Buffer.from(value ?? []).toString(), /^[\x20-\x7e]+$/, `arc ${arc}`);
      else assert.equal(parseDer(value ?? new Uint8Array()).tag, 0x0c, `arc ${arc}`);
    }
    assert.equal(Buffer.from(certificate.extensions.get(`${oids.fulcio}.1`)?.value ?? []).toString(), provider.url);
  });

  it('differs from what the log promised in nothing but poison and SCTs', async () => {
    const [precertificate, ...chain] = test.log.chains.at(-1) ?? [];
    assert(precertificate);
    assert.deepEqual(chain, [test.intermediate, test.root]);
    const logged = Certificate.parse(precertificate);
    assert.equal(logged.extensions.get(oids.precertificatePoison)?.critical, true);
    assert.deepEqual(
      logged.tbsWithoutExtension(oids.precertificatePoison),
      certificate.tbsWithoutExtension(oids.sctList),
    );
    const [sct, ...others] = embeddedScts(certificate);
    assert(sct);
    assert.equal(others.length, 0);
    const message = sctSignedData(sct, {
      type: 'precertificate',
      issuerKeyHash: digest('sha256', Certificate.parse(test.intermediate).publicKey.spki),
      tbs: certificate.tbsWithoutExtension(oids.sctList),
    });
    const key = importPublicKey(test.log.signer.publicKey);
    assert(verifySignature({ key, message, signature: sct.signature }));
  });

  it('has another serial number each time', async () => {
    const token = await provider.token(githubClaims);
    const again = await test.authority.issue({ token, ...(await prove(githubClaims.sub)) });
    assert(!equalBytes(Certificate.parse(again.certificate).serialNumber, certificate.serialNumber));
  });

  it("reads the same by Node's X509Certificate", () => {
    const leaf = new X509Certificate(issued.certificate);
    const intermediate = new X509Certificate(test.intermediate);
    assert(leaf.verify(intermediate.publicKey));
    assert(leaf.checkIssued(intermediate));
    assert(intermediate.verify(new X509Certificate(test.root).publicKey));
    assert.equal(leaf.subjectAltName, `URI:https://github.com/${githubClaims.job_workflow_ref}`);
    assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.3']);
    assert.equal(leaf.serialNumber, toHex(certificate.serialNumber).toUpperCase());
  });

  it('verifies with openssl, which prints its SCT', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'signet-ca-'));
    try {
      const file = async (name: string, bytes: Uint8Array) => {
        await writeFile(join(folder, name), toPem('CERTIFICATE', bytes));
        return join(folder, name);
      };
      const leaf = await file('leaf.pem', issued.certificate);
      const intermediate = await file('intermediate.pem', test.intermediate);
      const root = await file('root.pem', test.root);
      const verify = ['verify', '-x509_strict', '-purpose', 'any', '-CAfile', root, '-untrusted', intermediate, leaf];
      assert.match((await run('openssl', verify)).stdout, /leaf\.pem: OK/);
      const { stdout } = await run('openssl', ['x509', '-in', leaf, '-noout', '-text']);
      assert.match(stdout, /CT Precertificate SCTs/);
      assert.match(stdout, /Subject Alternative Name: critical\s+URI:https:\/\/github\.com/);
      assert.match(stdout, /Extended Key Usage:\s+Code Signing/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is byte for byte what @peculiar/x509 lays out from the same claims', async () => {
    const x509 = await loadX509();
    const extensions: InstanceType<typeof x509.Extension>[] = [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.codeSigning]),
      await x509.SubjectKeyIdentifierExtension.create(new x509.PublicKey(Uint8Array.from(signer.publicKey.spki))),
      await x509.AuthorityKeyIdentifierExtension.create(
        new x509.PublicKey(Uint8Array.from(Certificate.parse(test.intermediate).publicKey.spki)),
      ),
      new x509.SubjectAlternativeNameExtension(
        [{ type: 'url', value: `https://github.com/${githubClaims.job_workflow_ref}` }],
        true,
      ),
    ];
    for (const [arc, text] of githubExtensions(provider.url)) {
      const bytes = Buffer.from(text);
      // docs/oid-info.md: raw text up to .6, DER UTF8String from .8 on; none of these is longer than one octet of length says.
      assert.ok(bytes.length < 0x80);
      const value = arc <= 6 ? bytes : Buffer.concat([Buffer.from([0x0c, bytes.length]), bytes]);
      extensions.push(new x509.Extension(`1.3.6.1.4.1.57264.1.${arc}`, false, value));
    }
    const sct = certificate.extensions.get(oids.sctList);
    assert(sct);
    extensions.push(new x509.Extension(oids.sctList, false, Uint8Array.from(sct.value)));
    const intermediate = new x509.X509Certificate(Uint8Array.from(test.intermediate));
    const oracle = await x509.X509CertificateGenerator.create({
      serialNumber: toHex(certificate.serialNumber),
      issuer: intermediate.subjectName,
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
      publicKey: Uint8Array.from(signer.publicKey.spki),
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-384' },
      signature: Uint8Array.from(certificate.signature),
      extensions,
    });
    assert.equal(toHex(Certificate.parse(new Uint8Array(oracle.rawData)).tbs), toHex(certificate.tbs));
  });

  it('carries the claims of the token', () => {
    const claims = fulcioClaims(certificate);
    assert.deepEqual(claims, {
      issuerV1: provider.url,
      githubWorkflowTrigger: 'push',
      githubWorkflowSha: githubClaims.sha,
      githubWorkflowName: 'Release',
      githubWorkflowRepository: 'acme/widget',
      githubWorkflowRef: 'refs/tags/v1.2.3',
      issuer: provider.url,
      buildSignerUri: 'https://github.com/acme/widget/.github/workflows/release.yml@refs/tags/v1.2.3',
      buildSignerDigest: githubClaims.job_workflow_sha,
      runnerEnvironment: 'github-hosted',
      sourceRepositoryUri: 'https://github.com/acme/widget',
      sourceRepositoryDigest: githubClaims.sha,
      sourceRepositoryRef: 'refs/tags/v1.2.3',
      sourceRepositoryIdentifier: '1111',
      sourceRepositoryOwnerUri: 'https://github.com/acme',
      sourceRepositoryOwnerIdentifier: '2222',
      buildConfigUri: 'https://github.com/acme/widget/.github/workflows/release.yml@refs/tags/v1.2.3',
      buildConfigDigest: githubClaims.workflow_sha,
      buildTrigger: 'push',
      runInvocationUri: 'https://github.com/acme/widget/actions/runs/3333/attempts/1',
      sourceRepositoryVisibility: 'private',
      deploymentEnvironment: 'npm',
      tokenSubject: githubClaims.sub,
    });
  });
});

describe('a new authority', () => {
  const rootSigner = generateSigner('PKIX_ECDSA_P384_SHA_384');
  const intermediateSigner = generateSigner('PKIX_ECDSA_P384_SHA_384');

  it('has the root and intermediate that fulcio-spec.md §7 asks for', async () => {
    const notBefore = new Date('2026-01-02T03:04:05.678Z');
    const made = await createAuthority({ name: 'npm.acme.example', rootSigner, intermediateSigner, notBefore });
    const root = Certificate.parse(made.root);
    const intermediate = Certificate.parse(made.intermediate);
    assert.deepEqual(root.subject, root.issuer);
    assert.deepEqual(intermediate.issuer, root.subject);
    assert.equal(root.notBefore.toISOString(), '2026-01-02T03:04:05.000Z');
    assert.equal(root.notAfter.toISOString(), '2036-01-02T03:04:05.000Z');
    assert.equal(intermediate.notAfter.toISOString(), '2029-01-02T03:04:05.000Z');
    assert.equal(root.extendedKeyUsage, undefined);
    assert.deepEqual(intermediate.extendedKeyUsage, [oids.codeSigning]);
    assert.deepEqual(intermediate.basicConstraints, { ca: true, pathLength: 0 });
    assert.deepEqual(intermediate.authorityKeyId, root.subjectKeyId);
    for (const { keyUsage } of [root, intermediate]) {
      assert.deepEqual(keyUsage, { digitalSignature: false, keyCertSign: true, cRLSign: true });
    }
  });
});
