export * from './key-file.ts';
export * from './memory.ts';
export * from './signer.ts';
