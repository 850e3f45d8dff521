import { digest } from '@signet/primitives/crypto';
import { Certificate, oids, type SignedCertificateTimestamp, sctSignedData, utf8 } from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { CertificateAuthority, createAuthority, type PrecertificateLog, parseIssuers } from '@signet/services/ca';

/** A certificate log that signs what it is given and keeps it: RFC 6962 without the tree. */
export class TestLog implements PrecertificateLog {
  readonly signer = generateSigner('PKIX_ECDSA_P256_SHA_256');
  readonly chains: (readonly Uint8Array[])[] = [];
  /** Bends what is answered. */
  bend: (sct: SignedCertificateTimestamp) => SignedCertificateTimestamp = (sct) => sct;
  clock: () => Date = () => new Date();

  async addPreChain(chain: readonly Uint8Array[]): Promise<SignedCertificateTimestamp> {
    const [precertificate, issuer] = chain.map((bytes) => Certificate.parse(bytes));
    if (precertificate === undefined || issuer === undefined) throw new Error('expected a chain');
    this.chains.push(chain);
    const promise = { timestamp: this.clock(), extensions: new Uint8Array() };
    const signature = await this.signer.sign(
      sctSignedData(promise, {
        type: 'precertificate',
        issuerKeyHash: digest('sha256', issuer.publicKey.spki),
        tbs: precertificate.tbsWithoutExtension(oids.precertificatePoison),
      }),
    );
    const logId = digest('sha256', this.signer.publicKey.spki);
    return this.bend({ ...promise, logId, hashAlgorithm: 4, signatureAlgorithm: 3, signature });
  }
}

export interface TestAuthority {
  readonly authority: CertificateAuthority;
  readonly log: TestLog;
  readonly root: Uint8Array;
  readonly intermediate: Uint8Array;
  readonly intermediateSigner: Signer;
}

/** A new authority with the given issuer configuration. */
export async function makeAuthority(
  configuration: string | object,
  options: {
    clock?: () => Date;
    keyDetails?: 'PKIX_ECDSA_P256_SHA_256' | 'PKIX_ECDSA_P384_SHA_384';
    certificateLogIsHere?: boolean;
  } = {},
): Promise<TestAuthority> {
  const rootSigner = generateSigner('PKIX_ECDSA_P384_SHA_384');
  const intermediateSigner = generateSigner(options.keyDetails ?? 'PKIX_ECDSA_P384_SHA_384');
  const notBefore = new Date(Date.now() - 60_000);
  const { root, intermediate } = await createAuthority({ name: 'ca.test', rootSigner, intermediateSigner, notBefore });
  const log = new TestLog();
  if (options.clock !== undefined) log.clock = options.clock;
  const authority = new CertificateAuthority({
    signer: intermediateSigner,
    chain: [intermediate, root],
    issuers: parseIssuers(typeof configuration === 'string' ? configuration : JSON.stringify(configuration)),
    certificateLog: log,
    certificateLogKey: log.signer.publicKey.spki,
    certificateLogIsHere: options.certificateLogIsHere ?? false,
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  });
  return { authority, log, root, intermediate, intermediateSigner };
}

/** A key pair and its proof of possession over a challenge. */
export async function prove(challenge: string, signer: Signer = generateSigner('PKIX_ECDSA_P256_SHA_256')) {
  return { signer, publicKey: signer.publicKey.spki, proofOfPossession: await signer.sign(utf8(challenge)) };
}
