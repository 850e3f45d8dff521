import { isInstallableName } from '@signet/client/npm';
import type { Middleware, Next, Request } from './verdaccio-host.ts';

/** The path of a request as the client sent it, without its query. Nothing is decoded. */
export function pathOf({ url }: Pick<Request, 'url'>): string {
  return url.split('?', 1)[0] ?? url;
}

/** Whether the request only reads. */
export function isRead({ method }: Pick<Request, 'method'>): boolean {
  return method === 'GET' || method === 'HEAD';
}

/**
 * A package name as one part of a path, percent-encoded once, with the scope's slash plain or encoded.
 *
 * @returns undefined when it is none
 */
export function decodeName(encoded: string): string | undefined {
  const name = decode(encoded);
  return name !== undefined && isInstallableName(name) ? name : undefined;
}

/** Percent-decodes once; undefined when it is malformed. */
export function decode(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

/**
 * Where requests for evidence come that carry the path of the public URL twice: npm up to 11.10 puts it before a path that has it
 * already, so that behind a proxy which takes it off once it is there all the same.
 *
 * @param prefix of the public URL's path, with a slash at its end
 * @returns undefined when there is no such path
 */
export function doubledPrefix(prefix: string): string | undefined {
  return prefix === '/' ? undefined : `${prefix}-/npm/v1/attestations/`;
}

/** Takes the path of the public URL off such requests. */
export function withoutPrefix(prefix: string): Middleware {
  const doubled = doubledPrefix(prefix);
  return (request, _response, next) => {
    if (doubled !== undefined && request.url.startsWith(doubled)) request.url = request.url.slice(prefix.length - 1);
    next();
  };
}

/** The plugin's endpoints as one: every request for a package passes them by in one step. */
export function ownAddresses(endpoints: readonly Middleware[]): Middleware {
  const all = inOrder(endpoints);
  return (request, response, next) => {
    if (request.url.startsWith('/-/')) all(request, response, next);
    else next();
  };
}

/** Each middleware after the one before it has passed the request on. */
export function inOrder(middlewares: readonly Middleware[]): Middleware {
  return (request, response, next) => {
    let index = 0;
    const step: Next = (error) => {
      const middleware = error === undefined ? middlewares[index++] : undefined;
      if (middleware === undefined) next(error);
      else middleware(request, response, step);
    };
    step();
  };
}
