export * from './evaluate.ts';
export * from './exceptions.ts';
export * from './facts.ts';
export { matchesName, type NamePattern, parseNamePattern } from './name-pattern.ts';
export * from './ownership.ts';
export * from './parse-policy.ts';
export * from './policy.ts';
export type { GithubPublisher, OidcPublisher, Publisher } from './publisher.ts';
export * from './violation.ts';
