export * from './certificate-rules.ts';
export * from './trust-material.ts';
export * from './trusted-authority.ts';
export * from './trusted-log.ts';
