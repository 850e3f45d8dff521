import { execFile } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { AuthorScene } from './author-scene.ts';

const execute = promisify(execFile);
const tufHost = 'tuf-repo-cdn.sigstore.dev';

/** Answers for a host of the outside world. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Sigstore's public good instance and a registry, as a program sees them that has a proxy and trusts its certificate: an instance
 * of ours answers for the hosts of authority, log and trust root. Nothing leaves this machine; other hosts are refused.
 */
export class PublicGoodDouble {
  readonly #servers: readonly Server[];
  /** What a program needs in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Requests that arrived, `POST fulcio.sigstore.dev/api/v2/signingCert`. */
  readonly seen: string[];
  /** Hosts that hang up. */
  readonly down: Set<string>;

  private constructor(
    servers: readonly Server[],
    env: Readonly<Record<string, string>>,
    seen: string[],
    down: Set<string>,
  ) {
    this.down = down;
    this.#servers = servers;
    this.env = env;
    this.seen = seen;
  }

  /**
   * @param more handlers of further hosts
   * @param folder an empty one
   */
  static async start(
    scene: AuthorScene,
    more: Readonly<Record<string, Handler>>,
    folder: string,
  ): Promise<PublicGoodDouble> {
    const { ca, tuf, registry } = scene.instance.urls;
    const handlers: Record<string, Handler> = {
      'fulcio.sigstore.dev': passTo(ca),
      'rekor.sigstore.dev': passTo(`${registry}-/signet/log-v1`),
      [tufHost]: passTo(tuf),
      ...more,
    };
    const hosts = Object.keys(handlers);
    const [key, certificate] = [join(folder, 'double.key'), join(folder, 'double.pem')];
    const names = hosts.map((host) => `DNS:${host}`).join(',');
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const subject = ['-subj', '/CN=double', '-addext', `subjectAltName=${names}`];
    await execute('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', certificate, ...subject]);
    const seen: string[] = [];
    const down = new Set<string>();
    const outside = createTlsServer(
      { key: await readFile(key), cert: await readFile(certificate) },
      (request, response) => {
        const host = (request.headers.host ?? '').replace(/:443$/, '');
        seen.push(`${request.method} ${host}${request.url}`);
        if (down.has(host)) request.socket.destroy();
        else handlers[host]?.(request, response);
      },
    );
    outside.listen(0, '127.0.0.1');
    await once(outside, 'listening');
    const proxy = createServer((_request, response) => response.writeHead(403).end());
    proxy.on('connect', (request, client, head) => {
      if (!hosts.includes(String(request.url).replace(/:443$/, ''))) {
        client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
        return;
      }
      const upstream = connect((outside.address() as AddressInfo).port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.write(head);
        upstream.pipe(client).pipe(upstream);
      });
      for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const home = join(folder, 'home');
    const stock = join(home, '.local', 'share', 'sigstore-js', tufHost);
    await mkdir(stock, { recursive: true });
    // The reference client begins with the root that it finds here.
    await writeFile(join(stock, 'root.json'), await (await fetch(`${tuf}/1.root.json`)).text());
    const env = {
      HOME: home,
      XDG_DATA_HOME: join(home, '.local', 'share'),
      HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
      NO_PROXY: '127.0.0.1,localhost',
      NODE_USE_ENV_PROXY: '1',
      NODE_EXTRA_CA_CERTS: certificate,
    };
    return new PublicGoodDouble([proxy, outside], env, seen, down);
  }

  /** The scene's trusted root with the places of the public good instance. */
  static async trustedRoot(scene: AuthorScene): Promise<string> {
    const { ca, registry } = scene.instance.urls;
    const text = await scene.readTrustedRoot();
    const value = JSON.parse(text);
    for (const authority of value.certificateAuthorities) {
      if (authority.uri === ca) authority.uri = 'https://fulcio.sigstore.dev';
    }
    // The log's own name stands in its checkpoints; the place where it is asked is named beside it.
    const known = value.tlogs.find((log: { baseUrl: string }) => log.baseUrl === `${registry}-/signet/log-v1`);
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const rawBytes = publicKey.export({ format: 'der', type: 'spki' });
    value.tlogs.push({
      ...known,
      baseUrl: 'https://rekor.sigstore.dev',
      publicKey: { ...known.publicKey, rawBytes: rawBytes.toString('base64') },
      logId: { keyId: createHash('sha256').update(rawBytes).digest('base64') },
    });
    return JSON.stringify(value);
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  }
}

function passTo(target: string): Handler {
  return (request, response) => {
    const pass = async () => {
      const headers = Object.fromEntries(
        ['content-type', 'accept'].flatMap((name) => {
          const value = request.headers[name];
          return typeof value === 'string' ? [[name, value]] : [];
        }),
      );
      const body = await buffer(request);
      const method = request.method ?? 'GET';
      const answer = await fetch(`${target}${request.url}`, {
        method,
        headers,
        ...(method === 'GET' ? {} : { body: new Uint8Array(body) }),
      });
      const type = answer.headers.get('content-type') ?? 'application/octet-stream';
      response.writeHead(answer.status, { 'content-type': type }).end(new Uint8Array(await answer.arrayBuffer()));
    };
    pass().catch((error) => response.writeHead(502).end(String(error)));
  };
}
