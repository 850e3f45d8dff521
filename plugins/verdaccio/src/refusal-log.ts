import { addressOf, type TrustsProxy } from './password-failures.ts';
import type { Logger, Request } from './verdaccio-host.ts';

/** How long refusals of one kind from one address are counted before a line says how many there were, milliseconds. */
const span = 10_000;

/** Kinds and addresses that are counted by themselves; what comes beyond is counted as one. */
const maximumCounted = 1000;

/** What a line of the log says of a refusal. */
export interface RefusalNote {
  readonly status: number;
  readonly code: string;
  /** In words; inert. */
  readonly reason: string;
}

interface Counted {
  readonly note: RefusalNote;
  count: number;
}

/**
 * Refusals in Verdaccio's log: the first of a kind from an address at once, and of those that follow within some seconds their
 * number, so that whoever floods the registry does not flood its log. The audit log has every one of those that belong there.
 */
export class RefusalLog {
  readonly #logger: Logger;
  readonly #trusts: TrustsProxy;
  readonly #counted = new Map<string, Counted>();
  #timer: NodeJS.Timeout | undefined;

  /** @param trusts which proxies may say for whom they ask */
  constructor(logger: Logger, trusts: TrustsProxy) {
    this.#logger = logger;
    this.#trusts = trusts;
  }

  /**
   * Writes a line, or counts.
   *
   * @param fields of the line beside the note's
   * @param template as Verdaccio's logger takes it
   */
  refused(request: Request, note: RefusalNote, fields: object, template: string): void {
    const address = addressOf(request, this.#trusts);
    const own = `${note.status} ${note.code} ${address}`;
    const isNew = !this.#counted.has(own);
    const key = isNew && this.#counted.size >= maximumCounted ? 'others' : own;
    const known = this.#counted.get(key);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    this.#counted.set(key, { note, count: 0 });
    this.#timer ??= setTimeout(() => this.flush(), span).unref();
    this.#logger.warn({ ...fields, ...note, address }, template);
  }

  /** Says how many there were, and begins anew. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [key, { note, count }] of this.#counted) {
      if (count === 0) continue;
      const from = key.split(' ')[2] ?? 'other addresses';
      const fields = { ...note, address: from, count };
      this.#logger.warn(
        fields,
        'refused @{count} more like it from @{address}: @{status} @{code}, at first: @{reason}',
      );
    }
    this.#counted.clear();
  }
}
