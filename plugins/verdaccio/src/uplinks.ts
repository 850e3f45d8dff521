import { SignetError } from '@signet/primitives/formats';
import type { ProxiedEvidence } from './batch.ts';
import type { PluginConfiguration } from './configuration.ts';
import type { OwnedNames } from './names.ts';
import { Refusal } from './refusal.ts';
import type { RuleFiles } from './rules.ts';
import type { ServedKey } from './served-keys.ts';
import type { EvidenceStorage } from './storage.ts';
import { UplinkAttestations } from './uplink-attestations.ts';
import { uplinkEndpoint } from './uplink-endpoint.ts';
import { UplinkGate } from './uplink-gate.ts';
import { type ProxiedProof, UplinkJudge } from './uplink-judge.ts';
import { readUplinkKeys, servedUplinkKeys } from './uplink-keys.ts';
import type { UplinkStorage } from './uplink-storage.ts';
import type { Auth, Logger, Middleware, Storage } from './verdaccio-host.ts';
import { type ProxyingStorage, Verdaccio6Uplinks } from './verdaccio6-uplinks.ts';

/** What else the plugin needs to know of uplinks, while it looks at what they send. */
export interface OpenUplinks {
  /** Pinned keys, as clients are told of them. */
  readonly keys: readonly ServedKey[];
  readonly endpoint: Middleware;
  readonly evidenceOf: ProxiedEvidence;
  /** Judges a version that is known here. @throws a refusal, as the gate would */
  readonly proofOf: ProofOfProxied;
}

/** @returns undefined when there is no such version here */
export type ProofOfProxied = (name: string, version: string) => Promise<ProxiedProof | undefined>;

/** What uplinks are watched with. */
export interface UplinkParts {
  readonly configuration: PluginConfiguration;
  readonly auth: Auth;
  readonly storage: EvidenceStorage;
  readonly verdaccioStorage: Storage;
  readonly rules: RuleFiles;
  readonly logger: Logger;
}

/**
 * Stands guard over what uplinks send. Owned names are kept from them in every mode.
 *
 * @returns undefined in mode `off`, or when there are no uplinks
 * @throws ERR_PLUGIN_CONFIG when Verdaccio's own configuration would lead around it
 */
export function openUplinks(parts: UplinkParts): OpenUplinks | undefined {
  const { configuration, auth, storage, verdaccioStorage, rules, logger } = parts;
  const { names, uplinks: settings, limits } = configuration;
  const uplinks = new Verdaccio6Uplinks(verdaccioStorage as unknown as ProxyingStorage);
  checkPatterns(uplinks, names);
  const mode = uplinks.proxiedPatterns.length === 0 ? 'off' : settings.mode;
  // npm takes nothing but the path from the pointer of another registry; below a path of its own that would lead elsewhere.
  const { publicUrl } = configuration;
  if (mode !== 'off' && publicUrl !== undefined && new URL(publicUrl).pathname !== '/') uplinks.pointTo(publicUrl);
  const keys = mode === 'off' ? [] : readUplinkKeys(settings.keys);
  const refresh = settings.refreshSeconds * 1000;
  const attestations = new UplinkAttestations({ uplinks, storage, refresh, logger });
  const judge = new UplinkJudge({
    configuration: { ...settings, mode },
    policyFile: configuration.policy,
    keys,
    rules,
    attestations,
  });
  new UplinkGate({ names, mode, storage, uplinks, judge, rules, lifetime: limits.verdictSeconds * 1000, logger });
  if (mode === 'off') return undefined;
  const [uncached] = uplinks.withoutCache;
  if (uncached !== undefined) {
    throw bad(
      `uplinks.${uncached} has cache: false, so that its tarballs cannot be checked before they are served; take that out, or set signet.uplinks to off`,
    );
  }
  return {
    keys: servedUplinkKeys(keys),
    endpoint: uplinkEndpoint({ names, auth, uplinks, attestations }),
    proofOf: async (name, version) => {
      const known = await uplinks.known(name, version);
      return known === undefined ? undefined : judge.examine(known);
    },
    evidenceOf: async (name, version) => {
      if (uplinks.uplinksOf(name).length === 0) return undefined;
      const known = await uplinks.known(name, version);
      // No uplink is asked about thousands of versions at once, and silence would be taken for "none".
      if (known === undefined)
        throw new Refusal(404, 'ERR_EVIDENCE_MISSING', 'not known here yet; ask for it by itself');
      const document = known.advertised ? await attestations.of(name, version) : undefined;
      // As it came, for the client to judge.
      const members = (document?.attestations ?? []).map((attestation) => JSON.stringify(attestation));
      return { integrity: known.integrity, members };
    },
  };
}

/** An owned name with an uplink would be anybody's who has the name there. */
function checkPatterns(uplinks: UplinkStorage, names: OwnedNames): void {
  for (const pattern of names.patterns) {
    // A name of the scope that no other pattern of Verdaccio's could be made for.
    const example = pattern.replace(/\*$/, 'signet-0-example');
    const [uplink] = uplinks.uplinksOf(example);
    if (uplink !== undefined) throw bad(owned(pattern, uplink));
  }
  for (const pattern of uplinks.proxiedPatterns) {
    if (names.has(pattern)) throw bad(owned(pattern, uplinks.uplinksOf(pattern)[0] ?? 'an uplink'));
  }
}

function owned(pattern: string, uplink: string): string {
  return `signet.names owns ${pattern}, but packages sends it to ${uplink}; give it an entry of its own without proxy, before the others`;
}

function bad(problem: string): SignetError {
  return new SignetError('ERR_PLUGIN_CONFIG', `Verdaccio's configuration: ${problem}`);
}
