export type { InstanceDescription } from './description.ts';
export {
  checkEmail,
  type DevelopmentKeys,
  emailClaims,
  githubClaims,
  mintToken,
  readDevelopmentKeys,
} from './development/index.ts';
export type { FirstPublisher } from './first-files.ts';
export { freePort } from './http-server.ts';
export { type InitOptions, type Instance, initInstance, openInstance } from './initialize.ts';
export { checkOwnedName, type InstanceConfiguration } from './instance-file.ts';
export type { InstanceLayout } from './layout.ts';
export { createNpmToken } from './npm-token.ts';
export type { InstanceUrls } from './public-url.ts';
export { type RunningInstance, type StartOptions, startInstance } from './start.ts';
