export type { InstanceDescription } from './description.ts';
export {
  checkEmail,
  type DevelopmentKeys,
  emailClaims,
  githubClaims,
  mintToken,
  readDevelopmentKeys,
} from './development/index.ts';
export type { InstanceEvent } from './events.ts';
export type { FirstPublisher } from './first-files.ts';
export { type Generations, type RotatedService, readGenerations, rotatedServices } from './generations.ts';
export { freePort } from './http-server.ts';
export { type InitOptions, type Instance, initInstance, openInstance } from './initialize.ts';
export { checkOwnedName, type InstanceConfiguration } from './instance-file.ts';
export type { InstanceLayout } from './layout.ts';
export { expiryWarning } from './maintenance.ts';
export type { OfflineKeys } from './material.ts';
export { createNpmToken } from './npm-token.ts';
export type { InstanceUrls } from './public-url.ts';
export { beginRotation, type Rotation, type RotationOptions, readRotations, switchTime } from './rotation.ts';
export { readIssuers, type ServiceName, serviceNames } from './services.ts';
export { type RunningInstance, type StartOptions, startInstance } from './start.ts';
