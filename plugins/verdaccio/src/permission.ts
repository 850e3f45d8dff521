import type { Auth, Request } from './verdaccio-host.ts';

/**
 * Asks Verdaccio whether the user of the request may do `action` with the package.
 *
 * @throws Verdaccio's own error with status 401 or 403
 */
export function assertAllowed(
  auth: Auth,
  action: 'access' | 'publish',
  request: Request,
  packageName: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    auth[`allow_${action}`]({ packageName }, request.remote_user, (error, allowed) => {
      if (error) reject(error);
      else if (allowed === true) resolve();
      else reject(Object.assign(new Error(`${action} of ${packageName} is not allowed`), { status: 403 }));
    });
  });
}

/** Whether somebody without an account may read the package. */
export function isPublic(auth: Auth, packageName: string): Promise<boolean> {
  // As Verdaccio describes whoever did not log in (@verdaccio/config, createAnonymousRemoteUser).
  const anonymous = { groups: ['$all', '$anonymous', '@all', '@anonymous'], real_groups: [] };
  return new Promise((resolve) => {
    auth.allow_access({ packageName }, anonymous, (error, allowed) => resolve(!error && allowed === true));
  });
}
