import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

interface SigningKey {
  readonly id: string | undefined;
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

/** A real OpenID issuer on a loopback port, whose answers a test may bend. */
export class IdentityProvider {
  readonly url: string;
  readonly #server: Server;
  keys: SigningKey[] = [];
  /** Replaces the answer for a path. */
  readonly answers = new Map<string, RequestListener>();
  /** Members that replace those of the discovery document. */
  discovery: Record<string, unknown> = {};
  /** How often each path was asked for. */
  readonly requests = new Map<string, number>();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(algorithm = 'RS256'): Promise<IdentityProvider> {
    let provider: IdentityProvider | undefined;
    const server = createServer((request, response) => provider?.answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    provider = new IdentityProvider(server);
    provider.keys = [await makeKey('key-1', algorithm)];
    return provider;
  }

  answer: RequestListener = (request, response) => {
    const path = request.url ?? '';
    this.requests.set(path, (this.requests.get(path) ?? 0) + 1);
    const other = this.answers.get(path);
    if (other !== undefined) {
      other(request, response);
      return;
    }
    response.setHeader('content-type', 'application/json');
    if (path === '/.well-known/openid-configuration') {
      response.end(
        JSON.stringify({
          issuer: this.url,
          jwks_uri: `${this.url}/keys`,
          id_token_signing_alg_values_supported: [...new Set(this.keys.map((key) => key.algorithm))],
          ...this.discovery,
        }),
      );
    } else if (path === '/keys') {
      response.end(JSON.stringify({ keys: this.keys.map((key) => key.publicJwk) }));
    } else {
      response.statusCode = 404;
      response.end('{}');
    }
  };

  async addKey(id: string | undefined, algorithm = 'RS256'): Promise<SigningKey> {
    const key = await makeKey(id, algorithm);
    this.keys = [...this.keys, key];
    return key;
  }

  /** A token with sensible claims that `claims` replaces; a claim set to undefined is left out. */
  token(claims: JWTPayload = {}, key = this.keys[0]): Promise<string> {
    if (key === undefined) throw new Error('the provider has no key');
    const now = Math.floor(Date.now() / 1000);
    const payload = { iss: this.url, aud: 'sigstore', sub: 'subject-1', iat: now, exp: now + 300, ...claims };
    const header = { alg: key.algorithm, ...(key.id === undefined ? {} : { kid: key.id }) };
    return new SignJWT(payload).setProtectedHeader(header).sign(key.privateKey);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export async function makeKey(id: string | undefined, algorithm = 'RS256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  const publicJwk = {
    ...(await exportJWK(publicKey)),
    alg: algorithm,
    use: 'sig',
    ...(id === undefined ? {} : { kid: id }),
  };
  return { id, algorithm, privateKey, publicJwk };
}
