import { SignetError } from '@signet/primitives/formats';
import {
  changeOf,
  propose,
  type RoleStatus,
  readProposal,
  removeProposal,
  type TufRepository,
} from '@signet/services/tuf';
import { readIfPresent, writeDurably } from './durable-files.ts';
import { type Generations, writeGenerations } from './generations.ts';
import type { Instance } from './initialize.ts';
import type { InstanceLogs } from './instance-logs.ts';
import {
  endRotation,
  endTime,
  type Rotation,
  readRotations,
  serviceIdentity,
  switchTime,
  withGeneration,
  writeRotation,
} from './rotation.ts';
import {
  addService,
  addWritableLog,
  endOtherServices,
  endOtherWritableLogs,
  type ServiceIdentity,
  trustsService,
} from './trust-changes.ts';
import { createClientTrustConfig } from './trust-documents.ts';
import { currentTargets } from './trust-repository.ts';

/** What upkeep is done on. */
export interface MaintenanceOptions {
  readonly instance: Instance;
  readonly trust: TufRepository;
  readonly generations: Generations;
  readonly passphrase: string | undefined;
  /** Brings other generations into use. */
  readonly onSwitch: (generations: Generations) => Promise<void>;
  /** The transparency logs, if they are served: the others' rotations go on without them. */
  readonly logs: InstanceLogs | undefined;
  /** Takes sentences for the operator. */
  readonly onNote: (sentence: string) => void;
  readonly now: () => Date;
}

const lookEveryMilliseconds = 2000;
const renewEveryMilliseconds = 60_000;
const day = 86_400_000;

/**
 * Keeps an instance going for years: signs its trust root again in time, publishes what ceremonies signed, and carries rotations
 * through. Every step can be cut off and is taken up by the next start.
 */
export class Maintenance {
  readonly #options: MaintenanceOptions;
  #generations: Generations;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> = Promise.resolve();
  #renewed = 0;
  /** What was said already, so that it is not said every two seconds. */
  #said = '';

  constructor(options: MaintenanceOptions) {
    this.#options = options;
    this.#generations = options.generations;
  }

  /** @throws what signing the trust root again throws */
  async start(): Promise<void> {
    const { trust, onNote, now } = this.#options;
    // In any case, not only at half life: this may be a restored backup, below what clients have seen.
    await trust.renew({ force: true });
    this.#renewed = now().getTime();
    for (const role of trust.status) {
      const warning = expiryWarning(role, now());
      if (warning !== undefined) onNote(warning);
    }
    await this.#look();
    this.#schedule();
  }

  /** Ends after the step that is under way. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#working;
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#working = this.#look().then(() => {
        if (this.#timer !== undefined) this.#schedule();
      });
    }, lookEveryMilliseconds);
    this.#timer.unref();
  }

  /** One round. A step that fails is told of and tried again in the next round. */
  async #look(): Promise<void> {
    try {
      await this.#renew();
      await this.#takeIncoming();
      for (const rotation of await readRotations(this.#options.instance)) await this.#advance(rotation);
      this.#said = '';
    } catch (error) {
      const sentence = error instanceof SignetError ? `${error.message} [${error.code}]` : String(error);
      if (sentence !== this.#said) this.#options.onNote(sentence);
      this.#said = sentence;
    }
  }

  async #renew(): Promise<void> {
    const { trust, now } = this.#options;
    if (now().getTime() - this.#renewed < renewEveryMilliseconds) return;
    this.#renewed = now().getTime();
    await trust.renew();
  }

  async #takeIncoming(): Promise<void> {
    const { trust, instance, onNote } = this.#options;
    const { incoming } = instance.layout.tuf;
    if ((await readIfPresent(`${incoming}/proposal.json`)) === undefined) return;
    try {
      await trust.apply(changeOf(await readProposal(incoming)));
      onNote(`the trust root is now at root ${trust.rootVersion}, fingerprint ${trust.rootFingerprint}`);
    } finally {
      // Refused or published, it is done with; a copy is where it was signed.
      await removeProposal(incoming);
    }
  }

  async #advance(rotation: Rotation): Promise<void> {
    const { instance, passphrase, now, onNote, logs } = this.#options;
    const { service } = rotation;
    const isLog = service === 'log' || service === 'log-v1';
    if (isLog && logs === undefined) return;
    const identity = await serviceIdentity(instance, service, rotation.generation, passphrase);
    if (rotation.announced === undefined) {
      // What is announced is there: whoever looks at a log that has just come to be trusted finds it, empty.
      if (service === 'log') await logs?.reach({ ...this.#generations, log: rotation.generation });
      const published = await this.#publish({ trustedRoot: (text) => addService(text, identity, rotation.begun) });
      if (!published || !this.#isPublished((text) => trustsService(text, identity))) return;
      const announced = { ...rotation, announced: now() };
      await writeRotation(instance, announced);
      onNote(
        `${service} ${rotation.generation} is trusted and comes into use at ${switchTime(announced)?.toISOString()}`,
      );
      if (rotation.leadSeconds === 0) await this.#advance(announced);
      return;
    }
    const due = switchTime(rotation);
    if (due === undefined || due > now()) return;
    if (rotation.switched === undefined) await this.#switch(rotation, identity);
    else await this.#end(rotation, identity);
  }

  async #switch(rotation: Rotation, identity: ServiceIdentity): Promise<void> {
    const { instance, now, onNote, onSwitch } = this.#options;
    if (rotation.service === 'log') {
      // The present shard takes entries until signers can have heard of the next one.
      const { uri } = identity;
      const start = switchTime(rotation) ?? now();
      if (!(await this.#publish({ signingConfig: (text) => addWritableLog(text, uri, start) }))) return;
    }
    const generations = withGeneration(this.#generations, rotation);
    await onSwitch(generations);
    // After the services have taken it: what is written down has been seen to work.
    await writeGenerations(instance.layout, generations);
    this.#generations = generations;
    const switched = { ...rotation, switched: now() };
    await writeRotation(instance, switched);
    onNote(`${rotation.service} ${rotation.generation} is in use`);
    await this.#end(switched, identity);
  }

  async #end(rotation: Rotation, identity: ServiceIdentity): Promise<void> {
    const { instance, onNote, logs } = this.#options;
    const end = endTime(rotation);
    if (end === undefined) return;
    if (rotation.service === 'log') await logs?.v2.freezeBefore(rotation.generation, end);
    const trustedRoot = (text: string) => endOtherServices(text, identity, end);
    const signingConfig = (text: string) =>
      rotation.service === 'log' ? endOtherWritableLogs(text, identity.uri, end) : text;
    const published = await this.#publish({ trustedRoot, signingConfig });
    if (!published || !this.#isPublished((text) => trustedRoot(text) === text)) return;
    await endRotation(instance, rotation);
    onNote(`the rotation of ${rotation.service} is done; what came before it is trusted until ${end.toISOString()}`);
  }

  #isPublished(check: (trustedRoot: string) => boolean): boolean {
    const bytes = this.#options.trust.target('trusted_root.json');
    return bytes !== undefined && check(Buffer.from(bytes).toString('utf8'));
  }

  /**
   * Changes trusted root and signing config, on disk and in the trust root.
   *
   * @returns whether they are published; otherwise they wait for a ceremony, for which a proposal is laid out
   */
  async #publish(change: TrustChange): Promise<boolean> {
    const { instance, trust, now, onNote } = this.#options;
    const { layout } = instance;
    const files = { trustedRoot: layout.trust.trustedRoot, signingConfig: layout.trust.signingConfig };
    const before = {
      trustedRoot: await readText(files.trustedRoot),
      signingConfig: await readText(files.signingConfig),
    };
    const { trustedRoot = same, signingConfig = same } = change;
    const after = { trustedRoot: trustedRoot(before.trustedRoot), signingConfig: signingConfig(before.signingConfig) };
    if (after.trustedRoot !== before.trustedRoot || after.signingConfig !== before.signingConfig) {
      const both = createClientTrustConfig(JSON.parse(after.trustedRoot), JSON.parse(after.signingConfig));
      await writeDurably(layout.trust.clientTrustConfig, `${JSON.stringify(both, undefined, 2)}\n`);
      if (after.signingConfig !== before.signingConfig) await writeDurably(files.signingConfig, after.signingConfig);
      if (after.trustedRoot !== before.trustedRoot) await writeDurably(files.trustedRoot, after.trustedRoot);
    }
    const isPublished = (name: string, text: string) => Buffer.from(trust.target(name) ?? []).toString('utf8') === text;
    if (
      isPublished('trusted_root.json', after.trustedRoot) &&
      isPublished('signing_config.v0.2.json', after.signingConfig)
    )
      return true;
    const targets = await currentTargets(layout, now());
    if (trust.canSignTargets) {
      await trust.publishTargets(targets);
      return true;
    }
    if ((await readIfPresent(`${layout.tuf.proposal}/proposal.json`)) === undefined) {
      await propose(layout.tuf.proposal, trust.current, { targets }, now());
      onNote(
        `the trust root changes: ${layout.tuf.proposal} waits for signatures (signet tuf sign, then signet tuf publish)`,
      );
    }
    return false;
  }
}

/** What becomes of the documents that clients get; the same text where nothing changes. */
interface TrustChange {
  readonly trustedRoot?: (text: string) => string;
  readonly signingConfig?: (text: string) => string;
}

function same(text: string): string {
  return text;
}

async function readText(path: string): Promise<string> {
  return (await readIfPresent(path)) ?? '';
}

/** A sentence about a role that expires soon and that nobody here can sign, or undefined. */
export function expiryWarning({ role, expires, renewable }: RoleStatus, now: Date): string | undefined {
  const days = Math.floor((expires.getTime() - now.getTime()) / day);
  const until = expires.toISOString().slice(0, 10);
  if (expires <= now)
    return `the ${role} metadata of the trust root expired on ${until}: every client refuses it; sign it again with signet tuf propose`;
  if (renewable || days >= 45) return undefined;
  return `the ${role} metadata of the trust root expires on ${until}, in ${days} days; its keys are elsewhere: signet tuf propose, sign and publish`;
}
