import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Where stock npm looks for the trust root; it has no setting for another. */
const host = 'tuf-repo-cdn.sigstore.dev';

/**
 * Leads a stock npm to the trust root of an instance, as a company's CI image could: a proxy that answers for the public trust
 * root's host, a certificate for it, and the instance's root in npm's cache.
 */
export class SigstoreMirror {
  readonly #servers: readonly Server[];
  /** What npm needs in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Hosts that were asked for and are not mirrored. */
  readonly refused: readonly string[];

  private constructor(servers: readonly Server[], env: Readonly<Record<string, string>>, refused: readonly string[]) {
    this.#servers = servers;
    this.env = env;
    this.refused = refused;
  }

  /**
   * @param tuf base URL of the instance's trust-root repository
   * @param folder an empty one
   */
  static async start(tuf: string, folder: string): Promise<SigstoreMirror> {
    const [key, certificate] = [join(folder, 'mirror.key'), join(folder, 'mirror.pem')];
    const subject = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    await execute('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', certificate, ...subject]);
    const mirror = createTlsServer(
      { key: await readFile(key), cert: await readFile(certificate) },
      async (request, response) => {
        const answer = await fetch(`${tuf}${request.url}`);
        response.writeHead(answer.status, { 'content-type': 'application/octet-stream' });
        response.end(new Uint8Array(await answer.arrayBuffer()));
      },
    );
    mirror.listen(0, '127.0.0.1');
    await once(mirror, 'listening');
    const refused: string[] = [];
    const proxy = createServer((_request, response) => response.writeHead(403).end());
    proxy.on('connect', (request, client, head) => {
      if (request.url !== `${host}:443`) {
        refused.push(String(request.url));
        client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
        return;
      }
      const { port } = mirror.address() as AddressInfo;
      const upstream = connect(port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.write(head);
        upstream.pipe(client).pipe(upstream);
      });
      for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const env = {
      HTTPS_PROXY: `http://127.0.0.1:${port}`,
      NO_PROXY: '127.0.0.1,localhost',
      NODE_USE_ENV_PROXY: '1',
      NODE_EXTRA_CA_CERTS: certificate,
    };
    return new SigstoreMirror([proxy, mirror], env, refused);
  }

  /** Puts the instance's root where npm with this cache begins. */
  static async seed(cache: string, tuf: string): Promise<void> {
    const folder = join(cache, '_tuf', host);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'root.json'), await (await fetch(`${tuf}/1.root.json`)).text());
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  }
}
