/** What the exit code of `signet` means (ARCHITECTURE "Errors"). */
export const exitCodes = {
  ok: 0,
  internal: 1,
  usage: 2,
  policyDenied: 10,
  evidenceInvalid: 11,
  trustRoot: 12,
  network: 13,
  trustFrozen: 14,
  registryRefused: 15,
  unfinished: 16,
  logInconsistent: 20,
} as const;

/**
 * Exit codes by error code: whole codes first, then beginnings, the first that fits. What stands in no line is internal
 * (1); a test shows that every code of the table of errors has its line.
 */
const exact: Readonly<Record<string, number>> = {
  ERR_USAGE: exitCodes.usage,
  ERR_NOT_INSTALLED: exitCodes.usage,
  ERR_CONFIGURATION: exitCodes.usage,
  ERR_PACKAGE: exitCodes.usage,
  ERR_PACKAGE_PRIVATE: exitCodes.usage,
  ERR_PACK_FAILED: exitCodes.internal,
  ERR_IDENTITY_REQUIRED: exitCodes.usage,
  ERR_IDENTITY_TIMEOUT: exitCodes.network,
  ERR_IDENTITY_PROVIDER: exitCodes.network,
  ERR_OFFLINE: exitCodes.network,
  ERR_SERVICES: exitCodes.network,
  ERR_CA_REFUSED: exitCodes.network,
  ERR_TSA_REFUSED: exitCodes.network,
  ERR_LOG_REFUSED: exitCodes.network,
  ERR_RESPONSE_TOO_LARGE: exitCodes.network,
  ERR_VERSION_EXISTS: exitCodes.registryRefused,
  ERR_READ_BACK: exitCodes.evidenceInvalid,
  ERR_PUBLISH_UNFINISHED: exitCodes.unfinished,
  ERR_KEY_FILE: exitCodes.usage,
  ERR_REGISTRY_KEY: exitCodes.evidenceInvalid,
  ERR_PACKAGE_NAME: exitCodes.usage,
  ERR_PURL: exitCodes.evidenceInvalid,
};

const beginnings: readonly (readonly [string, number])[] = [
  ['ERR_LOG_INCONSISTENT', exitCodes.logInconsistent],
  ['ERR_POLICY_DENIED', exitCodes.policyDenied],
  ['ERR_POLICY', exitCodes.usage],
  ['ERR_TRUST_FROZEN', exitCodes.trustFrozen],
  ['ERR_TRUST', exitCodes.trustRoot],
  ['ERR_NETWORK', exitCodes.network],
  ['ERR_HTTP', exitCodes.network],
  ['ERR_REGISTRY', exitCodes.registryRefused],
  ['ERR_IDENTITY_TOKEN', exitCodes.usage],
  ['ERR_CA', exitCodes.evidenceInvalid],
  ['ERR_TSA', exitCodes.evidenceInvalid],
  ['ERR_LOG', exitCodes.evidenceInvalid],
  ['ERR_ENCODING', exitCodes.evidenceInvalid],
  ['ERR_DER', exitCodes.evidenceInvalid],
  ['ERR_JSON', exitCodes.evidenceInvalid],
  ['ERR_INPUT_TOO_LARGE', exitCodes.evidenceInvalid],
  ['ERR_KEY', exitCodes.evidenceInvalid],
  ['ERR_DIGEST', exitCodes.evidenceInvalid],
  ['ERR_CERT', exitCodes.evidenceInvalid],
  ['ERR_SCT', exitCodes.evidenceInvalid],
  ['ERR_TIMESTAMP', exitCodes.evidenceInvalid],
  ['ERR_BUNDLE', exitCodes.evidenceInvalid],
  ['ERR_SIGNATURE', exitCodes.evidenceInvalid],
  ['ERR_LOCKFILE', exitCodes.usage],
  ['ERR_INTEGRITY', exitCodes.evidenceInvalid],
  ['ERR_PUBLISH_DOCUMENT', exitCodes.usage],
  ['ERR_TARBALL', exitCodes.evidenceInvalid],
  ['ERR_ATTESTATION', exitCodes.evidenceInvalid],
  ['ERR_PROVENANCE', exitCodes.evidenceInvalid],
  ['ERR_EVIDENCE', exitCodes.evidenceInvalid],
  ['ERR_INSTALLED_TREE', exitCodes.evidenceInvalid],
];

/** The exit code for an error code, or undefined for a code that has no line. */
export function exitCodeFor(errorCode: string): number | undefined {
  return exact[errorCode] ?? beginnings.find(([beginning]) => errorCode.startsWith(beginning))?.[1];
}
