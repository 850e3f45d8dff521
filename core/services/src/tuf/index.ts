export type { RoleKeys, TargetContent, TargetSet } from './build.ts';
export type { SignatureCount } from './metadata.ts';
export * from './proposal.ts';
export * from './repository.ts';
export * from './roles.ts';
export * from './routes.ts';
export * from './sigstore-targets.ts';
