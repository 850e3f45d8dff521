import { parentPort, workerData } from 'node:worker_threads';

/** Milliseconds for one expression over one attestation. Nested loops over a large predicate could take for ever. */
export const celTimeLimit = 2000;

/** What the worker is asked, and what it answers: true, false, or why it cannot be said. */
export interface CelQuestion {
  readonly id: number;
  readonly expression: string;
  readonly bindings: Readonly<Record<string, unknown>>;
}

export interface CelAnswer {
  readonly id: number;
  readonly result: boolean | string;
}

/** The entry point `@signet/client/install/cel-worker`: evaluates expressions beside the thread that keeps the time. */
if (parentPort !== null && (workerData as { signetCel?: unknown } | undefined)?.signetCel === true) {
  const port = parentPort;
  // Not awaited: who only wants the types and the limit loads this file as any other.
  void import('@bufbuild/cel').then(({ run }) => {
    port.on('message', ({ id, expression, bindings }: CelQuestion) => {
      port.postMessage({ id, result: evaluate(() => run(expression, bindings as never)) } satisfies CelAnswer);
    });
  });
}

function evaluate(work: () => unknown): boolean | string {
  try {
    const result = work();
    if (typeof result === 'boolean') return result;
    return result instanceof Error ? result.message.slice(0, 300) : `it is no condition, but a ${typeof result}`;
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).slice(0, 300);
  }
}
