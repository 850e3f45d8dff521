// What every program needs before it knows which formats it will meet; the entry point `@signet/primitives/basics`. A command that
// reads no certificate starts without the readers of certificates.
export * from './bytes.ts';
export * from './closest.ts';
export * from './describe-value.ts';
export type { ErrorCode } from './error-codes.ts';
export * from './errors.ts';
export * from './inert.ts';
export * from './json.ts';
export * from './redact.ts';
