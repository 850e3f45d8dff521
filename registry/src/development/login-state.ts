import type { Adapter, AdapterPayload } from 'oidc-provider';

/** Logins that may be under way at once; beyond that the oldest is forgotten. */
const maximumEntries = 1000;

/**
 * Where the development identity provider keeps logins under way. A restart forgets them, and people sign in again; its keys
 * are what must last, and they are in the data directory.
 */
export class LoginState {
  readonly #entries = new Map<string, { readonly payload: AdapterPayload; readonly expires: number }>();

  /** The store of one kind of state, as oidc-provider asks for it. */
  adapter(kind: string): Adapter {
    const key = (id: string) => `${kind}:${id}`;
    const first = (matches: (payload: AdapterPayload) => boolean) => {
      for (const name of this.#entries.keys()) {
        const payload = name.startsWith(`${kind}:`) ? this.#read(name) : undefined;
        if (payload !== undefined && matches(payload)) return payload;
      }
      return undefined;
    };
    return {
      upsert: async (id, payload, expiresIn) => this.#write(key(id), payload, expiresIn),
      find: async (id) => this.#read(key(id)),
      findByUid: async (uid) => first((payload) => payload.uid === uid),
      findByUserCode: async (code) => first((payload) => payload.userCode === code),
      consume: async (id) => {
        const payload = this.#read(key(id));
        if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
      },
      destroy: async (id) => {
        this.#entries.delete(key(id));
      },
      revokeByGrantId: async (grantId) => {
        for (const [name, { payload }] of this.#entries) {
          if (payload.grantId === grantId) this.#entries.delete(name);
        }
      },
    };
  }

  #write(name: string, payload: AdapterPayload, expiresIn = 600): void {
    // Deleting first makes a rewritten entry the youngest in the map's order.
    this.#entries.delete(name);
    this.#entries.set(name, { payload, expires: Date.now() + expiresIn * 1000 });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > maximumEntries && oldest !== undefined) this.#entries.delete(oldest);
  }

  #read(name: string): AdapterPayload | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.expires > Date.now()) return entry?.payload;
    this.#entries.delete(name);
    return undefined;
  }
}
