export * from './digest.ts';
export * from './public-key.ts';
export * from './verify-by-oid.ts';
export * from './verify-signature.ts';
