export type { TrustMaterialOptions } from '../trust/index.ts';
export { loadTrustMaterial, TrustMaterial } from '../trust/index.ts';
// Single rules of `verifyBundle`, for the signer, who checks each service's answer before going on to the next.
export { verifyCertificatePath } from './certificate.ts';
export * from './identity.ts';
export { type ProvenLogEntry, verifyLogEntry } from './log-entry.ts';
export * from './options.ts';
export { verifyScts } from './scts.ts';
export { verifyTimestamp } from './timestamps.ts';
export * from './verified-bundle.ts';
export * from './verify-all.ts';
export * from './verify-bundle.ts';
export * from './verify-stream.ts';
export type { VerifiedCosignature } from './witnesses.ts';
