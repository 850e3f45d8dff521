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
 * Takes the path of the public URL off requests for evidence that still carry it: npm up to 11.10 puts it before a path that has
 * it already, so that behind a proxy which takes it off once it is there a second time.
 *
 * @param prefix with a slash at its end
 */
export function withoutPrefix(prefix: string): Middleware {
  const doubled = `${prefix}-/npm/v1/attestations/`;
  return (request, _response, next) => {
    if (prefix !== '/' && request.url.startsWith(doubled)) request.url = request.url.slice(prefix.length - 1);
    next();
  };
}

/** The plugin's endpoints as one: every request for a package passes them by in one step. */
export function ownAddresses(endpoints: readonly Middleware[]): Middleware {
  return (request, response, next) => {
    if (!request.url.startsWith('/-/')) {
      next();
      return;
    }
    let index = 0;
    const step: Next = (error) => {
      const endpoint = error === undefined ? endpoints[index++] : undefined;
      if (endpoint === undefined) next(error);
      else endpoint(request, response, step);
    };
    step();
  };
}
