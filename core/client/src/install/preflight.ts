// What a run needs in which everything is known already; the entry point `@signet/client/preflight`. It loads no cryptography, no
// YAML and none of npm's libraries until something must be fetched, verified or read anew.

export { lockfileNames } from '../npm/lockfile/index.ts';
export { describeIdentity, trustLockFileName } from '../policy/index.ts';
export * from './committed-packages.ts';
export * from './evidence-file.ts';
export * from './install-scripts.ts';
export * from './installed-tree.ts';
export { assertFoldersTrusted, emptyLinkedFolders, foldersOfNamed } from './linked-folders.ts';
export * from './lockfile.ts';
export * from './lockfile-sync.ts';
export * from './npm-project.ts';
export * from './policy-file.ts';
export { readManifest } from './project-manifests.ts';
export * from './proven-facts.ts';
export * from './registry.ts';
export * from './report.ts';
export * from './run-npm.ts';
export * from './transport.ts';
export * from './trust-lock-file.ts';
export * from './trust-roots.ts';
export * from './trusted-ref.ts';
export * from './user-folders.ts';
export * from './verdict-cache.ts';
export * from './verify-lockfile.ts';
