import { currentRequest, runInRequest } from './current-request.ts';
import { inOrder, isRead } from './endpoint.ts';
import type { RefusalLog } from './refusal-log.ts';
import type { Logger, Middleware } from './verdaccio-host.ts';

/** What stands behind the entrance. */
export interface EntranceParts {
  readonly logger: Logger;
  readonly refusals: RefusalLog;
  /** Asked in this order. */
  readonly middlewares: readonly Middleware[];
  /** Whether a read of a package with credentials concerns them too. */
  readonly concernsCredentials: boolean;
  /** Beginning of further addresses that concern them, beside `/-/`. */
  readonly prefix?: string | undefined;
}

/**
 * The plugin's middlewares as one. Most of what a registry is asked is to read a package, which concerns none of them: that passes by
 * at the cost of a comparison. Everything behind it runs as part of its request, whatever callbacks of Verdaccio led here.
 */
export function entrance(parts: EntranceParts): Middleware {
  const { logger, refusals, middlewares, concernsCredentials, prefix } = parts;
  const all = inOrder(middlewares);
  return (request, response, next) => {
    const enter = () => {
      const isConcerned =
        !isRead(request) ||
        request.url.startsWith('/-/') ||
        (concernsCredentials && request.headers.authorization !== undefined) ||
        (prefix !== undefined && request.url.startsWith(prefix));
      if (isConcerned) all(request, response, next);
      else next();
    };
    if (currentRequest()?.request === request) enter();
    else runInRequest({ request, response, logger, refusals }, enter);
  };
}
