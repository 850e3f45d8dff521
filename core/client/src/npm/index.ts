export {
  assertIntegrity,
  assertPackageVersion,
  baseName,
  integrityOfDigest,
  isExactVersion,
  isHostedGit,
  isInstallableName,
  isJsonObject,
  isPackageName,
  type JsonObject,
  type LockedPackage,
  lockfileNames,
  own,
  type PackageLock,
  type PackageSource,
  type PackageSpec,
  parseIntegrity,
  parsePurl,
  readAnyLockfile,
  readPackageLock,
  readPackageSpec,
  sha512Integrity,
  toPurl,
} from '../npm/lockfile/index.ts';
export * from './attestation.ts';
export * from './create-publish-document.ts';
export * from './provenance.ts';
export * from './publish-document.ts';
export * from './registry-keys.ts';
export * from './registry-signature.ts';
export * from './tarball.ts';
