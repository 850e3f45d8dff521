import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignetError } from '@signet/primitives/formats';

/** A document that every process can read and replace, where whoever reads after a write sees it. */
export interface SharedDocument {
  read(): Promise<unknown>;
  write(document: object): Promise<void>;
}

/** What its holder may do alone. */
export interface Lease {
  /** Whether it may be somebody else's by now, so that nothing may be written any more. */
  readonly isOver: boolean;
  release(): Promise<void>;
}

/** How long a lease lasts, milliseconds: a publish that was read takes some seconds at most. */
const holdFor = 30_000;

/** After how long without a change a holder is taken for dead, milliseconds: its last write may be under way as long again. */
const abandonedAfter = 2 * holdFor;

/** How long anybody waits for a lease, milliseconds. */
const patience = 2 * abandonedAfter;

const between = 100;

/**
 * Takes a lease where the storage can neither lock nor write on a condition, by reading, writing and waiting alone (Fischer's
 * algorithm: L. Lamport, A Fast Mutual Exclusion Algorithm, 1987, §2). Whoever finds it free writes a mark of its own, waits, and has it
 * if the mark is still there. Two have it at once only if one writes later than it may after it read; whoever notices that of itself
 * takes its own mark for another's, and waits for that to be abandoned.
 *
 * @param settle longest time from looking to having written, and how long is waited after it; milliseconds, the same for all
 * @throws ERR_REGISTRY_STORAGE when others have it for too long, and what reading and writing throw
 */
export async function takeLease(document: SharedDocument, settle: number): Promise<Lease> {
  const start = performance.now();
  let seen: { readonly holder: string; readonly since: number } | undefined;
  while (performance.now() - start < patience) {
    const looked = performance.now();
    const holder = holderOf(await document.read());
    if (holder !== undefined && seen?.holder !== holder) seen = { holder, since: performance.now() };
    if (holder !== undefined && looked - (seen?.since ?? looked) < abandonedAfter) {
      await sleep(between * (0.5 + Math.random()));
      continue;
    }
    const own = randomUUID();
    const begun = performance.now();
    await document.write({ format: 1, holder: own });
    if (performance.now() - looked > settle) continue;
    await sleep(settle);
    if (holderOf(await document.read()) === own) return leaseOf(document, begun);
  }
  throw new SignetError(
    'ERR_REGISTRY_STORAGE',
    'The registry’s storage failed: other processes write to the package all the time; try again',
  );
}

function leaseOf(document: SharedDocument, begun: number): Lease {
  const lease = {
    get isOver() {
      return performance.now() - begun > holdFor;
    },
    async release() {
      if (!lease.isOver) await document.write({ format: 1, holder: null });
    },
  };
  return lease;
}

/** A mark that cannot be read is nobody's. */
function holderOf(document: unknown): string | undefined {
  const { holder } = (typeof document === 'object' && document !== null ? document : {}) as { holder?: unknown };
  return typeof holder === 'string' ? holder : undefined;
}
