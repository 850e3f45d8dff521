import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignetError, utf8 } from '@signet/primitives/formats';
import { openSigner, type Signer } from '@signet/primitives/keys';
import { sigstoreTargets, type TargetSet, TufRepository } from '@signet/services/tuf';
import { readIfPresent } from './durable-files.ts';
import type { InstanceLayout } from './layout.ts';

/** Root and targets keys for a new trust root. */
export interface RootHolders {
  readonly signers: readonly Signer[];
  readonly threshold: number;
}

/** The targets that the files in `trust/` make. @throws ERR_INSTANCE */
export async function currentTargets(layout: InstanceLayout, now: Date): Promise<TargetSet> {
  const { trustedRoot, signingConfig, clientTrustConfig } = layout.trust;
  const [root, config, both] = await Promise.all([trustedRoot, signingConfig, clientTrustConfig].map(readText));
  if (root === undefined || config === undefined || both === undefined) {
    throw new SignetError('ERR_INSTANCE', `${layout.trust.directory} lacks a file; restore it from a backup`);
  }
  return sigstoreTargets({ trustedRoot: root, signingConfig: config, clientTrustConfig: both }, now);
}

function readText(path: string): Promise<string | undefined> {
  return readIfPresent(path);
}

/**
 * Makes the trust root over what `trust/` holds, or leaves the one that is there.
 *
 * @throws ERR_TUF_REFUSED, ERR_KEY_FILE
 */
export async function ensureTrustRepository(
  layout: InstanceLayout,
  holders: RootHolders,
  passphrase: string | undefined,
): Promise<void> {
  const online = await openSigner(layout.keys.tufOnline, passphrase === undefined ? {} : { passphrase });
  const signers = { online, offline: holders.signers };
  const targets = await currentTargets(layout, new Date());
  const { directory } = layout.tuf;
  if ((await readIfPresent(join(directory, 'metadata', 'timestamp.json'))) === undefined) {
    await TufRepository.create({ directory, signers, root: holders, targets });
    return;
  }
  // An init that was cut off after it: what stands in it must be what stands beside it.
  const repository = await TufRepository.open({ directory, signers });
  const published = repository.target('trusted_root.json');
  const wanted = utf8(await readFile(layout.trust.trustedRoot, 'utf8'));
  if (published === undefined || Buffer.compare(published, wanted) !== 0) await repository.publishTargets(targets);
}

/**
 * Opens the trust root with the keys that this machine has.
 *
 * @throws ERR_TUF_REPOSITORY, ERR_KEY_FILE
 */
export async function openTrustRepository(
  layout: InstanceLayout,
  passphrase: string | undefined,
  clock?: () => Date,
): Promise<TufRepository> {
  const options = passphrase === undefined ? {} : { passphrase };
  const online = await openSigner(layout.keys.tufOnline, options);
  const local = (await readIfPresent(layout.keys.tufRoot)) !== undefined;
  const offline = local ? [await openSigner(layout.keys.tufRoot, options)] : [];
  return TufRepository.open({
    directory: layout.tuf.directory,
    signers: { online, offline },
    ...(clock === undefined ? {} : { clock }),
  });
}
