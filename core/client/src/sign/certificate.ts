import {
  Certificate,
  equalBytes,
  parsePem,
  redact,
  SignetError,
  toBase64,
  toPem,
  utf8,
  type Certificate as X509,
} from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import {
  HttpStatusError,
  isObject,
  type JsonObject,
  jsonObject,
  request,
  type ServiceAccess,
  saying,
} from '../http/index.ts';
import { assertAudience, type IdentityToken } from '../identity/index.ts';
import type { TrustMaterial } from '../trust/index.ts';
import { type CertificateIdentity, identityOf } from './certificate-identity.ts';
import { acceptedAmong, acceptedIssuer, possessionChallenge, type TokenRequirements } from './possession.ts';
import { endpoint } from './signing-services.ts';

/** What is asked of the certificate authority. */
export interface CertificateRequest {
  readonly caUrl: string;
  readonly token: IdentityToken;
  /** The key to certify. */
  readonly signer: Signer;
  readonly trust: TrustMaterial;
  /** What the authority says of its issuers, where it was asked already. */
  readonly issuers?: TokenRequirements['issuers'];
  readonly http?: ServiceAccess;
}

/** A certificate that was checked against the request. */
export interface IssuedCertificate {
  readonly certificate: X509;
  readonly identity: CertificateIdentity;
}

/**
 * Obtains a certificate (Fulcio's `POST /api/v2/signingCert`) and checks that it is what was asked for: our key, the
 * token's identity, an SCT embedded. That it leads to the trusted root is checked by the caller with the verifier's rules.
 *
 * @throws ERR_IDENTITY_TOKEN…, ERR_CA_REFUSED, ERR_CA_RESPONSE, ERR_CA_KEY_MISMATCH, ERR_CA_IDENTITY_MISMATCH, and what
 * `request` throws
 */
export async function requestCertificate(asked: CertificateRequest): Promise<IssuedCertificate> {
  const { caUrl, token, signer, http = {} } = asked;
  token.assertCurrent();
  const { issuers } = asked;
  const accepted =
    issuers === undefined ? await acceptedIssuer(caUrl, token.issuer, http) : acceptedAmong(issuers, token.issuer);
  if (accepted?.audience !== undefined) assertAudience(token, accepted.audience);
  const challenge = possessionChallenge(token, accepted);
  const proof = await signer.sign(utf8(challenge));
  const certificate = leafOf(await post(caUrl, token, signer, proof, http));
  if (!equalBytes(certificate.publicKey.spki, signer.publicKey.spki)) {
    throw new SignetError(
      'ERR_CA_KEY_MISMATCH',
      'the certificate that was issued is for another key; nothing was signed with it',
    );
  }
  return { certificate, identity: identityOf(certificate, token) };
}

async function post(
  caUrl: string,
  token: IdentityToken,
  signer: Signer,
  proof: Uint8Array,
  http: ServiceAccess,
): Promise<JsonObject> {
  const algorithm = { ecdsa: 'ECDSA', rsa: 'RSA_PSS', ed25519: 'ED25519' }[signer.publicKey.algorithm as string];
  try {
    const { body } = await request(endpoint(caUrl, '/api/v2/signingCert'), {
      service: 'the certificate authority',
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({
        credentials: { oidcIdentityToken: token.reveal() },
        publicKeyRequest: {
          publicKey: {
            algorithm: algorithm ?? 'PUBLIC_KEY_ALGORITHM_UNSPECIFIED',
            content: toPem('PUBLIC KEY', signer.publicKey.spki),
          },
          proofOfPossession: toBase64(proof),
        },
      }),
      maxBytes: 256 * 1024,
      ...http,
    });
    return jsonObject(body, 'the answer of the certificate authority', 'ERR_CA_RESPONSE');
  } catch (thrown) {
    if (!(thrown instanceof HttpStatusError) || thrown.status >= 500) throw thrown;
    // Without cause, which would be printed too: an authority may quote the token in what it says.
    const said = redact(`${saying(thrown.body)}${reasons(thrown.body)}`, [token.reveal()]);
    throw new SignetError('ERR_CA_REFUSED', `the certificate authority refuses (status ${thrown.status}): ${said}`);
  }
}

/** Our own authority adds reasons under `details`, in safe fields. */
function reasons(body: Uint8Array): string {
  try {
    const { details } = jsonObject(body, 'refusal', 'ERR_CA_RESPONSE');
    const said = Array.isArray(details)
      ? details
          .filter(isObject)
          .map((one) => one.reason)
          .filter((one) => typeof one === 'string')
      : [];
    return said.length === 0 ? '' : ` (${said.join('; ').slice(0, 500)})`;
  } catch {
    return '';
  }
}

/** The first certificate of an answer whose SCT is embedded; a detached one has no place in a bundle. */
function leafOf(answer: JsonObject): X509 {
  const embedded = answer.signedCertificateEmbeddedSct;
  const chain = isObject(embedded) && isObject(embedded.chain) ? embedded.chain.certificates : undefined;
  if (!Array.isArray(chain) || typeof chain[0] !== 'string') {
    const detached = isObject(answer.signedCertificateDetachedSct);
    throw new SignetError(
      'ERR_CA_RESPONSE',
      detached
        ? 'the certificate authority gives no certificate with an embedded certificate timestamp; bundles need one'
        : 'the answer of the certificate authority holds no certificate',
    );
  }
  try {
    const [first] = parsePem(chain[0]);
    if (first?.label !== 'CERTIFICATE')
      throw new SignetError('ERR_CA_RESPONSE', 'the chain does not begin with a certificate');
    return Certificate.parse(first.bytes);
  } catch (cause) {
    throw new SignetError('ERR_CA_RESPONSE', 'the certificate that was issued cannot be read', { cause });
  }
}
