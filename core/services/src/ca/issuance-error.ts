import { type ErrorCode, SignetError, type SignetErrorDetails } from '@signet/primitives/formats';

/** What a client may learn about a refusal, beside upstream's sentence. Never holds a token or a claim's value. */
export interface RefusalDetails {
  /** Stable word for programs, for example `token-expired`. */
  readonly reason: string;
  /** The claim that decided. */
  readonly claim?: string;
  /** What would have been accepted. */
  readonly expected?: string;
}

/**
 * A request for a certificate was refused. The message is for the operator's log and for `token explain`; the client gets
 * upstream's sentence and {@link RefusalDetails}.
 */
export class IssuanceError extends SignetError {
  readonly reason: string;
  readonly claim?: string;

  constructor(code: ErrorCode, reason: string, message: string, details: SignetErrorDetails & { claim?: string } = {}) {
    super(code, message, details);
    this.reason = reason;
    if (details.claim !== undefined) this.claim = details.claim;
  }

  /** The part of this error that a client may see. */
  details(): RefusalDetails {
    return {
      reason: this.reason,
      ...(this.claim === undefined ? {} : { claim: this.claim }),
      ...(this.expected === undefined ? {} : { expected: this.expected }),
    };
  }
}
