import { access, rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignetError } from '@signet/primitives/formats';
import {
  changeOf,
  type Proposal,
  proposalStatus,
  propose,
  type RootChange,
  readRepository,
  removeProposal,
} from '@signet/services/tuf';
import { lockDirectory } from './directory-lock.ts';
import type { Instance } from './initialize.ts';
import { currentTargets, openTrustRepository } from './trust-repository.ts';

const answerWithin = 20_000;

/**
 * Lays out a change of the instance's trust root for its holders to sign.
 *
 * @param change what becomes of the keys; absent: the same keys for another period
 * @throws ERR_TUF_PROPOSAL, ERR_TUF_REPOSITORY
 */
export async function proposeChange(
  { layout }: Instance,
  directory: string,
  change: { readonly root?: RootChange },
  now: Date = new Date(),
): Promise<Proposal> {
  const { current } = await readRepository(layout.tuf.directory);
  // The targets come along in any case: they are signed anew for their whole period, and by the keys that the change leaves.
  return propose(directory, current, { ...change, targets: await currentTargets(layout, now) }, now);
}

/**
 * Publishes a signed proposal, after a stock client has accepted the outcome. A running instance does it itself.
 *
 * @returns the fingerprint of the newest root
 * @throws ERR_TUF_SIGNATURES, ERR_TUF_PROPOSAL, ERR_TUF_REFUSED
 */
export async function publishProposal(
  { layout }: Instance,
  proposal: Proposal,
  passphrase: string | undefined,
): Promise<{ readonly version: number; readonly fingerprint: string }> {
  for (const { document, count } of proposalStatus(proposal)) {
    if (count.signed >= count.threshold) continue;
    throw new SignetError(
      'ERR_TUF_SIGNATURES',
      `${document} lacks signatures; still to come from ${count.missing.join(', ')}`,
      {
        expected: `${count.threshold} signatures`,
        found: String(count.signed),
      },
    );
  }
  const repository = await openTrustRepository(layout, passphrase);
  const lock = tryLock(layout.state.lock);
  if (lock !== undefined) {
    try {
      await repository.apply(changeOf(proposal));
      await removeProposal(proposal.directory);
    } finally {
      lock.release();
    }
    return { version: repository.rootVersion, fingerprint: repository.rootFingerprint };
  }
  // Here, for the words; the instance checks it again.
  await repository.check(changeOf(proposal));
  await handOver(proposal.directory, layout.tuf.incoming);
  const { current } = await readRepository(layout.tuf.directory);
  const wanted = { root: proposal.root ?? current.root, targets: proposal.targets ?? current.targets };
  if (
    current.root.signed.version !== wanted.root.signed.version ||
    current.targets.signed.version < wanted.targets.signed.version
  ) {
    throw new SignetError(
      'ERR_TUF_REFUSED',
      'the running instance did not publish the proposal; its standard error says why',
    );
  }
  const published = await openTrustRepository(layout, passphrase);
  return { version: published.rootVersion, fingerprint: published.rootFingerprint };
}

async function handOver(directory: string, incoming: string): Promise<void> {
  await rename(directory, incoming).catch((cause: unknown) => {
    throw new SignetError('ERR_TUF_PROPOSAL', `${directory} cannot be moved to ${incoming} for the running instance`, {
      cause,
    });
  });
  const deadline = Date.now() + answerWithin;
  while (await exists(incoming)) {
    if (Date.now() > deadline) {
      throw new SignetError('ERR_TUF_REFUSED', 'the running instance did not take up the proposal; is it alive?');
    }
    await sleep(100);
  }
}

function tryLock(path: string) {
  try {
    return lockDirectory(path);
  } catch (error) {
    if (error instanceof SignetError && error.code === 'ERR_INSTANCE_BUSY') return undefined;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
