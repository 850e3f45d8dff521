import type { IdentityToken } from './identity-token.ts';

/** The environment as Node gives it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a source needs to obtain a token. */
export interface TokenRequest {
  readonly env: Environment;
  /** The audience that the certificate authority asks for; `sigstore` unless its configuration says otherwise. */
  readonly audience: string;
  readonly signal?: AbortSignal | undefined;
}

/** A place that identity tokens come from without a person: a CI platform, a file, the environment. */
export interface TokenSource {
  /** What `signet whoami` calls it. */
  readonly name: string;
  /**
   * Why this source offers nothing here, in words that name the missing variable or setting; undefined when it does
   * offer a token.
   */
  unavailable(env: Environment): string | undefined;
  /** Obtains a token. Called only when {@link TokenSource.unavailable} is undefined. */
  obtain(request: TokenRequest): Promise<IdentityToken>;
}
