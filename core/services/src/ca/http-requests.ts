import { fromBase64, SignetError } from '@signet/primitives/formats';
import type { SigningCertificateRequest } from './certificate-authority.ts';
import { IssuanceError } from './issuance-error.ts';

const text = (maxLength: number) => ({ type: 'string', maxLength }) as const;
const base64Text = text(96 * 1024);
const tokenText = text(48 * 1024);

/**
 * Body of `POST /api/v2/signingCert`. protobuf's JSON takes camelCase and snake_case, and unknown members are left
 * unread, as grpc-gateway does.
 */
export const signingCertificateSchema = {
  type: 'object',
  properties: {
    credentials: {
      type: ['object', 'null'],
      properties: { oidcIdentityToken: tokenText, oidc_identity_token: tokenText },
    },
    publicKeyRequest: { $ref: '#/definitions/publicKeyRequest' },
    public_key_request: { $ref: '#/definitions/publicKeyRequest' },
    certificateSigningRequest: base64Text,
    certificate_signing_request: base64Text,
  },
  definitions: {
    publicKeyRequest: {
      type: 'object',
      properties: {
        publicKey: { $ref: '#/definitions/publicKey' },
        public_key: { $ref: '#/definitions/publicKey' },
        proofOfPossession: base64Text,
        proof_of_possession: base64Text,
      },
    },
    publicKey: { type: 'object', properties: { content: text(16 * 1024) } },
  },
} as const;

/** Body of `POST /api/v1/signingCert`. */
export const legacySigningCertificateSchema = {
  type: 'object',
  properties: {
    publicKey: { type: ['object', 'null'], properties: { content: base64Text } },
    signedEmailAddress: base64Text,
    certificateSigningRequest: base64Text,
  },
} as const;

interface PublicKeyJson {
  readonly content?: string;
}

interface PublicKeyRequestJson {
  readonly publicKey?: PublicKeyJson;
  readonly public_key?: PublicKeyJson;
  readonly proofOfPossession?: string;
  readonly proof_of_possession?: string;
}

export interface SigningCertificateJson {
  readonly credentials?: { readonly oidcIdentityToken?: string; readonly oidc_identity_token?: string } | null;
  readonly publicKeyRequest?: PublicKeyRequestJson;
  readonly public_key_request?: PublicKeyRequestJson;
  readonly certificateSigningRequest?: string;
  readonly certificate_signing_request?: string;
}

export interface LegacySigningCertificateJson {
  readonly publicKey?: PublicKeyJson | null;
  readonly signedEmailAddress?: string;
  readonly certificateSigningRequest?: string;
}

/** @param authorization the header, used when the body holds no token */
export function readSigningCertificateRequest(
  body: SigningCertificateJson,
  authorization: string | undefined,
): SigningCertificateRequest {
  const { credentials } = body;
  const inBody = credentials?.oidcIdentityToken ?? credentials?.oidc_identity_token ?? '';
  const token = inBody === '' ? bearerToken(authorization) : inBody;
  const csr = body.certificateSigningRequest ?? body.certificate_signing_request ?? '';
  if (csr !== '') return { token, csr: bytesOf(csr, 'certificateSigningRequest') };
  const request = body.publicKeyRequest ?? body.public_key_request ?? {};
  return {
    token,
    publicKey: (request.publicKey ?? request.public_key)?.content ?? '',
    proofOfPossession: bytesOf(request.proofOfPossession ?? request.proof_of_possession ?? '', 'proofOfPossession'),
  };
}

export function readLegacySigningCertificateRequest(
  body: LegacySigningCertificateJson,
  authorization: string | undefined,
): SigningCertificateRequest {
  const token = bearerToken(authorization);
  const csr = body.certificateSigningRequest ?? '';
  if (csr !== '') return { token, csr: bytesOf(csr, 'certificateSigningRequest') };
  return {
    token,
    publicKey: bytesOf(body.publicKey?.content ?? '', 'publicKey.content'),
    proofOfPossession: bytesOf(body.signedEmailAddress ?? '', 'signedEmailAddress'),
  };
}

function bearerToken(authorization: string | undefined): string {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? '';
}

function bytesOf(value: string, what: string): Uint8Array {
  try {
    return fromBase64(value, what);
  } catch (cause) {
    if (!(cause instanceof SignetError)) throw cause;
    throw new IssuanceError('ERR_REQUEST', 'malformed-request', `The request's ${what} is not base64.`, {
      expected: `${what} in padded standard base64`,
    });
  }
}
