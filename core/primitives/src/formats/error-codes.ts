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
  // npm: names, tarballs, documents, lockfiles
  ERR_PACKAGE_NAME: 'A package name or version is not one that npm accepts.',
  ERR_PURL: 'Text is not the package URL of an npm package version in the form that npm writes.',
  ERR_INTEGRITY_FORMAT: 'An integrity value is not exactly one sha512 hash.',
  ERR_INTEGRITY_MISMATCH: 'Bytes do not have the hash that was expected of them.',
  ERR_PUBLISH_DOCUMENT: 'A publish document is malformed, ambiguous or contradicts itself.',
  ERR_TARBALL: 'A package tarball is malformed, ambiguous or exceeds a limit.',
  ERR_LOCKFILE: 'A lockfile is malformed, ambiguous or of a version that cannot be verified.',
  ERR_LOCKFILE_CONFLICT: 'It is not certain which lockfile npm would read, or that it would read the verified one.',
  ERR_ATTESTATION_DOCUMENT:
    'An attestation document is malformed or labels an attestation with another type than was signed.',
  ERR_ATTESTATION_SUBJECT: 'An attestation is about another package, version or tarball.',
  ERR_PROVENANCE_MISMATCH: 'Provenance and the certificate that signed it disagree about the source.',
  ERR_REGISTRY_KEY: 'A registry key is unknown, malformed or was not valid at the time.',
  // The command line
  ERR_USAGE: 'The command line asks for something that does not exist, or leaves out what is needed.',
  ERR_NOT_INSTALLED: 'The command needs a package that is not installed.',
  ERR_OFFLINE: 'The command needs the network and --offline forbids it.',
  ERR_CONFIGURATION: 'A setting, a file of settings or a file that was named cannot be read or used.',
  // Identity
  ERR_IDENTITY_TOKEN: 'An identity token is not a JSON Web Token, or lacks a claim that signing needs.',
  ERR_IDENTITY_TOKEN_MISSING: 'No source offers an identity token.',
  ERR_IDENTITY_TOKEN_EXPIRED: 'The identity token has expired, or expires before a certificate can be had with it.',
  ERR_IDENTITY_TOKEN_AUDIENCE: 'The identity token is made out for another audience than the certificate authority.',
  ERR_IDENTITY_PROVIDER: 'The identity provider refused, or gave an answer that cannot be used.',
  ERR_IDENTITY_TIMEOUT: 'Nobody completed the login in time.',
  // Talking to services
  ERR_NETWORK: 'A service cannot be reached, or the connection broke.',
  ERR_NETWORK_TIMEOUT: 'A service did not answer in time.',
  ERR_HTTP_STATUS: 'A service answered with a status that means failure.',
  ERR_HTTP_REDIRECT: 'A service redirects to another origin, which is not followed.',
  ERR_RESPONSE_TOO_LARGE: 'A service answers with more bytes than its kind of answer may have.',
  ERR_SERVICES: 'The description of the services (instance or signing configuration) is missing or cannot be used.',
  // Signing: what services return is checked before it is used
  ERR_CA_REFUSED: 'The certificate authority refuses to issue a certificate.',
  ERR_CA_RESPONSE: 'The answer of the certificate authority is malformed.',
  ERR_CA_KEY_MISMATCH: 'The certificate that was issued is for another key than the one asked for.',
  ERR_CA_IDENTITY_MISMATCH: 'The certificate that was issued names another identity than the token.',
  ERR_TSA_REFUSED: 'The timestamp authority refuses to issue a timestamp.',
  ERR_TSA_RESPONSE: 'The answer of the timestamp authority is malformed.',
  ERR_TSA_MISMATCH: 'The timestamp that was issued is over other bytes, or answers another request.',
  ERR_LOG_REFUSED: 'The transparency log refuses the entry.',
  ERR_LOG_RESPONSE: 'The answer of the transparency log is malformed.',
  ERR_LOG_RESPONSE_MISMATCH: 'The transparency log answers with another entry than the one submitted.',
  // Publishing
  ERR_PACKAGE: 'The folder or tarball is not a package that can be published.',
  ERR_PACKAGE_PRIVATE: 'The package is marked private and is not published.',
  ERR_PACK_FAILED: 'Packing failed, or a lifecycle script did.',
  ERR_VERSION_EXISTS: 'The registry already has this version of the package.',
  ERR_REGISTRY_CREDENTIALS: 'The registry does not accept the credentials, or none are configured for it.',
  ERR_REGISTRY_OTP: 'The registry asks for a one-time password.',
  ERR_REGISTRY_REFUSED: 'The registry refuses the package.',
  ERR_REGISTRY_RESPONSE: 'The registry gives an answer that cannot be used.',
  ERR_READ_BACK: 'What the registry serves after publishing differs from what was published.',
  ERR_PUBLISH_UNFINISHED: 'A publish stopped half-way and can be resumed.',
  // Certificate authority and timestamp authority
  ERR_ISSUER_CONFIG: 'The configuration of identity issuers is malformed or contradicts itself.',
  ERR_TOKEN_REJECTED: 'An identity token is malformed, wrongly signed, out of time or not meant for this authority.',
  ERR_TOKEN_ISSUER: 'The issuer of an identity token is not one that the authority is configured to trust.',
  ERR_TOKEN_CLAIM: 'A claim of an identity token is missing, unusable or not allowed by the configuration.',
  ERR_TOKEN_REPLAYED: 'An identity token that may be used once was used before.',
  ERR_ISSUER_UNAVAILABLE: 'An identity issuer cannot be reached, or its discovery document or keys are unusable.',
  ERR_CSR_FORMAT: 'A certificate signing request (PKCS #10) is malformed.',
  ERR_KEY_WEAK: 'The public key is well-formed but too weak, or of a kind that the authority does not certify.',
  ERR_PROOF_OF_POSSESSION: 'The requester did not prove possession of the private key.',
  ERR_REQUEST: 'A request to a service is malformed.',
  ERR_CT_LOG: 'The certificate transparency log did not accept a certificate, or answered with an invalid SCT.',
  ERR_AUTHORITY_CHAIN: 'The certificate chain of an authority does not verify, or does not fit its key.',
  ERR_TIMESTAMP_REFUSED: 'The timestamp authority refuses to answer a request.',
  // Merkle trees, notes, checkpoints and tiles
  ERR_INCLUSION_PROOF: 'An inclusion proof is malformed or does not lead to the expected root.',
  ERR_CONSISTENCY_PROOF: 'A consistency proof is malformed, or the newer tree does not extend the older one.',
  ERR_NOTE_FORMAT: 'A signed note is malformed.',
  ERR_CHECKPOINT_FORMAT: 'A checkpoint is malformed.',
  ERR_TILE_PATH: 'A path does not name a tile or an entry bundle.',
  ERR_ENTRY_BUNDLE: 'An entry bundle is malformed.',
  // The private instance and its registry plugin
  ERR_INSTANCE: 'The data directory of an instance is missing, unfinished or contradicts itself.',
  ERR_INSTANCE_BUSY: 'Another process uses the data directory of the instance.',
  ERR_INSTANCE_CONFIG: 'The file instance.yaml or an option of the instance is malformed.',
  ERR_INSTANCE_FORMAT: 'The data directory was written by a newer version.',
  ERR_INSTANCE_URL: 'The public URL is not the one that was fixed when the instance was created.',
  ERR_DEVELOPMENT_ONLY: 'A development feature was asked of an instance that is not for development.',
  ERR_PLUGIN_CONFIG: 'The configuration of the registry plugin is malformed; the registry does not start.',
  ERR_PLUGIN_INACTIVE: 'The registry came up without its plugin and was stopped.',
  ERR_PUBLISH_FORBIDDEN: 'The registry does not take this package, or not from this user.',
  ERR_EVIDENCE_MISSING: 'A package was published without the signed evidence that the registry demands.',
  ERR_EVIDENCE_REFUSED: 'The evidence does not verify, is about other bytes, or its signer may not publish the package.',
  ERR_REGISTRY_STORAGE: 'The storage of the registry failed.',
  // JSON documents
  ERR_BUNDLE_FORMAT: 'A Sigstore bundle lacks a field, has an unknown one, or breaks a rule of its version.',
  ERR_ENVELOPE_FORMAT: 'A DSSE envelope is malformed.',
  ERR_STATEMENT_FORMAT: 'The signed payload is not a well-formed in-toto statement.',
  ERR_LOG_ENTRY_FORMAT: 'A transparency log entry or its canonical body is malformed or of an unknown kind.',
  ERR_TRUSTED_ROOT_FORMAT: 'A trusted root is malformed, of an unknown version, or lacks a validity start.',
  ERR_SIGNING_CONFIG_FORMAT: 'A signing config is malformed or of an unknown version.',
  ERR_SERVICE_UNAVAILABLE: 'The signing config has not enough usable services of a kind.',
} as const;

/** A stable error code, a key of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;
