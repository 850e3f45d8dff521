export * from './bytes.ts';
export * from './error-codes.ts';
export * from './errors.ts';
