import { isExactVersion, isInstallableName, parseIntegrity } from '@signet/client/npm';
import { fromBase64, fromUtf8, SignetError, toHex } from '@signet/primitives/formats';
import type { PluginConfiguration } from './configuration.ts';
import { isBundleOf } from './evidence-names.ts';
import { assertAllowed } from './permission.ts';
import type { EvidenceStorage } from './storage.ts';
import type { Auth, Logger, Next, Request, Response } from './verdaccio-host.ts';

const prefix = '/-/npm/v1/attestations/';

/** One member of npm's attestation document. */
interface ServedAttestation {
  readonly predicateType: string;
  readonly bundle: unknown;
}

/** What the endpoint works with. */
export interface AttestationParts {
  readonly configuration: PluginConfiguration;
  readonly auth: Auth;
  readonly storage: EvidenceStorage;
  readonly logger: Logger;
}

/**
 * Serves `GET /-/npm/v1/attestations/<name>@<version>` as npm's default registry does, with `@scope/name` and `@scope%2fname`
 * alike, under the package's access rule. Without evidence the answer is 404: npm would count an empty list as
 * "verified".
 */
export class AttestationEndpoint {
  readonly #parts: AttestationParts;

  constructor(parts: AttestationParts) {
    this.#parts = parts;
  }

  readonly handle = (request: Request, response: Response, next: Next): void => {
    const path = request.url.split('?', 1)[0] ?? '';
    if (!path.startsWith(prefix) || (request.method !== 'GET' && request.method !== 'HEAD')) {
      next();
      return;
    }
    this.#answer(request, path.slice(prefix.length)).then(
      (attestations) => {
        if (attestations.length === 0) {
          response.status(404).json({ error: 'no attestations for this version' });
          return;
        }
        response.status(200).json({ attestations });
      },
      (error) => next(error),
    );
  };

  async #answer(request: Request, encoded: string): Promise<readonly ServedAttestation[]> {
    const target = parseTarget(encoded);
    if (target === undefined || !this.#parts.configuration.names.has(target.name)) return [];
    await assertAllowed(this.#parts.auth, 'access', request, target.name);
    return this.#read(target.name, target.version);
  }

  async #read(name: string, version: string): Promise<readonly ServedAttestation[]> {
    const { storage, configuration, logger } = this.#parts;
    const stored = await storage.readPackage(name);
    const integrity = stored?.versions.get(version)?.integrity;
    if (stored === undefined || integrity === undefined) return [];
    const digest = toHex(parseIntegrity(integrity));
    const base = name.slice(name.indexOf('/') + 1);
    const files = stored.files.filter((file) => isBundleOf(file, base, version)).sort();
    const attestations: ServedAttestation[] = [];
    for (const file of files) {
      try {
        const bytes = await storage.readFile(name, file, configuration.limits.bundleBytes);
        const attestation = bytes && describeBundle(bytes, digest);
        if (attestation !== undefined) attestations.push(attestation);
      } catch (error) {
        if (!(error instanceof SignetError)) throw error;
        // A damaged bundle is missing evidence; clients demand what they need, and the operator is told.
        logger.error({ file, package: name, reason: error.message }, 'bundle @{file} of @{package}: @{reason}');
      }
    }
    return attestations;
  }
}

/** `name@version`, percent-encoded once, with the scope's slash plain or encoded. */
function parseTarget(encoded: string): { name: string; version: string } | undefined {
  let spec: string;
  try {
    spec = decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
  const at = spec.lastIndexOf('@');
  const name = spec.slice(0, Math.max(at, 0));
  const version = spec.slice(at + 1);
  return isInstallableName(name) && isExactVersion(version) ? { name, version } : undefined;
}

/**
 * The predicate type of a stored bundle, if its statement is about the version's bytes. What was left by a publish that never
 * became visible is about other bytes, and belongs to nobody.
 */
function describeBundle(bytes: Uint8Array, sha512: string): ServedAttestation | undefined {
  let bundle: { dsseEnvelope?: { payload?: unknown } };
  let statement: { predicateType?: unknown; subject?: readonly { digest?: { sha512?: unknown } }[] };
  try {
    bundle = JSON.parse(fromUtf8(bytes, 'bundle'));
    statement = JSON.parse(fromUtf8(fromBase64(String(bundle.dsseEnvelope?.payload), 'payload'), 'statement'));
  } catch (cause) {
    throw new SignetError('ERR_JSON', 'a stored bundle is damaged', { cause });
  }
  if (typeof statement.predicateType !== 'string') return undefined;
  if (!statement.subject?.some((subject) => subject.digest?.sha512 === sha512)) return undefined;
  return { predicateType: statement.predicateType, bundle };
}
