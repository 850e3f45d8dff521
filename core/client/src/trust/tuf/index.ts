export * from './archive.ts';
export * from './first-root.ts';
export { publicGoodTrustedRoot, publicGoodUrl } from './public-good.ts';
export * from './trust-store.ts';
export { type RootFacts, readRoot } from './verify-copy.ts';
