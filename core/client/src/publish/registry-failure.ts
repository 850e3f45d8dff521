import { inert, redact, SignetError } from '@signet/primitives/formats';
import { isTransient } from '../http/index.ts';

/** What npm-registry-fetch throws, as far as it is looked at. */
interface RegistryError {
  readonly statusCode: number | undefined;
  readonly code: string | undefined;
  readonly said: string;
}

function read(thrown: unknown): RegistryError {
  const member = (name: string): unknown =>
    typeof thrown === 'object' && thrown !== null && name in thrown ? Reflect.get(thrown, name) : undefined;
  const status = member('statusCode');
  const code = member('code');
  const body = member('body');
  const words: unknown =
    typeof body === 'object' && body !== null
      ? (Reflect.get(body, 'error') ?? Reflect.get(body, 'message') ?? Reflect.get(body, 'reason'))
      : undefined;
  const said = typeof words === 'string' ? words : thrown instanceof Error ? thrown.message : String(thrown);
  return {
    statusCode: typeof status === 'number' ? status : undefined,
    code: typeof code === 'string' ? code : undefined,
    said: inert(redact(said), { limit: 1000 }),
  };
}

/** The HTTP status of a failed request to the registry, if it got that far. */
export function registryStatus(thrown: unknown): number | undefined {
  return read(thrown).statusCode;
}

/**
 * A failed request to the registry in our language. npm's error is not kept as cause: it carries the response's headers
 * and the address with whatever stood in it.
 *
 * @param doing what was being done, for the sentence: "publishing @acme/lib@1.0.0"
 * @returns ERR_REGISTRY_CREDENTIALS, ERR_REGISTRY_OTP, ERR_VERSION_EXISTS, ERR_REGISTRY_REFUSED, ERR_NETWORK,
 *   ERR_NETWORK_TIMEOUT or ERR_HTTP_STATUS
 */
export function registryFailure(thrown: unknown, registry: string, doing: string): SignetError {
  if (thrown instanceof SignetError) return thrown;
  const { statusCode, code, said } = read(thrown);
  if (code === 'EOTP') {
    return new SignetError('ERR_REGISTRY_OTP', `${registry} asks for a one-time password for ${doing}; add --otp CODE`);
  }
  if (statusCode === 401 || code === 'ENEEDAUTH' || code === 'EAUTHIP') {
    return new SignetError(
      'ERR_REGISTRY_CREDENTIALS',
      `${registry} does not accept the credentials for ${doing}; run: npm login --registry ${registry}`,
      { found: said },
    );
  }
  // Only a publish can conflict with what is there; at a question it is the registry's trouble, and passes.
  if (statusCode === 409 && doing.startsWith('publishing ')) {
    return new SignetError('ERR_VERSION_EXISTS', `${registry} refuses ${doing}: it is there already`, { found: said });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode !== 409 && !isTransient(statusCode)) {
    return new SignetError('ERR_REGISTRY_REFUSED', `${registry} refuses ${doing} (status ${statusCode}): ${said}`);
  }
  if (statusCode !== undefined) {
    return new SignetError('ERR_HTTP_STATUS', `${registry} fails at ${doing} (status ${statusCode}): ${said}`);
  }
  if (
    code === 'ETIMEDOUT' ||
    code === 'ERR_SOCKET_TIMEOUT' ||
    code === 'ESOCKETTIMEDOUT' ||
    code === 'FETCH_ERROR_TIMEOUT'
  ) {
    return new SignetError('ERR_NETWORK_TIMEOUT', `${registry} did not answer in time while ${doing}`);
  }
  return new SignetError('ERR_NETWORK', `${registry} cannot be reached for ${doing}: ${said}`);
}
