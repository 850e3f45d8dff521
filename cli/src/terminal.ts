import type { Writable } from 'node:stream';

/** Milliseconds that a step may take before a person is told what is being waited for. */
const patience = 1000;

/** Says on standard error what is being waited for, but only when it takes longer than a second. */
export class Progress {
  readonly #stream: Writable;
  readonly #silent: boolean;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: Writable, options: { readonly silent: boolean }) {
    this.#stream = stream;
    this.#silent = options.silent;
  }

  /** A step begins; the step before it has ended. */
  step(text: string): void {
    this.end();
    if (this.#silent) return;
    this.#timer = setTimeout(() => this.#stream.write(`… ${text}\n`), patience);
    this.#timer.unref();
  }

  /** No step is going on any more. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Whether a stream is a terminal that takes colours (https://no-color.org: any value but the empty one says no). */
export function takesColour(stream: Writable, env: Readonly<Record<string, string | undefined>>): boolean {
  return isTerminal(stream) && !env.NO_COLOR && env.TERM !== 'dumb';
}

export function isTerminal(stream: object): boolean {
  return 'isTTY' in stream && stream.isTTY === true;
}

/** Text in bold, red or green where colours are taken. */
export function paint(text: string, style: 'bold' | 'red' | 'green' | 'dim', colour: boolean): string {
  if (!colour) return text;
  const [open, close] = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39] }[style] ?? [0, 0];
  return `\u001b[${open}m${text}\u001b[${close}m`;
}
