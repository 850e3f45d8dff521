import { inert, redact, type SignetError } from '@signet/primitives/basics';
import { exitCodeFor, exitCodes } from './exit-codes.ts';

/** An error as people and machines are told of it. */
export interface Failure {
  readonly exitCode: number;
  /** The lines for standard error. */
  readonly text: string;
  /** The document for `--json`. */
  readonly document: Readonly<Record<string, unknown>>;
}

/**
 * Turns anything thrown into what may be shown: no secrets, nothing that acts on a terminal, bounded. Expected errors say
 * their sentence; anything else is a fault of Signet and shows its stack with `SIGNET_DEBUG`.
 */
export function describeFailure(thrown: unknown, options: { readonly debug?: boolean } = {}): Failure {
  const message = clean(thrown instanceof Error ? thrown.message : String(thrown));
  const causes = causeChain(thrown).map((cause) => `  caused by: ${clean(cause)}`);
  const stack = options.debug && thrown instanceof Error ? [clean(thrown.stack ?? '')] : [];
  if (isSignetError(thrown)) {
    const exitCode = exitCodeFor(thrown.code) ?? exitCodes.internal;
    const facts = [
      ...(thrown.expected === undefined ? [] : [`  expected: ${clean(thrown.expected)}`]),
      ...(thrown.found === undefined ? [] : [`  found:    ${clean(thrown.found)}`]),
    ];
    return {
      exitCode,
      text: [`signet: ${message} [${thrown.code}]`, ...facts, ...causes, ...stack].join('\n'),
      document: {
        format: 1,
        error: {
          code: thrown.code,
          message,
          ...(thrown.expected === undefined ? {} : { expected: clean(thrown.expected) }),
          ...(thrown.found === undefined ? {} : { found: clean(thrown.found) }),
          exitCode,
        },
      },
    };
  }
  const hint = options.debug ? [] : ['  This is a fault of signet. SIGNET_DEBUG=1 shows where; please report it.'];
  return {
    exitCode: exitCodes.internal,
    text: [`signet: internal error: ${message}`, ...causes, ...hint, ...stack].join('\n'),
    document: { format: 1, error: { code: 'ERR_INTERNAL', message, exitCode: exitCodes.internal } },
  };
}

/** By name and shape, so that an error of another copy of the library counts too. */
function isSignetError(thrown: unknown): thrown is SignetError {
  return (
    thrown instanceof Error && thrown.name === 'SignetError' && 'code' in thrown && typeof thrown.code === 'string'
  );
}

function causeChain(thrown: unknown): string[] {
  const messages: string[] = [];
  let cause = thrown instanceof Error ? thrown.cause : undefined;
  while (cause instanceof Error && messages.length < 4) {
    messages.push(cause.message || cause.name);
    cause = cause.cause;
  }
  return messages;
}

function clean(text: string): string {
  return inert(redact(text), { lines: true });
}
