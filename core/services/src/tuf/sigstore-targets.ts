import {
  type AuthorityInstance,
  isWithin,
  type LogInstance,
  parseTrustedRoot,
  toPem,
  utf8,
} from '@signet/primitives/formats';
import type { TargetContent, TargetSet } from './build.ts';

/** What an instance publishes through its trust root. */
export interface PublishedTrust {
  /** JSON text of a TrustedRoot. */
  readonly trustedRoot: string;
  /** JSON text of a SigningConfig v0.2. */
  readonly signingConfig: string;
  /** JSON text of a ClientTrustConfig: both of them in one, for sigstore-python. */
  readonly clientTrustConfig: string;
  /** JSON text of the registry's signing keys, as `/-/npm/v1/keys` answers. */
  readonly registryKeys?: { readonly host: string; readonly text: string };
}

/**
 * The targets by which Sigstore's clients know them, and beside them every key as a file of its own with its usage, which is
 * all that cosign before version 2.6 looks at. Nothing that was ever trusted is left out; what has ended is marked as expired.
 *
 * @throws ERR_TRUSTED_ROOT_FORMAT
 */
export function sigstoreTargets(trust: PublishedTrust, now: Date): TargetSet {
  const root = parseTrustedRoot(trust.trustedRoot);
  const targets = new Map<string, TargetContent>([
    ['trusted_root.json', { bytes: utf8(trust.trustedRoot) }],
    ['signing_config.v0.2.json', { bytes: utf8(trust.signingConfig) }],
    ['client_trust_config.json', { bytes: utf8(trust.clientTrustConfig) }],
  ]);
  if (trust.registryKeys !== undefined) {
    const { host, text } = trust.registryKeys;
    targets.set(`${host}/keys.json`, { bytes: utf8(text) });
  }
  const add = (name: string, pem: string, usage: string, instance: AuthorityInstance | LogInstance, uri: string) => {
    const status = isWithin({ ...instance.validFor, start: new Date(0) }, now) ? 'Active' : 'Expired';
    targets.set(name, { bytes: utf8(pem), custom: { sigstore: { usage, status, uri } } });
  };
  for (const [index, authority] of root.certificateAuthorities.entries()) {
    for (const [name, pem] of certificateFiles('fulcio', authority, index))
      add(name, pem, 'Fulcio', authority, authority.uri);
  }
  for (const [index, authority] of root.timestampAuthorities.entries()) {
    for (const [name, pem] of certificateFiles('tsa', authority, index))
      add(name, pem, 'TSA', authority, authority.uri);
  }
  for (const [index, log] of root.tlogs.entries()) {
    add(`rekor${suffix(index)}.pub`, toPem('PUBLIC KEY', log.publicKey), 'Rekor', log, log.baseUrl);
  }
  for (const [index, log] of root.ctlogs.entries()) {
    add(`ctfe${suffix(index)}.pub`, toPem('PUBLIC KEY', log.publicKey), 'CTFE', log, log.baseUrl);
  }
  return targets;
}

/** One file a certificate, named as Sigstore's own repository names them. */
function certificateFiles(
  kind: 'fulcio' | 'tsa',
  { certificates }: AuthorityInstance,
  index: number,
): readonly (readonly [string, string])[] {
  const last = certificates.length - 1;
  return certificates.map((bytes, depth) => {
    const pem = toPem('CERTIFICATE', bytes);
    if (kind === 'fulcio') {
      const between = last > 1 ? `${depth}_` : '';
      const role = depth === last ? '' : `intermediate_${between}`;
      return [`fulcio_${role}v${index + 1}.crt.pem`, pem];
    }
    const role = depth === last ? 'root' : depth === 0 ? 'leaf' : `intermediate_${depth - 1}`;
    return [`tsa_${role}${suffix(index)}.crt.pem`, pem];
  });
}

function suffix(index: number): string {
  return index === 0 ? '' : `_${index + 1}`;
}
