import { SignetError } from '@signet/primitives/formats';
import {
  HttpStatusError,
  isObject,
  type JsonObject,
  jsonObject,
  request,
  type ServiceAccess,
  textMember,
} from '../http/index.ts';
import { endpoint, type SigningServices } from './signing-services.ts';

/** How a registry describes the services beside it. Nothing here is trusted: it says where to ask, not whom to believe. */
export interface InstanceDescription {
  readonly services: SigningServices;
  /** The package names that can be published there, as patterns (`@acme/*`, `tool`), if the instance says so. */
  readonly names?: readonly string[];
  /** Where people log in, if the instance says so. */
  readonly login?: { readonly issuer: string; readonly clientId?: string };
}

/**
 * Asks a registry where its services are (`GET <registry>/-/signet/v1/instance`).
 *
 * @throws ERR_SERVICES when the registry describes none, and what `request` throws
 */
export async function describeInstance(registry: string, options: ServiceAccess = {}): Promise<InstanceDescription> {
  const url = endpoint(registry, '/-/signet/v1/instance');
  let description: JsonObject;
  try {
    const { body } = await request(url, {
      service: 'the registry',
      headers: { accept: 'application/json' },
      ...options,
    });
    description = jsonObject(body, 'the description of the instance', 'ERR_SERVICES');
  } catch (cause) {
    if (!(cause instanceof HttpStatusError) || cause.status >= 500) throw cause;
    throw new SignetError(
      'ERR_SERVICES',
      `the registry ${registry} does not say where its signing services are; name them with --signing-config FILE`,
      { cause },
    );
  }
  if (typeof description.format === 'number' && description.format > 1) {
    throw new SignetError('ERR_SERVICES', 'the registry describes its services in a newer format; update signet', {
      expected: 'format 1',
      found: `format ${description.format}`,
    });
  }
  const login = loginOf(description);
  const names = namesOf(description);
  return {
    services: {
      caUrl: member(description, 'ca'),
      tsaUrls: [member(description, 'tsa')],
      logUrls: [member(description, 'log')],
    },
    ...(names === undefined ? {} : { names }),
    ...(login === undefined ? {} : { login }),
  };
}

function member(description: JsonObject, name: string): string {
  const url = textMember(description, name);
  if (url === undefined || !URL.canParse(url)) {
    throw new SignetError('ERR_SERVICES', `the description of the instance lacks the URL of ${name}`);
  }
  return url;
}

function namesOf({ names }: JsonObject): readonly string[] | undefined {
  return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : undefined;
}

function loginOf(description: JsonObject): InstanceDescription['login'] {
  const oidc = description.oidc;
  if (typeof oidc === 'string' && oidc !== '') return { issuer: oidc };
  if (!isObject(oidc)) return undefined;
  const issuer = textMember(oidc, 'issuer');
  const clientId = textMember(oidc, 'clientId');
  return issuer === undefined ? undefined : { issuer, ...(clientId === undefined ? {} : { clientId }) };
}
