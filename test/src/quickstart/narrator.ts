import type { WriteStream } from 'node:tty';
import { wrap } from './words.ts';

/** Columns that lines take where there is no terminal, and the most that they take on one. */
const widest = 100;

/** Tells a story on a terminal: titles, and steps of one line each, with the time they took. */
export class Narrator {
  readonly #out: NodeJS.WriteStream | WriteStream;
  readonly #colour: boolean;
  readonly #started = performance.now();
  #step = '';
  #stepStarted = 0;
  #failures = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
    this.#colour = out.isTTY === true && !process.env.NO_COLOR;
  }

  title(text: string): void {
    this.#out.write(`\n${this.#paint(1, text)}\n`);
  }

  /** Names the step that begins; on a terminal it is shown at once. */
  step(text: string): void {
    this.#step = text;
    this.#stepStarted = performance.now();
    if (this.#colour) this.#out.write(`  … ${text}`);
  }

  done(...results: readonly string[]): void {
    this.#line(this.#paint(32, '✔'), results);
  }

  /** The step was an attack: it must have been refused, with a reason. */
  refused(wasRefused: boolean, reason: string): void {
    if (wasRefused) this.#line(this.#paint(32, '✔'), [`refused${withStatus(reason)}`]);
    else {
      this.#failures++;
      this.#line(this.#paint(31, '✘'), [`NOT refused${withStatus(reason)}`]);
    }
  }

  /** Something that must hold. @throws when it does not */
  expect(holds: boolean, what: string): void {
    if (!holds) throw new Error(`it does not hold that ${what}`);
  }

  end(text: string): void {
    if (this.#failures > 0) throw new Error(`${this.#failures} of the attacks went through`);
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1);
    this.#out.write(`\n${this.#paint(32, text)} (${seconds} s, nothing left behind)\n`);
  }

  fail(error: unknown): void {
    this.#line(this.#paint(31, '✘'), [error instanceof Error ? error.message : String(error)]);
  }

  #line(mark: string, results: readonly string[]): void {
    const seconds = ((performance.now() - this.#stepStarted) / 1000).toFixed(1);
    if (this.#colour) this.#out.write('\r\x1b[2K');
    this.#out.write(`  ${mark} ${this.#step}  ${this.#paint(2, `${seconds} s`)}\n`);
    for (const line of results.flatMap((result) => this.#wrapped(result))) this.#out.write(`      ${line}\n`);
  }

  /** Within the width of the terminal, continued under the word that it began with. */
  #wrapped(result: string): string[] {
    const width = Math.min('columns' in this.#out ? this.#out.columns : widest, widest) - 6;
    return result.split('\n').flatMap((line) => {
      const [first = '', ...more] = wrap(line, width - 2);
      return [first, ...more.map((part) => `  ${part}`)];
    });
  }

  #paint(code: number, text: string): string {
    return this.#colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

/** The status of HTTP, if a registry answered with one, stands in parentheses. */
function withStatus(reason: string): string {
  const [, status, words] = /^(\d{3}): (.*)$/s.exec(reason) ?? [];
  return status === undefined ? `: ${reason}` : ` (${status}): ${words}`;
}
