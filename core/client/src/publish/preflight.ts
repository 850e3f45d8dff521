import { SignetError } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import { gt, parse } from 'semver';
import type { IdentityToken } from '../identity/index.ts';
import { sha512Integrity } from '../npm/index.ts';
import { keyHint } from '../sign/index.ts';
import { assertNpmjsTakes, isNpmjs } from './npmjs-rules.ts';
import type { PackedPackage } from './pack.ts';
import type { RegistryClient } from './registry-client.ts';
import { assertKeyAccepted, assertTokenAccepted, type RegistryPolicy, readRegistryPolicy } from './registry-policy.ts';
import { ReleaseRegistries } from './release-registries.ts';
import type { UploadWay } from './upload-way.ts';

/** What the registry said before anything public happened. */
export interface Preflight {
  readonly registry: string;
  /** The user that will publish, where the registry says. */
  readonly user: string | undefined;
  readonly isNewPackage: boolean;
  /** By what the registry judges, where it says. */
  readonly policy: RegistryPolicy | undefined;
}

/**
 * Finds out what would keep the registry from taking the package, before a signature of it stands in a public log for ever
 * (npm/cli#7654): the version is free, the credentials are good, the tag does what is meant.
 *
 * @param tag the distribution tag and whether the author chose it
 * @throws ERR_VERSION_EXISTS, ERR_REGISTRY_CREDENTIALS, ERR_USAGE, and what reaching the registry throws
 */
export async function preflight(
  registry: RegistryClient,
  packed: PackedPackage,
  tag: { readonly name: string; readonly isChosen: boolean },
  registries: ReleaseRegistries = new ReleaseRegistries(),
): Promise<Preflight> {
  const { name, version } = packed;
  if (!tag.isChosen && (parse(version)?.prerelease.length ?? 0) > 0) {
    throw new SignetError(
      'ERR_USAGE',
      `${version} is a prerelease and would become "${tag.name}"; say --tag next, or another tag`,
    );
  }
  const [user, published, policy] = await Promise.all([
    registries.user(registry),
    registry.versions(),
    registries.policy(registry, () => policyOf(registry)),
  ]);
  if (published.integrities.has(version)) {
    const same = published.integrities.get(version) === sha512Integrity(packed.tarball);
    throw new SignetError(
      'ERR_VERSION_EXISTS',
      `${registry.url} has ${name}@${version} already${same ? ', with these very bytes' : ''}; raise the version in package.json`,
      { expected: 'a version that is free', found: version },
    );
  }
  const later = [...published.integrities.keys()].find(
    (one) => parse(one)?.prerelease.length === 0 && gt(one, version),
  );
  if (!tag.isChosen && later !== undefined) {
    throw new SignetError(
      'ERR_USAGE',
      `${name} has the later version ${later}, and ${version} would become "${tag.name}"; say --tag, for example --tag previous`,
    );
  }
  return { registry: registry.url, user, isNewPackage: published.integrities.size === 0, policy };
}

async function policyOf(registry: RegistryClient): Promise<RegistryPolicy | undefined> {
  const bundle = await registry.policy();
  return bundle === undefined ? undefined : readRegistryPolicy(bundle, registry.url);
}

/**
 * Finds out whether the registry will take the package from whom the token names, before a certificate is asked for.
 *
 * @throws ERR_EVIDENCE_REFUSED by a registry's published policy, ERR_PUBLISH_FORBIDDEN by the rules of npm's own registry
 */
export async function preflightIdentity(
  token: IdentityToken,
  { registry, policy, isNewPackage }: Preflight,
  packed: PackedPackage,
  more: { readonly access: 'public' | 'restricted' | undefined; readonly predicateTypes: readonly string[] },
): Promise<void> {
  const { name, version, tarball, manifest } = packed;
  const { access, predicateTypes } = more;
  if (policy !== undefined) {
    assertTokenAccepted(policy.policy, { name, version, integrity: sha512Integrity(tarball), predicateTypes }, token);
  }
  if (await isNpmjs(registry)) assertNpmjsTakes(token, manifest, { asked: access, isNewPackage });
}

/**
 * As {@link preflightIdentity}, for a lasting key.
 *
 * @throws ERR_EVIDENCE_REFUSED by a registry's published policy, ERR_PUBLISH_FORBIDDEN where registries want an identity
 */
export function preflightKey(
  signer: Signer,
  { registry, policy }: Preflight,
  packed: PackedPackage,
  more: { readonly upload: UploadWay; readonly predicateTypes: readonly string[] },
): void {
  const { name, version, tarball } = packed;
  const { upload, predicateTypes } = more;
  if (upload === 'npm') {
    throw new SignetError(
      'ERR_PUBLISH_FORBIDDEN',
      `${registry} takes the provenance of an identity alone, not of a key; nothing was signed. Leave out the key, and publish from a CI job`,
      { expected: 'an identity in a certificate', found: `the key ${keyHint(signer)}` },
    );
  }
  if (policy === undefined) return;
  assertKeyAccepted(policy, { name, version, integrity: sha512Integrity(tarball), predicateTypes }, signer);
}
