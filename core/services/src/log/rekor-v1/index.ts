export type { RekorV1Trees } from './rekor-v1-log.ts';
export { RekorV1Tree, type RekorV1TreeOptions } from './rekor-v1-tree.ts';
export { type RekorV1Options, rekorV1Routes } from './routes.ts';
