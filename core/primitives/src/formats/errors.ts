import type { ErrorCode } from './error-codes.ts';

/** What an error adds to its sentence, for machines. */
export interface SignetErrorDetails {
  /** What would have been accepted. */
  readonly expected?: string;
  /** What was there instead. Never a token or a private key. */
  readonly found?: string;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/**
 * The one base class of all errors that Signet raises on purpose. `code` is stable and documented in
 * {@link errorCodes}; the message says what was expected, what was found and what to do.
 */
export class SignetError extends Error {
  override readonly name = 'SignetError';
  readonly code: ErrorCode;
  readonly expected?: string;
  readonly found?: string;

  constructor(code: ErrorCode, message: string, details: SignetErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    if (details.expected !== undefined) this.expected = details.expected;
    if (details.found !== undefined) this.found = details.found;
  }
}
