export {
  assertIntegrity,
  assertPackageVersion,
  baseName,
  integrityOfDigest,
  isExactVersion,
  isInstallableName,
  isJsonObject,
  isPackageName,
  type JsonObject,
  type LockedPackage,
  own,
  type PackageLock,
  type PackageSource,
  parseIntegrity,
  parsePurl,
  readPackageLock,
  sha512Integrity,
  toPurl,
} from '../npm/lockfile/index.ts';
export * from './attestation.ts';
export * from './create-publish-document.ts';
export * from './provenance.ts';
export * from './publish-document.ts';
export * from './registry-keys.ts';
export * from './tarball.ts';
