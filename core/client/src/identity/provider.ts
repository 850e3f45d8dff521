import { redact, SignetError } from '@signet/primitives/formats';

/** Plain http is accepted only where nobody can listen in. */
export function issuerUrl(issuer: string): URL {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  const local = url !== undefined && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url === undefined || !(url.protocol === 'https:' || (url.protocol === 'http:' && local))) {
    throw new SignetError('ERR_CONFIGURATION', 'the identity provider must be reached over https', {
      expected: 'an https URL, or http on this machine',
      found: issuer,
    });
  }
  return url;
}

/** What goes wrong between us and the provider, as one error that carries no code, verifier or token. */
export async function provider<T>(issuer: string, exchange: () => Promise<T>): Promise<T> {
  try {
    return await exchange();
  } catch (thrown) {
    if (thrown instanceof SignetError || isInterruption(thrown)) throw thrown;
    const said = thrown instanceof Error ? describe(thrown) : String(thrown);
    throw new SignetError(
      'ERR_IDENTITY_PROVIDER',
      `the identity provider ${issuer} does not give a token: ${redact(said)}`,
    );
  }
}

function isInterruption(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'AbortError';
}

function describe(error: Error): string {
  const member = (name: string): string | undefined => {
    const value: unknown = name in error ? Reflect.get(error, name) : undefined;
    return typeof value === 'string' ? value : undefined;
  };
  const refusal = member('error');
  const cause = error.cause instanceof Error ? error.cause.message : undefined;
  return refusal === undefined
    ? [error.message, cause].filter(Boolean).join(': ')
    : [refusal, member('error_description')].filter(Boolean).join(': ');
}
