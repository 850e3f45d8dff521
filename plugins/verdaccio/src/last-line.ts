import { inert, SignetError } from '@signet/primitives/formats';
import { type CurrentRequest, currentRequest } from './current-request.ts';

/**
 * Catches exceptions that escape Verdaccio's handlers, which are callbacks that nobody wraps: the request that led to one ends
 * with 500, and the process goes on. Everything else ends the process as it would without this:
 *
 * - what happens outside of a request to Verdaccio, so whatever the services and their logs do;
 * - errors that Signet itself throws uncaught, above all ERR_LOG_STORAGE: a log that could not make its entries durable must
 *   not go on, wherever it was called from.
 *
 * Installed once for the process. Where somebody else has taken the place already, theirs stays.
 *
 * @returns whether it stands
 */
export function installLastLine(): boolean {
  if (installed) return true;
  // Throws too where node:domain is in use.
  if (process.hasUncaughtExceptionCaptureCallback()) return false;
  try {
    process.setUncaughtExceptionCaptureCallback(capture);
  } catch {
    return false;
  }
  installed = true;
  return true;
}

let installed = false;

function capture(error: unknown): void {
  const current = currentRequest();
  if (current !== undefined && !(error instanceof SignetError)) {
    endRequest(current, error);
    return;
  }
  process.setUncaughtExceptionCaptureCallback(null);
  installed = false;
  process.nextTick(() => {
    // Reached only where somebody listens for uncaught exceptions and lets the process live.
    setImmediate(installLastLine).unref();
    throw error;
  });
}

function endRequest({ request, response, logger }: CurrentRequest, error: unknown): void {
  try {
    const reason = inert(error instanceof Error ? (error.stack ?? error.message) : error, { lines: true });
    logger.error({ method: request.method, url: inert(request.url), reason }, 'escaped: @{method} @{url}: @{reason}');
    if (response.headersSent) {
      // The rest of an answer that was begun cannot be had; a cut connection says so, an end would say that it was all.
      if (!response.writableEnded) response.destroy();
      return;
    }
    response.statusCode = 500;
    response.setHeader('content-type', 'application/json');
    response.setHeader('connection', 'close');
    response.end('{"error":"internal server error"}\n');
  } catch {
    response.destroy();
  }
}
