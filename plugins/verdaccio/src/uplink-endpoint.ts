import { isExactVersion, isInstallableName } from '@signet/client/npm';
import { decode, isRead, pathOf } from './endpoint.ts';
import type { OwnedNames } from './names.ts';
import { assertAllowed } from './permission.ts';
import { Refusal } from './refusal.ts';
import type { UplinkAttestations } from './uplink-attestations.ts';
import type { UplinkStorage } from './uplink-storage.ts';
import type { Auth, Middleware, Request } from './verdaccio-host.ts';

const prefix = '/-/npm/v1/attestations/';

/** What the endpoint works with. */
export interface UplinkEndpointParts {
  readonly names: OwnedNames;
  readonly auth: Auth;
  readonly uplinks: UplinkStorage;
  readonly attestations: UplinkAttestations;
}

/**
 * Serves `GET /-/npm/v1/attestations/<name>@<version>` for names that this registry does not own: what their uplink has, for the
 * client to judge. Owned names, and names without an uplink, are left to others.
 */
export function uplinkEndpoint(parts: UplinkEndpointParts): Middleware {
  const { names, uplinks } = parts;
  return (request, response, next) => {
    const path = pathOf(request);
    const target = isRead(request) && path.startsWith(prefix) ? parseTarget(path.slice(prefix.length)) : undefined;
    if (target === undefined || names.has(target.name) || uplinks.uplinksOf(target.name).length === 0) {
      next();
      return;
    }
    answer(parts, request, target).then(
      (document) => {
        if (document === undefined) response.status(404).json({ error: 'no attestations for this version' });
        else response.status(200).json(document);
      },
      (error) => next(error),
    );
  };
}

async function answer(
  { auth, attestations }: UplinkEndpointParts,
  request: Request,
  { name, version }: { readonly name: string; readonly version: string },
) {
  await assertAllowed(auth, 'access', request, name);
  try {
    return await attestations.of(name, version);
  } catch (cause) {
    throw new Refusal(
      502,
      'ERR_SERVICE_UNAVAILABLE',
      `The attestations of ${name}@${version} cannot be had now`,
      cause,
    );
  }
}

/** `name@version`, percent-encoded once, with the scope's slash plain or encoded. */
function parseTarget(encoded: string): { name: string; version: string } | undefined {
  const spec = decode(encoded) ?? '';
  const at = spec.lastIndexOf('@');
  const name = spec.slice(0, Math.max(at, 0));
  const version = spec.slice(at + 1);
  return isInstallableName(name) && isExactVersion(version) ? { name, version } : undefined;
}
