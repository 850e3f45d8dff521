import { decodeName, isRead, pathOf } from './endpoint.ts';
import { assertAllowed, isPublic } from './permission.ts';
import type { ServedKey } from './served-keys.ts';
import type { Auth, Next, Request, Response } from './verdaccio-host.ts';

const keysPath = '/-/npm/v1/keys';
const visibility = /^\/-\/package\/(.+)\/visibility$/;

/** Serves `GET /-/npm/v1/keys`: the keys by which `npm audit signatures` checks `dist.signatures`. */
export function keyEndpoint(keys: () => readonly ServedKey[]) {
  return (request: Request, response: Response, next: Next): void => {
    if (pathOf(request) !== keysPath || !isRead(request)) {
      next();
      return;
    }
    try {
      response.status(200).json({ keys: keys() });
    } catch (error) {
      next(error);
    }
  };
}

/**
 * Serves `GET /-/package/<name>/visibility`, which npm asks before it publishes with provenance. Public is what anybody may
 * read without an account; the rule is the name's, so that there is an answer before the first version.
 */
export function visibilityEndpoint(auth: Auth) {
  return (request: Request, response: Response, next: Next): void => {
    const [, encoded] = visibility.exec(pathOf(request)) ?? [];
    const name = encoded === undefined ? undefined : decodeName(encoded);
    if (name === undefined || !isRead(request)) {
      next();
      return;
    }
    answer(auth, request, name).then(
      (body) => response.status(200).json(body),
      (error) => next(error),
    );
  };
}

async function answer(auth: Auth, request: Request, name: string): Promise<{ public: boolean }> {
  await assertAllowed(auth, 'access', request, name);
  return { public: await isPublic(auth, name) };
}
