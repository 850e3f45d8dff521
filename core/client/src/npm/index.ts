export * from './create-publish-document.ts';
export * from './integrity.ts';
export type { JsonObject } from './json-value.ts';
export * from './package-lock.ts';
export * from './package-name.ts';
export * from './publish-document.ts';
export * from './purl.ts';
export * from './tarball.ts';
