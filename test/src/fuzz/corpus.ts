import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decidedByPolicy, TrustMaterial, type VerifyOptions } from '@signet/client/verify';
import { fromBase64, parsePem } from '@signet/primitives/formats';
import { conformanceCases, dataFolder, publicGoodRootFile } from '../conformance/cases.ts';

/** A real bundle with what it verifies against. */
export interface Sample {
  readonly name: string;
  readonly bundle: Readonly<Record<string, unknown>>;
  /** JSON value of the trusted root. */
  readonly trustedRoot: unknown;
  readonly options: VerifyOptions;
}

function parse(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
}

function conformanceSamples(): Sample[] {
  const accepted = (conformanceCases() ?? []).filter(({ mustFail }) => !mustFail);
  return accepted.map((one) => {
    const trustedRoot: unknown = parse(one.trustedRootFile);
    const key = one.keyFile === undefined ? undefined : parsePem(readFileSync(one.keyFile, 'utf8'), 'key')[0];
    return {
      name: one.name,
      bundle: parse(one.bundleFile),
      trustedRoot,
      options: {
        trust: TrustMaterial.fromTrustedRoot(trustedRoot),
        artifact: readFileSync(one.artifactFile),
        ...(key === undefined
          ? { identities: [{ issuer: one.issuer, subject: one.identity }] }
          : { key: { publicKey: key.bytes } }),
      },
    };
  });
}

interface RegistryKeys {
  readonly keys: readonly { readonly keyId: string; readonly publicKey: { readonly rawBytes: string } }[];
}

function packageSamples(): Sample[] {
  const folder = join(dataFolder, 'npm-attestations');
  if (!existsSync(folder)) return [];
  const trustedRoot: unknown = parse(publicGoodRootFile);
  const trust = TrustMaterial.fromTrustedRoot(trustedRoot);
  const { keys } = parse(join(folder, 'npm-registry-keys.json')) as unknown as RegistryKeys;
  const files = readdirSync(folder).filter((file) => file.includes('__') && file.endsWith('.json'));
  return files.flatMap((file) => {
    const document = parse(join(folder, file)) as { attestations?: readonly { bundle: Record<string, unknown> }[] };
    const bundles = document.attestations?.map(({ bundle }) => bundle) ?? [document as Record<string, unknown>];
    return bundles.map((bundle, index): Sample => {
      const { publicKey } = bundle.verificationMaterial as { publicKey?: { hint: string } };
      const known = keys.find(({ keyId }) => keyId === publicKey?.hint);
      const key = known === undefined ? {} : { key: { publicKey: fromBase64(known.publicKey.rawBytes) } };
      const options: VerifyOptions = { trust, identities: decidedByPolicy, ...key };
      return { name: `${file} ${index}`, bundle, trustedRoot, options };
    });
  });
}

/** The real bundles in the data folder that verify; none where the folder is absent. */
export function samples(): Sample[] {
  return [...conformanceSamples(), ...packageSamples()];
}
