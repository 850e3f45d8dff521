import { Worker } from 'node:worker_threads';
import { SignetError } from '@signet/primitives/basics';
import { type AttestationFacts, matchesName, type Policy } from '../policy/index.ts';
import { type CelAnswer, type CelQuestion, celTimeLimit } from './cel-worker.ts';

let thread: Promise<Worker> | undefined;
let nextId = 0;

/** The expressions that rules of the policy apply to a package version. */
export function expressionsFor(policy: Policy, name: string, version: string): readonly string[] {
  const rules = policy.rules.filter(({ match }) => matchesName(match, name, version));
  const all = rules.flatMap(({ require }) =>
    require.flatMap((one) => ('cel' in one && one.cel !== undefined ? [one.cel] : [])),
  );
  return [...new Set(all)];
}

/**
 * Evaluates CEL expressions over a verified attestation, in a thread of its own with a time and memory limit.
 *
 * @returns by expression: true, false, or why it cannot be said
 * @throws ERR_NOT_INSTALLED without `@bufbuild/cel`
 */
export async function evaluateExpressions(
  expressions: readonly string[],
  { predicateType, predicate }: AttestationFacts,
  subject: { readonly name: string; readonly version: string },
): Promise<Record<string, boolean | string>> {
  const { name, version } = subject;
  const bindings = { attestation: { predicateType, predicate }, name, version };
  const results: Record<string, boolean | string> = {};
  for (const expression of expressions) results[expression] = await ask(expression, bindings);
  return results;
}

async function ask(expression: string, bindings: CelQuestion['bindings']): Promise<boolean | string> {
  thread ??= start();
  const worker = await thread;
  const id = nextId++;
  return await new Promise((resolve) => {
    const settle = (result: boolean | string, ends: boolean): void => {
      clearTimeout(timer);
      worker.off('message', onMessage);
      worker.off('error', onError);
      // A thread that is still at it cannot be asked again.
      if (ends) {
        thread = undefined;
        void worker.terminate();
      }
      resolve(result);
    };
    const timer = setTimeout(() => settle(`it takes longer than ${celTimeLimit / 1000} s`, true), celTimeLimit);
    const onMessage = (answer: CelAnswer): void => {
      if (answer.id === id) settle(answer.result, false);
    };
    const onError = (error: Error): void => settle(error.message.slice(0, 300), true);
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.postMessage({ id, expression, bindings } satisfies CelQuestion);
  });
}

async function start(): Promise<Worker> {
  try {
    import.meta.resolve('@bufbuild/cel');
  } catch (cause) {
    throw new SignetError(
      'ERR_NOT_INSTALLED',
      'the policy has CEL expressions, which need the package @bufbuild/cel; install it beside @signet/cli',
      { cause },
    );
  }
  // By the name of the entry point: it is another file in the built package than among the sources.
  const file = new URL(import.meta.resolve('@signet/client/install/cel-worker'));
  const worker = new Worker(file, { workerData: { signetCel: true }, resourceLimits: { maxOldGenerationSizeMb: 128 } });
  worker.unref();
  return worker;
}
