import { isIPv6 } from 'node:net';
import type { Request } from './verdaccio-host.ts';

/** What failures are counted over, milliseconds. */
const span = 60_000;

/** Addresses that are remembered; the ones that failed longest ago are forgotten first. */
const maximumAddresses = 10_000;

/** Express's judgement of `trust proxy`: whether the nth host on the way may say for whom it asks. */
export type TrustsProxy = (address: string, index: number) => boolean;

/** Counts who tried passwords that were wrong, by address, over the last minute. */
export class PasswordFailures {
  readonly #limit: number;
  readonly #times = new Map<string, number[]>();
  readonly #pending = new Map<string, number>();

  /** @param limit how many an address may have within a minute */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns after how many seconds the address may try again; undefined when it may now */
  wait(address: string): number | undefined {
    const since = performance.now() - span;
    const times = (this.#times.get(address) ?? []).filter((time) => time > since);
    // Whatever is under way may fail too.
    const pending = this.#pending.get(address) ?? 0;
    if (times.length + pending < this.#limit) return undefined;
    const [oldest] = times;
    return oldest === undefined ? 1 : Math.max(1, Math.ceil((oldest - since) / 1000));
  }

  /** Says that the address tries one. @returns to be called with how it ended */
  begin(address: string): (failed: boolean) => void {
    this.#pending.set(address, (this.#pending.get(address) ?? 0) + 1);
    return (failed) => {
      const pending = (this.#pending.get(address) ?? 1) - 1;
      if (pending === 0) this.#pending.delete(address);
      else this.#pending.set(address, pending);
      if (failed) this.#note(address);
    };
  }

  #note(address: string): void {
    const times = this.#times.get(address) ?? [];
    this.#times.delete(address);
    this.#times.set(address, [...times, performance.now()].slice(-this.#limit));
    for (const oldest of this.#times.keys()) {
      if (this.#times.size <= maximumAddresses) break;
      this.#times.delete(oldest);
    }
  }
}

/**
 * Where a request comes from: the host behind those proxies that may be believed. Of IPv6 the first 64 bits, which is what one
 * customer gets.
 */
export function addressOf(request: Request, trusts: TrustsProxy): string {
  const forwarded = String(request.headers['x-forwarded-for'] ?? '').split(',');
  const said = forwarded.map((address) => address.trim()).filter((address) => address !== '');
  const way = [request.socket.remoteAddress ?? '', ...said.reverse()];
  const [last = ''] = way.slice(-1);
  return network(way.find((address, index) => !trusts(address, index)) ?? last);
}

function network(address: string): string {
  if (!isIPv6(address)) return address.slice(0, 64);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.toLowerCase().split('::');
  const front = head.split(':').filter((group) => group !== '');
  const back = (tail ?? '').split(':').filter((group) => group !== '');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length);
  return [...front, ...Array.from({ length: zeros }, () => '0'), ...back].slice(0, 4).join(':');
}
