export * from './npm-configuration.ts';
export * from './pack.ts';
export * from './preflight.ts';
export * from './provenance.ts';
export * from './publish-job.ts';
export * from './publish-package.ts';
export * from './publish-report.ts';
export * from './registry-client.ts';
