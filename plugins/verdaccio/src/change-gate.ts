import type { AuditLog } from './audit-log.ts';
import { currentRequest } from './current-request.ts';
import type { NameLock } from './name-lock.ts';
import type { OwnedNames } from './names.ts';
import type { PackageRecords } from './package-records.ts';
import { Refusal } from './refusal.ts';
import type { EvidenceStorage, PackageChange } from './storage.ts';
import { TrustedPublishing } from './trusted-publishing.ts';

/** Who may unpublish, deprecate and tag what is published. */
export interface ChangeRules {
  /** `owners`: the first publisher, `owners` and `operators`; `publishers`: whoever Verdaccio lets publish. */
  readonly by: 'owners' | 'publishers';
  /** Users who may change every package. */
  readonly operators: readonly string[];
  /** Further owners. */
  readonly owners: readonly { readonly names: OwnedNames; readonly users: readonly string[] }[];
}

/** What the gate works with. */
export interface ChangeGateParts {
  readonly rules: ChangeRules;
  readonly storage: EvidenceStorage;
  readonly records: PackageRecords;
  readonly audit: AuditLog;
  /** Names that are being written to. */
  readonly lock: NameLock;
}

/**
 * Decides about changes of what is published, after Verdaccio decided that the user may publish or unpublish the package at all:
 * in most registries that is everybody with an account. It stands before Verdaccio's storage and not before its routes, so that
 * no spelling of an address and no shape of a document leads around it. Every decision is in the audit log before it is carried
 * out, and what is unpublished is remembered first.
 */
export class ChangeGate {
  readonly #parts: ChangeGateParts;

  constructor(parts: ChangeGateParts) {
    this.#parts = parts;
    parts.storage.guardChanges(
      (change) => this.#decide(change),
      (name) => parts.lock.acquire(name),
    );
  }

  /** @throws a refusal */
  async #decide(change: PackageChange): Promise<void> {
    const { audit, records } = this.#parts;
    const { action, name } = change;
    const user = currentRequest()?.request.remote_user;
    const note = { action, package: name, user: user?.name, ...(change.what === '' ? {} : { what: change.what }) };
    try {
      await this.#assertMay(change, user?.name, TrustedPublishing.packageOf(user) === name);
      if (change.refused !== undefined) throw new Refusal(409, 'ERR_PUBLISH_FORBIDDEN', change.refused);
    } catch (error) {
      if (error instanceof Refusal) {
        const { status, code, message: reason } = error;
        audit.append({ decision: 'refused', ...note, status, code, reason });
      }
      throw error;
    }
    audit.append({ decision: 'accepted', ...note });
    await records.noteRemoved(name, change.removed);
  }

  async #assertMay({ action, name }: PackageChange, user: string | undefined, ownToken: boolean): Promise<void> {
    const { rules, records } = this.#parts;
    // Stars are everybody's own; a publish token is for one package, whose publisher the operator named.
    if (action === 'star' || rules.by === 'publishers' || ownToken) return;
    if (user === undefined) throw new Refusal(401, 'ERR_PUBLISH_FORBIDDEN', `Log in to ${action} ${name}`);
    if (rules.operators.includes(user)) return;
    const owners = rules.owners.filter(({ names }) => names.has(name)).flatMap(({ users }) => users);
    const { owner } = await records.read(name);
    if (owner !== undefined) owners.push(owner);
    // Published before owners were written down, and nobody configured any: Verdaccio's own rules are all there is.
    if (owners.length === 0 || owners.includes(user)) return;
    throw new Refusal(
      403,
      'ERR_PUBLISH_FORBIDDEN',
      `Only the owners of ${name} and the registry’s operators may ${action} it, and you are ${user}`,
    );
  }
}
