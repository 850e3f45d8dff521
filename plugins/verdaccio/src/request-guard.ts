import { isInstallableName } from '@signet/client/npm';
import { runInRequest } from './current-request.ts';
import { decode, pathOf } from './endpoint.ts';
import { assertAllowed } from './permission.ts';
import { Refusal } from './refusal.ts';
import type { RefusalLog } from './refusal-log.ts';
import { refuseRequest } from './refuse-request.ts';
import { isJson, readCompressedBody, readJsonBody } from './request-body.ts';
import type { App, Auth, Logger, Request, Response } from './verdaccio-host.ts';

/** What the guard works with. */
export interface RequestGuardParts {
  readonly auth: Auth;
  readonly logger: Logger;
  readonly refusals: RefusalLog;
  /** Largest body of a request without valid credentials, bytes. */
  readonly anonymousBytes: number;
  /** Largest body of any request, bytes. */
  readonly bodyBytes: number;
  /** The package that the request's publish token is for; Verdaccio does not know of these. */
  readonly publishTokenFor: (request: Request) => string | undefined;
}

/** Where npm sends what it has installed, compressed and without credentials; Verdaccio passes it on. */
const auditPaths = new Set(['audits', 'audits/quick', 'advisories/bulk'].map((place) => `/-/npm/v1/security/${place}`));

/** Largest question of `npm audit` after decompression, bytes; verdaccio-audit takes no more either. */
const auditBytes = 10 * 1024 * 1024;

/**
 * Stands before everything of Verdaccio, its body parser included, and lets no request through that could cost much before
 * anybody knows who sent it: compressed bodies, which grow when they are read, and large bodies without credentials,
 * or for a package that the sender may not publish. What is JSON it reads itself, so that it is neither deep nor ambiguous. Parameters of a query that are more than one text each are refused too: Verdaccio takes them for texts.
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
      const { logger, refusals } = this.#parts;
      runInRequest({ request, response, logger, refusals }, () => {
        const pass = () => handle(request, response, next);
        try {
          checkQuery(request.url);
          const isPackage = !request.url.startsWith('/-/');
          if (!isPackage) checkPageName(request);
          const isAudit = !isPackage && auditPaths.has(pathOf(request));
          if (isAudit) explainFailure(response);
          this.#checkBody(request, response, isAudit, pass);
        } catch (error) {
          this.#refuse(request, response, error);
        }
      });
    };
  }

  #checkBody(request: Request, response: Response, isAudit: boolean, pass: () => void): void {
    const { headers } = request;
    const { anonymousBytes, bodyBytes } = this.#parts;
    const chunked = headers['transfer-encoding'] !== undefined;
    const length = Number(headers['content-length'] ?? 0);
    if (!chunked && length === 0) {
      pass();
      return;
    }
    const refuse = (error: unknown) => this.#refuse(request, response, error);
    const encoding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase();
    if (encoding !== 'identity') {
      if (encoding !== 'gzip' || !isAudit) {
        throw new Refusal(415, 'ERR_REQUEST', `Bodies are not taken compressed, this one is ${encoding.slice(0, 40)}`);
      }
      readCompressedBody(request, { compressed: anonymousBytes, decompressed: auditBytes }).then(pass, refuse);
      return;
    }
    const read = (limit: number) => {
      if (isJson(request)) readJsonBody(request, limit).then(pass, refuse);
      else pass();
    };
    if (!chunked && length <= anonymousBytes) {
      read(anonymousBytes);
      return;
    }
    this.#identify(request, response, (known) => {
      if (!known) {
        refuse(this.#tooMuch(chunked));
        return;
      }
      this.#assertMayPublish(request).then(() => read(bodyBytes), refuse);
    });
  }

  /** Nobody sends much to a package that is not theirs to publish. */
  async #assertMayPublish(request: Request): Promise<void> {
    const [name] = /^(?:@[^/]*\/)?[^/]+/.exec((decode(pathOf(request)) ?? '').slice(1)) ?? [];
    if (name === undefined || name === '-') return;
    const own = this.#parts.publishTokenFor(request);
    if (own === name) return;
    if (own === undefined) {
      try {
        await assertAllowed(this.#parts.auth, 'publish', request, name);
        return;
      } catch {
        // As Verdaccio says it, in fewer words.
      }
    }
    throw new Refusal(403, 'ERR_PUBLISH_FORBIDDEN', `You may not publish ${name.slice(0, 214)}`);
  }

  #tooMuch(chunked: boolean): Refusal {
    const { anonymousBytes } = this.#parts;
    const why = chunked ? 'Say the length of the body (Content-Length), or log in' : 'Log in first';
    const problem = `${why}: without valid credentials a request has at most ${anonymousBytes} bytes`;
    return new Refusal(chunked ? 411 : 413, 'ERR_INPUT_TOO_LARGE', problem);
  }

  /** Asks Verdaccio who it is, as Verdaccio itself does again later. Nothing of the body is read meanwhile. */
  #identify(request: Request, response: Response, done: (known: boolean) => void): void {
    if (this.#parts.publishTokenFor(request) !== undefined) {
      done(true);
      return;
    }
    response.locals ??= {};
    this.#parts.auth.apiJWTmiddleware()(request, response, () => done(request.remote_user?.name !== undefined));
  }

  #refuse(request: Request, response: Response, error: unknown): void {
    const { logger, refusals } = this.#parts;
    refuseRequest({ request, response, logger, refusals }, error);
  }
}

/**
 * Names of packages in the addresses of Verdaccio's web page, which takes whatever stands there for one.
 *
 * @throws a refusal with status 404
 */
function checkPageName(request: Request): void {
  const place = /^\/-\/verdaccio\/data\/(?:sidebar|package\/readme)\/(.*)$/i.exec(pathOf(request))?.[1];
  if (place === undefined) return;
  const [name] = /^(?:@[^/]*\/)?[^/]*/.exec(decode(place) ?? '') ?? [];
  if (name === undefined || !isInstallableName(name)) throw new Refusal(404, 'ERR_REQUEST', 'There is no such package');
}

/** Where the registry that is asked cannot be understood, verdaccio-audit answers 500 and nothing else. */
function explainFailure(response: Response): void {
  const { writeHead, end } = response;
  let body: string | undefined;
  response.writeHead = function (this: Response, status: number, ...parts: unknown[]) {
    if (status !== 500 || this.hasHeader('content-type')) return Reflect.apply(writeHead, this, [status, ...parts]);
    body = '{"error":"the registry that knows of vulnerabilities did not answer"}\n';
    this.removeHeader('content-length');
    return Reflect.apply(writeHead, this, [502, { 'content-type': 'application/json' }]);
  } as typeof writeHead;
  response.end = function (this: Response, ...parts: unknown[]) {
    if (!this.headersSent && parts[0] === undefined) this.writeHead(this.statusCode);
    return Reflect.apply(end, this, body === undefined ? parts : [body]);
  } as typeof end;
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
