export type { RoleKeys, TargetContent, TargetSet } from './build.ts';
export * from './repository.ts';
export * from './roles.ts';
export * from './routes.ts';
