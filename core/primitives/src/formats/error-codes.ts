/**
 * Every error code of Signet with its meaning. A code is stable: it is never renamed and never reused for another
 * meaning. `docs/errors.md` shows this table to users; a test keeps the two equal.
 */
export const errorCodes = {
  // Encodings
  ERR_ENCODING: 'Text is not the strict base64, hexadecimal, UTF-8 or PEM that was expected.',
  ERR_DER: 'Bytes are not the strict DER structure that was expected.',
  ERR_JSON: 'Text is not JSON, or exceeds the limits on size or depth.',
  ERR_INPUT_TOO_LARGE: 'Input from outside is larger than the limit for its kind.',
  // Keys and signatures
  ERR_KEY_UNSUPPORTED: 'The public key is of a kind, size or encoding that is not accepted.',
  ERR_KEY_FILE: 'A private key file cannot be read, written or decrypted.',
  ERR_DIGEST_UNSUPPORTED: 'The signature algorithm signs whole messages and cannot be checked from a digest alone.',
  // Certificates and timestamps
  ERR_CERT_FORMAT: 'A certificate is not a well-formed X.509 v3 certificate.',
  ERR_SCT_FORMAT: 'A signed certificate timestamp is malformed.',
  ERR_TIMESTAMP_FORMAT: 'An RFC 3161 request, response or token is malformed.',
} as const;

/** A stable error code, a key of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;
