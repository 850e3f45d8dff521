import { inert } from '@signet/primitives/formats';
import type { CommandContext } from '../../command.ts';
import { paint, takesColour } from '../../terminal.ts';
import type { Operator } from './load.ts';

type StartOptions = Parameters<Operator['startInstance']>[0];
type InstanceEvent = Parameters<NonNullable<StartOptions['onEvent']>>[0];

/** The longest text that one line takes from outside, characters. */
const longest = 2000;

/**
 * What a running instance has to say, on standard error: a line for each decision, warning and, if asked for, request; with
 * `--json` each as a document. Nothing with `--quiet` but errors.
 */
export class InstanceReport {
  readonly #context: CommandContext;
  readonly #colour: boolean;

  constructor(context: CommandContext) {
    this.#context = context;
    this.#colour = takesColour(context.stderr, context.env);
  }

  /** A sentence to the operator: something expires, a rotation goes on. */
  readonly note = (sentence: string): void => {
    if (this.#context.json) this.#write({ kind: 'note', message: sentence });
    else this.#line('!', sentence);
  };

  readonly event = (event: InstanceEvent): void => {
    const loud = event.kind === 'registry' && event.level === 'error';
    if (this.#context.json) this.#write(event, loud);
    else if (event.kind === 'decision') this.#line(this.#verdict(event.decision), describeDecision(event));
    else if (event.kind === 'registry') this.#line(loud ? '!!' : '!', event.message, loud);
    else
      this.#line('request ', `${event.method} ${event.path} ${event.status ?? 'broken off'} ${event.milliseconds} ms`);
  };

  /** The last line. */
  stopped(): void {
    if (this.#context.json) this.#write({ kind: 'stopped' });
    else this.#context.note('stopped');
  }

  #verdict(decision: 'accepted' | 'refused'): string {
    return decision === 'accepted' ? paint('accepted', 'green', this.#colour) : paint('refused ', 'red', this.#colour);
  }

  #line(what: string, text: string, loud = false): void {
    this.#say(`${paint(now(), 'dim', this.#colour)} ${what} ${inert(text.slice(0, longest))}`, loud);
  }

  #write(document: object, loud = false): void {
    this.#say(JSON.stringify({ format: 1, time: now(), ...document }), loud);
  }

  /** @param loud with --quiet too */
  #say(line: string, loud: boolean): void {
    if (loud) this.#context.stderr.write(`${line}\n`);
    else this.#context.note(line);
  }
}

/** `publish @example/x@1.0.0 from alice: why (403 ERR_…)` */
function describeDecision(event: Extract<InstanceEvent, { readonly kind: 'decision' }>): string {
  const { action = 'publish', version, what, user, evidence = [], reason, status, code } = event;
  const release = event.package === undefined ? [] : [`${event.package}${version === undefined ? '' : `@${version}`}`];
  const subject = [action, ...release, ...(what === undefined ? [] : [what])].join(' ');
  const why = [reason, ...evidence].filter((text) => text !== undefined).join('; ');
  const answer = status === undefined ? '' : ` (${[status, code].filter(Boolean).join(' ')})`;
  return `${subject} from ${user ?? 'nobody who is logged in'}${why === '' ? '' : `: ${why}`}${answer}`;
}

/** UTC, to the second. */
function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
