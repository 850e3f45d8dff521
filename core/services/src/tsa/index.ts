export * from './create-timestamp-chain.ts';
export * from './routes.ts';
export * from './timestamp-authority.ts';
