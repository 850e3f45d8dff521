import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  examineAttestationDocument,
  parseIntegrity,
  type RegistryKey,
  type VerifiedAttestation,
  verifyRegistrySignatures,
} from '@signet/client/npm';
import {
  type AttestationFacts,
  evaluatePolicy,
  matchesName,
  type Policy,
  registrySignatureType,
  type TrustRootReference,
} from '@signet/client/policy';
import { TrustMaterial } from '@signet/client/trust';
import { publicGoodTrustedRoot } from '@signet/client/trust/tuf';
import { inert, SignetError } from '@signet/primitives/formats';
import { withExpressions } from './expressions.ts';
import { asRefusal, Refusal } from './refusal.ts';
import type { RuleFiles } from './rules.ts';
import type { AttestationDocument, UplinkAttestations } from './uplink-attestations.ts';
import type { UplinkConfiguration } from './uplink-configuration.ts';
import type { ProxiedVersion } from './uplink-storage.ts';

/** What the judge works with. */
export interface UplinkJudgeParts {
  readonly configuration: UplinkConfiguration;
  /** The policy's file, to whose folder its paths are relative. */
  readonly policyFile: string;
  readonly keys: readonly RegistryKey[];
  readonly rules: RuleFiles;
  readonly attestations: UplinkAttestations;
}

/** What is proven about a version of an uplink. */
export interface ProxiedProof {
  /** Whether its registry signed name, version and bytes, under a pinned key. */
  readonly signed: boolean;
  readonly attestations: readonly VerifiedAttestation[];
}

/** The root for names that no other owns, where the policy names none. */
const publicGood: TrustRootReference = {
  name: 'sigstore-public-good',
  source: { kind: 'builtin', builtin: 'sigstore-public-good' },
};

/**
 * Judges what uplinks say of a version: registry signatures under pinned keys, attestations under the root for names that nobody
 * owns, then the operator's policy. What is there must hold; `require` wants the registry's signature to be there as well.
 */
export class UplinkJudge {
  readonly #parts: UplinkJudgeParts;
  #trust: { readonly reference: TrustRootReference; readonly material: TrustMaterial } | undefined;

  /** @throws ERR_PLUGIN_CONFIG when the trusted root cannot be used */
  constructor(parts: UplinkJudgeParts) {
    this.#parts = parts;
    if (parts.configuration.mode === 'off') return;
    try {
      this.#material(rootFor(parts.rules.current().policy));
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause);
      const message = `Verdaccio's configuration, middlewares: the trusted root of signet.uplinks cannot be used: ${problem}`;
      throw new SignetError('ERR_PLUGIN_CONFIG', message, { cause });
    }
  }

  /**
   * Lets a version pass, or says why not. Its bytes are for somebody else to compare with its integrity.
   *
   * @throws a refusal: 403 when evidence is false or missing, 503 when it cannot be had now
   */
  async examine(proxied: ProxiedVersion): Promise<ProxiedProof> {
    const { configuration, rules, keys } = this.#parts;
    const { name, version, integrity } = proxied;
    const subject = `${name}@${version}`;
    const required = configuration.mode === 'require';
    if (integrity === undefined || !isSingleSha512(integrity)) {
      if (integrity === undefined && !required) return { signed: false, attestations: [] };
      throw refused('ERR_INTEGRITY_FORMAT', `${subject} comes from its uplink without a single sha512`);
    }
    const signature = this.#signature(proxied, integrity);
    if (signature === undefined && required) {
      throw refused('ERR_EVIDENCE_MISSING', `${subject} comes without a signature of its registry under a pinned key`);
    }
    const { policy } = rules.recent();
    const root = rootFor(policy);
    const effective = policy.trustRoots.includes(root)
      ? policy
      : { ...policy, trustRoots: [...policy.trustRoots, root] };
    const concerned = policy.rules.some(({ match }) => matchesName(match, name, version));
    const document = await this.#document(proxied, concerned);
    const attestations: AttestationFacts[] =
      signature === undefined ? [] : [{ ...signature, verified: { ...signature.verified, trustRoot: root.name } }];
    let verified: readonly VerifiedAttestation[] = [];
    if (document !== undefined) {
      const trust = this.#material(root);
      const examined = examineAttestationDocument(document, { name, version, integrity, trust, registryKeys: keys });
      const [false_] = examined.invalid;
      if (false_ !== undefined)
        throw refused(false_.error.code, `The evidence for ${subject} does not hold: ${false_.error.message}`);
      verified = examined.attestations;
      attestations.push(...verified);
    }
    const decision = evaluatePolicy(effective, {
      name,
      version,
      integrity,
      attestations: await withExpressions(effective, proxied, attestations),
    });
    const denied = decision.violations.filter(
      // In `verify` a name that no rule speaks of passes, whatever the policy says of those.
      ({ severity, code }) => severity === 'error' && (required || code !== 'TP101'),
    );
    if (denied.length === 0) return { signed: signature !== undefined, attestations: verified };
    const reasons = denied.map(({ code, message, expected, found }) => {
      const difference = expected === undefined ? '' : `, expected ${expected}, found ${found ?? 'nothing'}`;
      return `${message}${difference} (${code})`;
    });
    throw refused('ERR_EVIDENCE_REFUSED', `${subject} is not passed on from its uplink: ${reasons.join('; ')}`);
  }

  /** What the registry that has the version says of it, proven; undefined when it says nothing. */
  #signature(
    { name, version, signatures, published }: ProxiedVersion,
    integrity: string,
  ): AttestationFacts | undefined {
    if (signatures === undefined || signatures === null) return undefined;
    try {
      const [key] = verifyRegistrySignatures(signatures, {
        name,
        version,
        integrity,
        registryKeys: this.#parts.keys,
        // As npm: the registry's word, so that who steals a key that has ended can date back what it signs with it.
        ...(published === undefined ? {} : { published }),
      });
      if (key === undefined) return undefined;
      return {
        predicateType: registrySignatureType,
        predicate: {},
        verified: { signer: { kind: 'key', hint: key.keyId }, timestamps: [], logEntries: [], trustRoot: '' },
      };
    } catch (error) {
      if (!(error instanceof SignetError)) throw error;
      throw refused(error.code, describe(error));
    }
  }

  /** @param needed whether the policy asks for evidence that nobody told of */
  async #document(
    { name, version, advertised }: ProxiedVersion,
    needed: boolean,
  ): Promise<AttestationDocument | undefined> {
    if (!advertised && !needed) return undefined;
    let document: AttestationDocument | undefined;
    try {
      document = await this.#parts.attestations.of(name, version);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Refusal(
        503,
        'ERR_SERVICE_UNAVAILABLE',
        `The evidence for ${name}@${version} cannot be had: ${reason}`,
        error,
      );
    }
    // Clients take the pointer for provenance without looking (pnpm's trustPolicy).
    if (document !== undefined || !advertised) return document;
    throw refused(
      'ERR_EVIDENCE_MISSING',
      `The uplink says that there is evidence for ${name}@${version}, and has none`,
    );
  }

  #material(reference: TrustRootReference): TrustMaterial {
    if (this.#trust?.reference === reference) return this.#trust.material;
    const { configuration, policyFile } = this.#parts;
    const { name, source, issuers } = reference;
    let bytes: Uint8Array;
    if (configuration.trustedRoot !== undefined) bytes = readFileSync(configuration.trustedRoot);
    else if (source.kind === 'file') bytes = readFileSync(resolve(policyFile, '..', source.path));
    else if (source.kind === 'builtin') bytes = publicGoodTrustedRoot();
    else {
      throw new SignetError(
        'ERR_TRUST_MATERIAL',
        `the policy's root ${name} comes by TUF; export it (signet trust export) and name the file as signet.uplinks.trustedRoot`,
      );
    }
    const material = TrustMaterial.fromTrustedRoot(bytes, { name, ...(issuers === undefined ? {} : { issuers }) });
    this.#trust = { reference, material };
    return material;
  }
}

/** The policy's root for names that no other owns. Of several the policy itself speaks, as none then counts. */
function rootFor({ trustRoots }: Policy): TrustRootReference {
  return trustRoots.find(({ packages }) => packages === undefined) ?? publicGood;
}

function isSingleSha512(integrity: string): boolean {
  try {
    parseIntegrity(integrity);
    return true;
  } catch {
    return false;
  }
}

function describe(error: SignetError): string {
  const refusal = asRefusal(error);
  return refusal instanceof Error ? refusal.message : inert(error.message);
}

function refused(code: ConstructorParameters<typeof Refusal>[1], message: string): Refusal {
  return new Refusal(403, code, message);
}
