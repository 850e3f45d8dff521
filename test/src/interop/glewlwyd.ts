import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { exportJWK, generateKeyPair } from 'jose';

/** Somebody with an account. */
export interface Person {
  readonly username: string;
  readonly password: string;
  readonly email: string;
  /** Whether the provider vouches for the address. */
  readonly emailVerified: boolean;
}

const schema = '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3';
const modules = '/usr/lib/glewlwyd';
/** Of the administrator in the schema that the package brings. */
const administrator = { username: 'admin', password: 'password' };

/** What Signet's login asks for. */
const scopes = ['openid', 'email'];

/** A public client with PKCE, as Sigstore's are everywhere. */
function client(redirects: readonly string[]): object {
  return {
    name: 'sigstore',
    enabled: true,
    confidential: false,
    scope: scopes,
    authorization_type: ['code'],
    token_endpoint_auth_method: ['none'],
    redirect_uri: redirects,
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/** Debian's glewlwyd, an OpenID provider by other people in another language, with a database and a key of its own. */
export class Glewlwyd {
  /** The `iss` of its tokens. */
  readonly issuer: string;
  readonly #origin: string;
  readonly #process: ChildProcess;

  private constructor(origin: string, child: ChildProcess) {
    this.#origin = origin;
    this.issuer = `${origin}/api/oidc`;
    this.#process = child;
  }

  /** Whether the program is installed: the Debian package `glewlwyd`. */
  static async isInstalled(): Promise<boolean> {
    return promisify(execFile)('glewlwyd', ['--version']).then(
      () => true,
      (error: { code?: unknown }) => error.code !== 'ENOENT',
    );
  }

  /**
   * @param directory where database, configuration and log are put
   * @param people who can sign in
   */
  static async start(directory: string, people: readonly Person[]): Promise<Glewlwyd> {
    await mkdir(directory, { recursive: true });
    const database = new DatabaseSync(join(directory, 'glewlwyd.db'));
    database.exec(await readFile(schema, 'utf8'));
    // One more property of people than the package has by itself.
    database.exec(
      `UPDATE g_user_module_instance SET gumi_parameters = json_set(gumi_parameters, '$.data-format.email_verified',
         json('{"multiple":false,"read":true,"write":true,"profile-read":true,"profile-write":false}'))`,
    );
    database.close();
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const configuration = join(directory, 'glewlwyd.conf');
    await writeFile(configuration, configurationText(directory, origin, port));
    const child = spawn('glewlwyd', ['--config-file', configuration], { stdio: 'ignore' });
    const provider = new Glewlwyd(origin, child);
    try {
      await provider.#answers(directory);
      await provider.#configure(people);
      return provider;
    } catch (error) {
      await provider.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGTERM');
    await once(this.#process, 'exit');
  }

  /**
   * What a person does in a browser at `url`: signs in, agrees, and is sent back to the program that asked.
   *
   * @returns status of the page that the program shows
   */
  async signIn(url: URL, { username, password }: Person): Promise<number> {
    // This provider compares redirects whole, where RFC 8252 §7.3 lets a native client have any port of a loopback address.
    const redirect = url.searchParams.get('redirect_uri') ?? '';
    await this.#call('PUT', '/api/client/sigstore', await this.#session(administrator), client([redirect]));
    const cookie = await this.#session({ username, password });
    await this.#call('PUT', '/api/auth/grant/sigstore', cookie, { scope: scopes.join(' ') });
    // The login page leads here when it is done.
    url.searchParams.set('g_continue', 'true');
    const answer = await fetch(url, { headers: { cookie }, redirect: 'manual' });
    const back = new URL(answer.headers.get('location') ?? '', url);
    if (back.hostname === 'localhost') back.hostname = '127.0.0.1';
    return (await fetch(back)).status;
  }

  async #answers(directory: string): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const answer = await fetch(`${this.#origin}/config/`).catch(() => undefined);
      if (answer?.ok) return;
      if (this.#process.exitCode !== null) break;
      await sleep(50);
    }
    const log = await readFile(join(directory, 'glewlwyd.log'), 'utf8').catch(() => '');
    throw new Error(`glewlwyd did not start:\n${log}`);
  }

  async #session(credentials: { username: string; password: string }): Promise<string> {
    const answer = await fetch(`${this.#origin}/api/auth/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(credentials),
    });
    if (!answer.ok) throw new Error(`glewlwyd did not let ${credentials.username} in: ${answer.status}`);
    return answer.headers
      .getSetCookie()
      .map((cookie) => cookie.split(';')[0])
      .join('; ');
  }

  async #call(method: string, path: string, cookie: string, body?: unknown): Promise<void> {
    const answer = await fetch(`${this.#origin}${path}`, {
      method,
      headers: { 'content-type': 'application/json', cookie },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`glewlwyd answers ${answer.status} to ${path}: ${await answer.text()}`);
  }

  async #configure(people: readonly Person[]): Promise<void> {
    const cookie = await this.#session(administrator);
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const key = { ...(await exportJWK(privateKey)), alg: 'ES256', kid: 'glewlwyd-1', use: 'sig' };
    await this.#call('POST', '/api/mod/plugin/', cookie, {
      module: 'oidc',
      name: 'oidc',
      display_name: 'OpenID Connect',
      enabled: true,
      parameters: pluginParameters(this.issuer, JSON.stringify({ keys: [key] })),
    });
    await this.#call('POST', '/api/scope/', cookie, {
      name: 'email',
      display_name: 'E-mail',
      password_required: false,
    });
    await this.#call('POST', '/api/client/', cookie, { client_id: 'sigstore', ...client([]) });
    for (const { username, password, email, emailVerified } of people) {
      await this.#call('POST', '/api/user/', cookie, {
        username,
        name: username,
        password,
        email,
        email_verified: emailVerified ? '1' : '0',
        scope: [...scopes, 'g_profile'],
        enabled: true,
      });
    }
  }
}

function pluginParameters(issuer: string, keys: string): object {
  return {
    iss: issuer,
    'jwt-type': 'ecdsa',
    'jwt-key-size': '256',
    'jwks-private': keys,
    'default-kid': 'glewlwyd-1',
    'jwks-show': true,
    'subject-type': 'public',
    'access-token-duration': 600,
    'refresh-token-duration': 600,
    'code-duration': 60,
    'refresh-token-rolling': false,
    'auth-type-code-enabled': true,
    'auth-type-implicit-enabled': false,
    'auth-type-token-enabled': false,
    'auth-type-password-enabled': false,
    'auth-type-client-enabled': false,
    'auth-type-refresh-enabled': false,
    'pkce-allowed': true,
    'pkce-method-plain-allowed': false,
    'name-claim': 'no',
    'scope-claim': 'no',
    'email-claim': 'mandatory',
    claims: [
      {
        name: 'email_verified',
        'user-property': 'email_verified',
        type: 'boolean',
        'boolean-value-true': '1',
        'boolean-value-false': '0',
        mandatory: true,
      },
    ],
    'allowed-scope': scopes,
  };
}

function configurationText(directory: string, origin: string, port: number): string {
  return `port=${port}
bind_address="127.0.0.1"
external_url="${origin}"
login_url="login.html"
api_prefix="api"
log_mode="file"
log_level="WARNING"
log_file="${join(directory, 'glewlwyd.log')}"
cookie_domain="127.0.0.1"
cookie_secure=0
session_expiration=600
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
login_api_enabled=true
user_module_path="${modules}/user"
client_module_path="${modules}/client"
user_auth_scheme_module_path="${modules}/scheme"
plugin_module_path="${modules}/plugin"
use_secure_connection=false
secure_connection_key_file="unused"
secure_connection_pem_file="unused"
hash_algorithm="SHA512"
database = { type = "sqlite3", path = "${join(directory, 'glewlwyd.db')}" };
`;
}
