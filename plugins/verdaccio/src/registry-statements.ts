import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parseIntegrity, publishAttestationType, toPurl } from '@signet/client/npm';
import { type SigningServices, servicesFromSigningConfig, signStatementWithKey } from '@signet/client/sign';
import { parseSigningConfig, statementV1, toBase64, toHex, utf8 } from '@signet/primitives/formats';
import type { Release } from './evidence.ts';
import { bundleFileName } from './evidence-names.ts';
import type { NameLock } from './name-lock.ts';
import type { RegistrySigner } from './registry-signer.ts';
import type { RuleFiles, Rules } from './rules.ts';
import type { EvidenceStorage } from './storage.ts';

/** Where the registry's own statements are timestamped and logged. */
export type WitnessConfiguration =
  | {
      /** Base URL of a log with Rekor's v2 API. */
      readonly log: string;
      /** Timestamp authority (RFC 3161). */
      readonly tsa: string;
    }
  | {
      /** A SigningConfig v0.2 file, which is read anew for each statement: logs go on at another place now and then. */
      readonly signingConfig: string;
    };

/** Type of the statement in which a registry tells its policy. */
export const policyPredicateType = 'urn:signet:registry-policy:v1';

/** How long the log and the timestamp authority may take, milliseconds. Nobody waits for them. */
const patience = 30_000;

/** What the registry needs to make statements. */
export interface RegistryStatementsParts {
  readonly signer: RegistrySigner;
  readonly witnesses: WitnessConfiguration;
  /** What the registry calls itself. */
  readonly registry: string;
  readonly rules: RuleFiles;
  readonly storage: EvidenceStorage;
  readonly lock: NameLock;
  readonly onAttached: (name: string) => void;
}

/** Statements that the registry signs with its own key and has logged: what it accepted, and by which policy. */
export class RegistryStatements {
  readonly #parts: RegistryStatementsParts;
  readonly #policies = new Map<string, Promise<unknown>>();

  constructor(parts: RegistryStatementsParts) {
    this.#parts = parts;
  }

  /**
   * Says that the registry took a version, in npm's words (npm/attestation, specs/publish/v0.1), and stores it beside the
   * version. Asked for again it does nothing: one such statement is enough.
   */
  async attestPublish(release: Release, signal?: AbortSignal): Promise<void> {
    const { registry, rules, storage, lock, onAttached } = this.#parts;
    const { name, version, integrity } = release;
    const bundle = await this.#sign(
      {
        subject: [{ name: toPurl(name, version), digest: { sha512: toHex(parseIntegrity(integrity)) } }],
        predicateType: publishAttestationType,
        predicate: { name, version, registry },
      },
      rules.current(),
      signal,
    );
    const bytes = utf8(JSON.stringify(bundle));
    const base = name.slice(name.indexOf('/') + 1);
    const unlock = await lock.acquire(name);
    try {
      const stored = (await storage.readPackage(name))?.versions.get(version);
      // Unpublished in the meantime, and perhaps published again.
      if (stored?.integrity !== integrity) return;
      const file = bundleFileName(base, version, bytes);
      await storage.writeFile(name, file, bytes);
      await storage.announceFiles(name, new Map([[file, undefined]]));
      onAttached(name);
    } finally {
      unlock();
    }
  }

  /**
   * The policy and the trusted root in force as one signed bundle: the statement's subjects are the two files by their sha256, its
   * predicate holds their text. Signed once for each content and kept in the storage, so that asking fills no log.
   */
  policy(): Promise<unknown> {
    const rules = this.#parts.rules.current();
    const key = `${rules.id}${this.#parts.signer.keyId}`;
    const known = this.#policies.get(key);
    if (known !== undefined) return known;
    const making = this.#makePolicy(rules);
    this.#policies.set(key, making);
    making.catch(() => this.#policies.delete(key));
    return making;
  }

  async #makePolicy(rules: Rules): Promise<unknown> {
    const { storage, signer, registry } = this.#parts;
    const place = `.signet-policy/${sha256(`${rules.id} ${signer.keyId}`).slice(0, 40)}`;
    const kept = (await storage.readDocument(place)) as
      | { readonly format?: unknown; readonly bundle?: unknown }
      | undefined;
    if (kept?.format === 1 && kept.bundle !== undefined) return kept.bundle;
    const { policyText: policy, trustedRootText: trustedRoot } = rules;
    // The policy names files; whose keys these are an author can compare before signing.
    const keys = rules.publisherKeys.map(({ publisher, publicKey }) => [publisher, toBase64(publicKey)] as const);
    const publisherKeys = keys.length === 0 ? {} : { publisherKeys: Object.fromEntries(keys) };
    const bundle = await this.#sign(
      {
        subject: [
          { name: 'trust-policy.yaml', digest: { sha256: sha256(policy) } },
          { name: 'trusted_root.json', digest: { sha256: sha256(trustedRoot) } },
        ],
        predicateType: policyPredicateType,
        predicate: { registry, policy, trustedRoot, ...publisherKeys },
      },
      rules,
    );
    await storage.writeDocument(place, { format: 1, bundle });
    return bundle;
  }

  async #sign(
    statement: Parameters<typeof statementV1>[0],
    rules: Rules,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<unknown> {
    const { signer, witnesses } = this.#parts;
    const { bundle } = await signStatementWithKey(statementV1(statement), {
      signer: signer.signer(),
      keyId: signer.keyId,
      services: await servicesOf(witnesses),
      trust: rules.trust,
      http: { signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]) },
    });
    return bundle;
  }
}

/** @throws ERR_SIGNING_CONFIG_FORMAT, ERR_SERVICE_UNAVAILABLE, and what reading the file throws */
async function servicesOf(witnesses: WitnessConfiguration): Promise<Pick<SigningServices, 'tsaUrls' | 'logUrls'>> {
  if ('log' in witnesses) return { tsaUrls: [witnesses.tsa], logUrls: [witnesses.log] };
  return servicesFromSigningConfig(parseSigningConfig(await readFile(witnesses.signingConfig, 'utf8')));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
