import type { AuditLog } from './audit-log.ts';
import { currentRequest } from './current-request.ts';
import type { Auth, AuthCallback } from './verdaccio-host.ts';

/** Writes new accounts and changed passwords to the audit log, and gives a wrong old password an answer. */
export function watchAccounts(auth: Auth, audit: AuditLog): void {
  const addUser = auth.add_user.bind(auth);
  auth.add_user = (name, password, callback) => {
    addUser(
      name,
      password,
      noting(callback, (ok) => note(audit, 'user', name, ok)),
    );
  };
  const changePassword = auth.changePassword.bind(auth);
  auth.changePassword = (name, password, next, callback) => {
    const answer: AuthCallback = (error, result) => {
      // The password file's errors have no status, and Verdaccio's handler throws at one without.
      if (error && error.status === undefined) Object.assign(error, { status: 401 });
      callback(error, result);
    };
    changePassword(
      name,
      password,
      next,
      noting(answer, (ok) => note(audit, 'password', name, ok)),
    );
  };
}

function note(audit: AuditLog, action: 'user' | 'password', name: unknown, ok: boolean): void {
  const by = currentRequest()?.request.remote_user?.name;
  const user = by ?? (typeof name === 'string' ? name : undefined);
  audit.append({ decision: ok ? 'accepted' : 'refused', action, user, what: String(name) });
}

/** Calls back after the note was written; if it cannot be written, with the reason. */
function noting(callback: AuthCallback, write: (ok: boolean) => void): AuthCallback {
  return (error, result) => {
    try {
      write(!error && Boolean(result));
    } catch (failure) {
      callback(failure as Error);
      return;
    }
    callback(error, result);
  };
}
