export { addTrustRoot, emptyPolicy, type TrustRootEntry } from './add-trust-root.ts';
export { describeIdentity, type PinContext } from './check-pin.ts';
export { describeChanges } from './describe-changes.ts';
export { addException, addRules, type ExceptionEntry, type ProvenPackage, suggestPolicy } from './edit-policy.ts';
export * from './evaluate.ts';
export * from './exceptions.ts';
export * from './facts.ts';
export { type Layer, layerPolicies } from './layer-policies.ts';
export { lintPolicy } from './lint-policy.ts';
export { matchesName, type NamePattern, parseNamePattern } from './name-pattern.ts';
export * from './ownership.ts';
export * from './parse-policy.ts';
export * from './pin.ts';
export * from './policy.ts';
export { type PolicyCase, parsePolicyCases } from './policy-cases.ts';
export {
  compareSigner,
  type GithubPublisher,
  type KeyPublisher,
  type OidcPublisher,
  type Publisher,
} from './publisher.ts';
export * from './trust-lock.ts';
export { isInRange, isVersionRange } from './version-range.ts';
export * from './violation.ts';
