import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A certificate for HTTPS of an authority of its own, as files. */
export interface ServerCertificate {
  /** PEM of the authority. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/**
 * Makes a certificate as a company's authority does.
 *
 * @param directory where the files `tls.pem` and `tls.key` are written
 */
export async function makeServerCertificate(
  directory: string,
  {
    name = 'localhost',
    notAfter = new Date(Date.now() + 86_400_000 * 90),
  }: { readonly name?: string; readonly notAfter?: Date } = {},
): Promise<ServerCertificate> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const makeKeys = () => crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const [authorityKeys, keys] = await Promise.all([makeKeys(), makeKeys()]);
  const notBefore = new Date(Math.min(Date.now(), notAfter.getTime()) - 86_400_000);
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Acme servers',
    keys: authorityKeys,
    signingAlgorithm: algorithm,
    notBefore,
    notAfter: new Date(Date.now() + 86_400_000 * 365),
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: authority.subject,
    notBefore,
    notAfter,
    publicKey: keys.publicKey,
    signingKey: authorityKeys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  });
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  const files = { certificate: join(directory, 'tls.pem'), key: join(directory, 'tls.key') };
  await writeFile(files.certificate, certificate.toString('pem'));
  await writeFile(files.key, key, { mode: 0o600 });
  return { authority: authority.toString('pem'), ...files };
}
