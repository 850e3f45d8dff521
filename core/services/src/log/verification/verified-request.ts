import { type ErrorCode, SignetError } from '@signet/primitives/formats';

/** What is known of a request after its signature has been verified, beside whatever its API adds. */
export interface VerifiedRequest {
  /** The entry's bytes, as they go into the log. */
  readonly body: Uint8Array;
}

/** Where time goes, in milliseconds; added to. */
export interface ReadingTime {
  /** Reading JSON. */
  parse: number;
}

/** What verifying took, in milliseconds; in a thread of its own, of the processor's time. */
export interface VerificationTimes {
  /** Reading JSON. */
  readonly parse: number;
  /** The rest: keys, certificates and signatures. */
  readonly verify: number;
}

/** Verifies one request. */
export type Verify<Result extends VerifiedRequest> = (
  request: Uint8Array,
  time: ReadingTime,
) => Result | Promise<Result>;

/** What goes to a thread: requests one behind the other, since one piece of memory crosses for the price of any. */
export interface VerificationTask {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly lengths: readonly number[];
}

/** One request's outcome: the length of its body in the answer's bytes and the rest of the result, or why it is refused. */
export type Outcome =
  | { readonly length: number; readonly rest: object }
  | { readonly code: ErrorCode | undefined; readonly message: string };

/** What comes back, in the same order. */
export interface VerificationAnswer {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly outcomes: readonly Outcome[];
  readonly times: VerificationTimes;
}

/** One behind the other, in memory of their own that can be given away. */
export function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** Classes don't survive the way between threads; code and message do. */
export function describeRefusal(error: unknown): Outcome {
  const message = error instanceof Error ? error.message : String(error);
  return { code: error instanceof SignetError ? error.code : undefined, message };
}

/** The error that {@link describeRefusal} described. */
export function refusal({ code, message }: Extract<Outcome, { readonly message: string }>): Error {
  return code === undefined ? new Error(message) : new SignetError(code, message);
}
