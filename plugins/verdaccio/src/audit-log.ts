import { channel } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import { inert } from '@signet/primitives/formats';
import type { PackageChange } from './storage.ts';

/** One decision about something that a client wants to change. */
export interface AuditRecord {
  readonly decision: 'accepted' | 'refused';
  /** Absent in records of before there was more than publishes. `publish`, `attach` (evidence by itself), `token` (a publish token) and `user` (an account) are what they say. */
  readonly action?: 'publish' | 'attach' | 'token' | 'user' | 'password' | PackageChange['action'];
  /** As the document named it; foreign. */
  readonly package?: string;
  readonly version?: string;
  /** Versions, tags or the file that a change is about. */
  readonly what?: string;
  /** The user of the registry, if anybody logged in. */
  readonly user?: string | undefined;
  /** HTTP status and code of a refusal. */
  readonly status?: number;
  readonly code?: string;
  readonly reason?: string;
  readonly integrity?: string;
  /** Signer, log index and time of each bundle that was relied on. */
  readonly evidence?: readonly string[];
  /** Rules of the policy that were asked. */
  readonly rules?: readonly string[];
}

/** The diagnostics channel that gets each decision as `{ path, record }`, `path` being the audit log's, for who embeds Verdaccio. */
export const decisionChannel = 'verdaccio-signet:decision';

const decisions = channel(decisionChannel);

/**
 * Every accept and every refusal, one line of JSON each, appended to a file that nothing here ever reads or shortens. Foreign
 * texts in it are inert and bounded.
 */
export class AuditLog {
  readonly #path: string | undefined;

  /** @param path absolute; without one nothing is kept */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  /** Appends a record; when this returns, the operating system has it. @throws when the file cannot be written */
  append(record: AuditRecord): void {
    decisions.publish({ path: this.#path, record });
    if (this.#path === undefined) return;
    const safe = Object.entries({ format: 1, time: new Date().toISOString(), ...record }).map(([key, value]) => [
      key,
      typeof value === 'string' ? inert(value) : Array.isArray(value) ? value.map((text) => inert(text)) : value,
    ]);
    appendFileSync(this.#path, `${JSON.stringify(Object.fromEntries(safe))}\n`, { mode: 0o600 });
  }
}
