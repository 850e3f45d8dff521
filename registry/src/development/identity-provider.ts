import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { SignetError } from '@signet/primitives/formats';
import { interactionPolicy, Provider } from 'oidc-provider';
import { type InstanceUrls, isLoopback } from '../public-url.ts';
import type { DevelopmentKeys } from './identity-keys.ts';
import { checkEmail, tokenAudience, tokenLifetime } from './identity-token.ts';
import { loginPage, messagePage, pageHeaders } from './login-page.ts';
import { LoginState } from './login-state.ts';

const maximumForm = 4096;

/**
 * The development identity provider, two issuers with the same keys: one where a person signs in with any e-mail address
 * (authorization code with PKCE, native loopback clients), and a CI-like one below it that has a discovery document and keys
 * but no endpoint that gives tokens away: those are made by `signet dev token` from the key in the data directory.
 *
 * @throws ERR_DEVELOPMENT_ONLY unless the public URL is a loopback address: elsewhere it would let anybody be anybody
 */
export function developmentIdentityProvider(urls: InstanceUrls, keys: DevelopmentKeys): RequestListener {
  if (!isLoopback(urls.publicUrl)) {
    throw new SignetError(
      'ERR_DEVELOPMENT_ONLY',
      `--dev-identity makes up identities and is refused for ${urls.publicUrl}, which is not a loopback address`,
    );
  }
  const provider = createProvider(urls, keys);
  const callback = provider.callback();
  const base = new URL(urls.oidc);
  const ciPath = new URL(urls.ciIssuer).pathname;
  return (request, response) => {
    // A page of another site can make a browser send requests here under a name of its own (DNS rebinding).
    if (request.headers.host !== base.host) {
      sendPage(response, 421, messagePage('Wrong address', `This provider answers at ${urls.oidc} only.`));
      return;
    }
    // Behind a proxy a loopback address is public, whatever the proxy calls it.
    if (!comesFromHere(request)) {
      sendPage(response, 403, messagePage('Refused', 'This provider serves programs on its own computer only.'));
      return;
    }
    const url = request.url ?? '';
    const path = url.split('?', 1)[0] ?? '';
    if (path.startsWith(`${ciPath}/`)) {
      answerCiIssuer(response, path.slice(ciPath.length), urls, keys);
      return;
    }
    if (path.startsWith(`${base.pathname}/login/`)) {
      answerLogin(provider, request, response).catch((error) => sendFailure(response, error));
      return;
    }
    // Koa sees its own paths; what was cut off is how oidc-provider finds where it is mounted.
    Object.assign(request, { originalUrl: url });
    request.url = url.slice(base.pathname.length) || '/';
    callback(request, response);
  };
}

const forwardedHeaders = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

/** Whether a request comes from a program on this machine, and not by way of one. */
function comesFromHere({ socket, headers }: IncomingMessage): boolean {
  const address = socket.remoteAddress ?? '';
  const loopback = address === '::1' || /^(?:::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
  return loopback && !forwardedHeaders.some((name) => headers[name] !== undefined);
}

function createProvider(urls: InstanceUrls, keys: DevelopmentKeys): Provider {
  const loginPath = new URL(urls.oidc).pathname;
  const state = new LoginState();
  // The one client gets nothing but the address that was just typed; a page of consent would ask the same again.
  const policy = interactionPolicy.base();
  policy.remove('consent');
  return new Provider(urls.oidc, {
    clients: [
      {
        client_id: tokenAudience,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
        response_types: ['code'],
        id_token_signed_response_alg: 'ES256',
        // Native clients may use any port of a loopback address (RFC 8252 §7.3); Sigstore's clients differ in the path.
        redirect_uris: ['localhost', '127.0.0.1', '[::1]'].flatMap((host) =>
          ['', '/', '/callback', '/auth/callback'].map((path) => `http://${host}${path}`),
        ),
      },
    ],
    jwks: { keys: [{ ...keys.privateKey, kid: keys.keyId, alg: 'ES256', use: 'sig' }] },
    cookies: { keys: [keys.cookieKey] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    scopes: ['openid', 'email'],
    responseTypes: ['code'],
    // Otherwise the e-mail address would stand in the userinfo answer alone, where no certificate authority looks.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
    },
    ttl: {
      AuthorizationCode: 60,
      AccessToken: tokenLifetime,
      IdToken: tokenLifetime,
      Interaction: 600,
      Session: 600,
      Grant: 600,
    },
    adapter: (kind) => state.adapter(kind),
    interactions: {
      policy,
      url: (_context, interaction) => `${loginPath}/login/${interaction.uid}`,
    },
    findAccount: (_context, email) => ({
      accountId: email,
      claims: () => ({ sub: email, email, email_verified: true }),
    }),
    // Whoever signs in here has agreed by doing so: there is one client and nothing but the address to give it.
    loadExistingGrant: async (context) => {
      const { client, session } = context.oidc;
      if (client === undefined || session?.accountId === undefined) return undefined;
      const grant = new context.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid email');
      await grant.save();
      return grant;
    },
    renderError: (context, out) => {
      context.set({ ...pageHeaders });
      context.body = messagePage('Sign-in failed', `${out.error}: ${out.error_description ?? 'no further word'}`);
    },
  });
}

/** GET shows the form, POST takes the address. The provider's cookie ties both to the browser that began. */
async function answerLogin(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const interaction = await provider.interactionDetails(request, response);
  const action = new URL(request.url ?? '', 'http://localhost').pathname;
  // Every login asks, whoever signed in before: on a developer's machine one person is many.
  if (request.method === 'GET') {
    sendPage(response, 200, loginPage(action));
    return;
  }
  if (request.method !== 'POST' || interaction.prompt.name !== 'login') {
    sendPage(response, 405, messagePage('Sign-in failed', 'This page takes the form that it shows, and nothing else.'));
    return;
  }
  const given = (await readForm(request)).get('email') ?? '';
  let email: string;
  try {
    email = checkEmail(given);
  } catch (error) {
    if (!(error instanceof SignetError)) throw error;
    sendPage(response, 400, loginPage(action, { sentence: error.message, email: given }));
    return;
  }
  await provider.interactionFinished(request, response, { login: { accountId: email, remember: false } });
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maximumForm) throw new SignetError('ERR_INPUT_TOO_LARGE', 'The form is larger than it can be');
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

function answerCiIssuer(response: ServerResponse, path: string, urls: InstanceUrls, keys: DevelopmentKeys): void {
  const jwksPath = '/jwks';
  const documents: Readonly<Record<string, unknown>> = {
    '/.well-known/openid-configuration': {
      issuer: urls.ciIssuer,
      jwks_uri: `${urls.ciIssuer}${jwksPath}`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    },
    [jwksPath]: { keys: [{ ...keys.publicKey, kid: keys.keyId, alg: 'ES256', use: 'sig' }] },
  };
  const document = Object.hasOwn(documents, path) ? documents[path] : undefined;
  response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(document ?? { error: 'not found' }));
}

function sendFailure(response: ServerResponse, error: unknown): void {
  // oidc-provider's errors carry the status and a sentence without secrets.
  const known = error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number';
  const status = known ? Number(error.statusCode) : 500;
  const sentence = known || error instanceof SignetError ? error.message : 'The provider failed; sign in again.';
  sendPage(response, status, messagePage('Sign-in failed', sentence));
}

function sendPage(response: ServerResponse, status: number, html: string): void {
  if (response.headersSent) {
    response.end();
    return;
  }
  response.writeHead(status, pageHeaders);
  response.end(html);
}
