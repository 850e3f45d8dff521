import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { runInRequest } from './current-request.ts';
import { Refusal } from './refusal.ts';
import { refuseRequest } from './refuse-request.ts';
import type { App, Auth, Logger, Next, Request, Response } from './verdaccio-host.ts';

/** What the guard works with. */
export interface RequestGuardParts {
  readonly auth: Auth;
  readonly logger: Logger;
  /** Largest body of a request without valid credentials, bytes. */
  readonly anonymousBytes: number;
  /** Whether the request shows a valid publish token, which Verdaccio does not know of. */
  readonly hasPublishToken: (request: Request) => boolean;
}

/** Where npm sends what it has installed, compressed and without credentials; Verdaccio passes it on. */
const auditPaths = new Set(['audits', 'audits/quick', 'advisories/bulk'].map((place) => `/-/npm/v1/security/${place}`));

/** Largest question of `npm audit` after decompression, bytes; verdaccio-audit takes no more either. */
const auditBytes = 10 * 1024 * 1024;

const decompress = promisify(gunzip);

/**
 * Stands before everything of Verdaccio, its body parser included, and lets no request through that could cost much before
 * anybody knows who sent it: compressed bodies, which grow when they are read, and large bodies without credentials.
 * Parameters of a query that are more than one text each are refused too: Verdaccio takes them for texts.
 */
export class RequestGuard {
  readonly #parts: RequestGuardParts;

  constructor(parts: RequestGuardParts) {
    this.#parts = parts;
  }

  /** Takes its place in front of the application. Middlewares come too late, after the body was read. */
  install(app: App): void {
    const handle = app.handle.bind(app);
    app.handle = (request, response, next) => {
      runInRequest({ request, response, logger: this.#parts.logger }, () => {
        const pass = () => handle(request, response, next);
        try {
          checkQuery(request.url);
          this.#checkBody(request, response, pass);
        } catch (error) {
          this.#refuse(request, response, error);
        }
      });
    };
  }

  #checkBody(request: Request, response: Response, pass: () => void): void {
    const { headers } = request;
    const chunked = headers['transfer-encoding'] !== undefined;
    const length = Number(headers['content-length'] ?? 0);
    if (!chunked && length === 0) {
      pass();
      return;
    }
    const encoding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase();
    if (encoding !== 'identity') {
      if (encoding !== 'gzip' || !auditPaths.has(request.url.split('?', 1)[0] ?? '')) {
        throw new Refusal(415, 'ERR_REQUEST', `Bodies are not taken compressed, this one is ${encoding.slice(0, 40)}`);
      }
      this.#readQuestion(request).then(pass, (error) => this.#refuse(request, response, error));
      return;
    }
    if (!chunked && length <= this.#parts.anonymousBytes) {
      pass();
      return;
    }
    this.#identify(request, response, (known) => {
      if (known) pass();
      else this.#refuse(request, response, this.#tooMuch(chunked));
    });
  }

  #tooMuch(chunked: boolean): Refusal {
    const { anonymousBytes } = this.#parts;
    const why = chunked ? 'Say the length of the body (Content-Length), or log in' : 'Log in first';
    const problem = `${why}: without valid credentials a request has at most ${anonymousBytes} bytes`;
    return new Refusal(chunked ? 411 : 413, 'ERR_INPUT_TOO_LARGE', problem);
  }

  /** Asks Verdaccio who it is, as Verdaccio itself does again later. Nothing of the body is read meanwhile. */
  #identify(request: Request, response: Response, done: (known: boolean) => void): void {
    if (this.#parts.hasPublishToken(request)) {
      done(true);
      return;
    }
    response.locals ??= {};
    this.#parts.auth.apiJWTmiddleware()(request, response, () => done(request.remote_user?.name !== undefined));
  }

  async #readQuestion(request: Request): Promise<void> {
    const compressed = await readUpTo(request, this.#parts.anonymousBytes);
    if (compressed === undefined) throw this.#tooMuch(false);
    let text: string;
    try {
      text = (await decompress(compressed, { maxOutputLength: auditBytes })).toString('utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') {
        throw new Refusal(400, 'ERR_REQUEST', 'The body is not what gzip makes', cause);
      }
      const problem = `The body is larger than ${auditBytes} bytes once it is decompressed`;
      throw new Refusal(413, 'ERR_INPUT_TOO_LARGE', problem, cause);
    }
    try {
      request.body = JSON.parse(text);
    } catch (cause) {
      throw new Refusal(400, 'ERR_REQUEST', 'The body is not JSON', cause);
    }
    // Body parsers of Express leave alone what was read.
    request._body = true;
  }

  #refuse(request: Request, response: Response, error: unknown): void {
    refuseRequest({ request, response, logger: this.#parts.logger }, error);
  }
}

/** @returns undefined when there is more; what comes after that is left unread, and the connection open for an answer */
function readUpTo(request: Request, limit: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const take = (chunk: Uint8Array) => {
      length += chunk.length;
      if (length <= limit) {
        chunks.push(chunk);
        return;
      }
      request.off('data', take);
      resolve(undefined);
    };
    request.on('data', take);
    request.once('end', () => resolve(Buffer.concat(chunks)));
    request.once('error', reject);
  });
}

/** @throws a refusal with status 400 */
function checkQuery(url: string): void {
  const start = url.indexOf('?');
  if (start === -1) return;
  const keys = new Set<string>();
  for (const key of new URLSearchParams(url.slice(start + 1)).keys()) {
    // `a[]=1`, `a[b]=1` and `a=1&a=2` all become something else than a text.
    if (key.includes('[') || keys.has(key)) {
      throw new Refusal(400, 'ERR_REQUEST', `The query may have each parameter once, as a text: ${key.slice(0, 60)}`);
    }
    keys.add(key);
  }
}

/** Passes a request on as the one that everything from here on belongs to, whatever callbacks led here. */
export function asCurrent(logger: Logger): (request: Request, response: Response, next: Next) => void {
  return (request, response, next) => runInRequest({ request, response, logger }, next);
}
