import { AsyncLocalStorage } from 'node:async_hooks';
import type { RefusalLog } from './refusal-log.ts';
import type { Logger, Request, Response } from './verdaccio-host.ts';

/** The request for which code runs. */
export interface CurrentRequest {
  readonly request: Request;
  readonly response: Response;
  readonly logger: Logger;
  readonly refusals: RefusalLog;
}

const current = new AsyncLocalStorage<CurrentRequest>();

/** Runs `work`, and everything that it starts, as part of a request. */
export function runInRequest(request: CurrentRequest, work: () => void): void {
  current.run(request, work);
}

/** The request that led here, through whatever callbacks; undefined outside of any. */
export function currentRequest(): CurrentRequest | undefined {
  return current.getStore();
}
