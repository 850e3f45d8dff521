export type { TrustMaterialOptions } from '../trust/index.ts';
export { loadTrustMaterial, TrustMaterial } from '../trust/index.ts';
export * from './identity.ts';
export * from './options.ts';
export * from './verified-bundle.ts';
export * from './verify-bundle.ts';
