export {
  type CertificateLog,
  type CertificateLogOptions,
  openCertificateLog,
  type SignedTreeHead,
} from './ct/certificate-log.ts';
export { type CtOptions, ctRoutes } from './ct/routes.ts';
export type { BatchLimits } from './engine/log-engine.ts';
export { type RekorV2Options, rekorV2Routes } from './rekor/routes.ts';
export {
  type LoggedEntry,
  logOrigin,
  openTransparencyLog,
  type TransparencyLog,
  type TransparencyLogOptions,
} from './transparency-log.ts';
