import { isExactVersion, isInstallableName } from '@signet/client/npm';
import { fromBase64, fromUtf8, SignetError } from '@signet/primitives/formats';
import type { PluginConfiguration } from './configuration.ts';
import { isBundleOf } from './evidence-names.ts';
import { assertAllowed } from './permission.ts';
import { Refusal } from './refusal.ts';
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

  /**
   * Everything stored beside the version, unjudged: evidence about other bytes than the version's is for the client to see, since
   * it tells that something was exchanged. Nothing is left out silently either; a bundle that cannot be read is an error.
   */
  async #read(name: string, version: string): Promise<readonly ServedAttestation[]> {
    const { storage, configuration, logger } = this.#parts;
    const stored = await storage.readPackage(name);
    if (!stored?.versions.has(version)) return [];
    const base = name.slice(name.indexOf('/') + 1);
    const files = stored.files.filter((file) => isBundleOf(file, base, version)).sort();
    const attestations: ServedAttestation[] = [];
    for (const file of files) {
      try {
        attestations.push(await this.#readBundle(name, file, configuration.limits.bundleBytes));
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        logger.error({ file, package: name, reason }, 'bundle @{file} of @{package}: @{reason}');
        const problem = `The evidence of ${name}@${version} is damaged in the registry’s storage`;
        throw new Refusal(500, 'ERR_REGISTRY_STORAGE', problem, cause);
      }
    }
    return attestations;
  }

  async #readBundle(name: string, file: string, limit: number): Promise<ServedAttestation> {
    const bytes = await this.#parts.storage.readFile(name, file, limit);
    if (bytes === undefined) throw new SignetError('ERR_REGISTRY_STORAGE', 'the file is missing');
    return describeBundle(bytes);
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

/** The bundle with the predicate type that its statement has. @throws ERR_JSON, ERR_ENCODING */
function describeBundle(bytes: Uint8Array): ServedAttestation {
  const bundle = parseJson(fromUtf8(bytes, 'bundle'));
  const payload = fromBase64(String(bundle.dsseEnvelope?.payload), 'payload');
  const { predicateType } = parseJson(fromUtf8(payload, 'statement'));
  if (typeof predicateType !== 'string') throw new SignetError('ERR_JSON', 'its statement has no predicateType');
  return { predicateType, bundle };
}

function parseJson(text: string): {
  readonly dsseEnvelope?: { readonly payload?: unknown };
  readonly predicateType?: unknown;
} {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SignetError('ERR_JSON', 'it is not JSON', { cause });
  }
}
