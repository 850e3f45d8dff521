import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSigner } from '@signet/primitives/keys';
import { type CertificateLog, openCertificateLog } from '@signet/services/log';
import { codeSigning, makeAuthority, makeCertificate, poison, type TestAuthority } from './test-certificates.ts';

describe('a certificate log that knows its issuers', () => {
  let directory: string;
  let log: CertificateLog;
  let trusted: TestAuthority;
  let foreign: TestAuthority;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-ct-memory-'));
    [trusted, foreign] = [await makeAuthority(), await makeAuthority()];
    const [origin, signer] = ['log.example/ct', generateSigner()];
    log = await openCertificateLog({ directory, origin, signer, acceptedRoots: [trusted.root] });
    // From here on the chain above the leaf is remembered.
    await log.addPreChain([await trusted.issue([codeSigning, poison]), trusted.intermediate, trusted.root]);
  });

  afterEach(async () => {
    await log.close();
    await rm(directory, { recursive: true });
  });

  const refused = { code: 'ERR_CT_CHAIN' };

  it('still verifies every leaf that comes from elsewhere', async () => {
    const forged = await foreign.issue([codeSigning, poison]);
    await assert.rejects(log.addPreChain([forged, trusted.intermediate, trusted.root]), refused);
    await log.addPreChain([await trusted.issue([codeSigning, poison]), trusted.intermediate, trusted.root]);
    await log.addPreChain([await trusted.issue([codeSigning, poison]), trusted.intermediate]);
  });

  it('does not take one chain for another', async () => {
    const leaf = await foreign.issue([codeSigning, poison]);
    await assert.rejects(log.addPreChain([leaf, foreign.intermediate, foreign.root]), refused);
    await assert.rejects(log.addPreChain([leaf, foreign.intermediate, trusted.root]), refused);
    await assert.rejects(log.addPreChain([leaf, trusted.root, trusted.intermediate]), refused);
    log.acceptRoots([foreign.root]);
    await log.addPreChain([leaf, foreign.intermediate, foreign.root]);
    assert.deepEqual(log.acceptedRoots, [trusted.root, foreign.root]);
  });

  it('takes what an authority of this process signed without verifying it again, and nothing else unlooked at', async () => {
    const leaf = await trusted.issue([codeSigning, poison]);
    const sct = await log.addIssued([leaf, trusted.intermediate, trusted.root]);
    const again = await log.addPreChain([leaf, trusted.intermediate, trusted.root]);
    assert.deepEqual([again.timestamp, Buffer.from(again.extensions)], [sct.timestamp, Buffer.from(sct.extensions)]);
    const chain = [trusted.intermediate, trusted.root];
    await assert.rejects(log.addIssued([await trusted.issue([codeSigning]), ...chain]), refused);
    await assert.rejects(log.addIssued([await trusted.issue([poison]), ...chain]), refused);
    const key = generateSigner();
    const parts = { issuer: 'Another', subject: 'leaf', key, signedBy: key, extensions: [codeSigning, poison] };
    await assert.rejects(log.addIssued([await makeCertificate(parts), ...chain]), refused);
    await assert.rejects(log.addIssued([leaf, foreign.intermediate, foreign.root]), refused);
  });
});
