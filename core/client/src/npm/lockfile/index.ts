// Names, hashes and lockfiles: what can be read without knowing how anything is verified. A room of its own, so that a run in
// which everything is known already loads no more than this.
export * from './any-lockfile.ts';
export * from './integrity.ts';
export { isJsonObject, type JsonObject, JsonReader, own } from './json-value.ts';
export * from './package-lock.ts';
export * from './package-name.ts';
export * from './package-spec.ts';
export * from './purl.ts';
