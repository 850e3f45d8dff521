export { evaluateExpressions, expressionsFor } from './cel.ts';
export * from './evidence.ts';
export * from './evidence-batch.ts';
export * from './judge-package.ts';
export * from './npm-settings.ts';
export * from './preflight.ts';
export * from './registry-version.ts';
export * from './releases.ts';
export * from './verify-ahead.ts';
