import { inert } from '@signet/primitives/formats';
import type { CurrentRequest } from './current-request.ts';
import { Refusal } from './refusal.ts';

/** How long what a refused client goes on sending is thrown away, so that it can read the answer; milliseconds. */
const drainFor = 10_000;

/** Answers a request that Verdaccio is not to see, and ends its connection. */
export function refuseRequest({ request, response, refusals }: CurrentRequest, error: unknown): void {
  const known = error instanceof Refusal ? error : undefined;
  const status = known?.status ?? 500;
  const reason = inert(error);
  const note = { status, code: known?.code ?? 'ERR_INTERNAL', reason };
  refusals.refused(request, note, { method: request.method, url: inert(request.url) }, 'refused: @{reason}');
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.setHeader('connection', 'close');
  if (known?.retryAfter !== undefined) response.setHeader('retry-after', String(known.retryAfter));
  response.end(`${JSON.stringify({ error: known?.message ?? 'internal server error' })}\n`);
  request.resume();
  setTimeout(() => request.destroy(), drainFor).unref();
}
