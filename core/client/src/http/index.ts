export * from './body.ts';
export * from './json.ts';
export * from './request.ts';
export * from './transport.ts';
