import { isExactVersion, isInstallableName } from '@signet/client/npm';
import type { EvidenceReader } from './evidence-reader.ts';
import type { OwnedNames } from './names.ts';
import { assertAllowed } from './permission.ts';
import type { Auth, Next, Request, Response } from './verdaccio-host.ts';

const prefix = '/-/npm/v1/attestations/';

/** What the endpoints that serve evidence work with. */
export interface ServingParts {
  readonly names: OwnedNames;
  readonly auth: Auth;
  readonly reader: EvidenceReader;
}

/**
 * Serves `GET /-/npm/v1/attestations/<name>@<version>` as npm's default registry does, with `@scope/name` and `@scope%2fname`
 * alike, under the package's access rule. Without evidence the answer is 404: npm would count an empty list as
 * "verified".
 */
export class AttestationEndpoint {
  readonly #parts: ServingParts;

  constructor(parts: ServingParts) {
    this.#parts = parts;
  }

  readonly handle = (request: Request, response: Response, next: Next): void => {
    const path = request.url.split('?', 1)[0] ?? '';
    if (!path.startsWith(prefix) || (request.method !== 'GET' && request.method !== 'HEAD')) {
      next();
      return;
    }
    this.#answer(request, path.slice(prefix.length)).then(
      (members) => {
        if (members.length === 0) {
          response.status(404).json({ error: 'no attestations for this version' });
          return;
        }
        response.setHeader('content-type', 'application/json; charset=utf-8');
        response.status(200).end(`{"attestations":[${members.join(',')}]}`);
      },
      (error) => next(error),
    );
  };

  async #answer(request: Request, encoded: string): Promise<readonly string[]> {
    const { names, auth, reader } = this.#parts;
    const target = parseTarget(encoded);
    if (target === undefined || !names.has(target.name)) return [];
    await assertAllowed(auth, 'access', request, target.name);
    return (await reader.recent(target.name, target.version))?.members ?? [];
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
