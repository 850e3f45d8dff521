import { type ErrorCode, inert, SignetError } from '@signet/primitives/formats';

/**
 * A refusal that npm shows to the person who publishes: Verdaccio answers `{"error": message}` with `status`, and npm prints
 * the message in full. One sentence, inert on a terminal, without tokens.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  /** Read by Verdaccio's error handler; it answers anything outside 400–599 with 500. */
  readonly status: number;
  readonly code: ErrorCode;
  /** When asking again may help, seconds. */
  readonly retryAfter: number | undefined;

  constructor(status: number, code: ErrorCode, message: string, cause?: unknown, retryAfter?: number) {
    super(inert(message), cause === undefined ? undefined : { cause });
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** What is no matter of the document. */
const statuses: Partial<Record<ErrorCode, number>> = { ERR_INPUT_TOO_LARGE: 413, ERR_REGISTRY_STORAGE: 503 };

/**
 * Turns whatever went wrong with a publish into a refusal. Only errors that Signet raised on purpose are shown; anything
 * else stays an internal error, whose details are for the log alone.
 */
export function asRefusal(error: unknown, status = 422): unknown {
  if (!(error instanceof SignetError)) return error;
  const found = error.expected === undefined ? '' : ` (expected ${error.expected}, found ${error.found ?? 'nothing'})`;
  const known = statuses[error.code];
  return new Refusal(known ?? status, error.code, `${error.message}${found}`, error);
}
