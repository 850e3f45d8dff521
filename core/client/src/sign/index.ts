export * from './certificate-identity.ts';
export * from './complete-bundle.ts';
export * from './expected-certificate.ts';
export * from './instance.ts';
export { type TokenRequirements, tokenRequirements } from './possession.ts';
export * from './sign-statement.ts';
export * from './sign-with-key.ts';
export * from './signing-services.ts';
export * from './signing-session.ts';
