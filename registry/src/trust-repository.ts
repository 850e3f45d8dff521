import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parseJson, SignetError, utf8 } from '@signet/primitives/formats';
import { openSigner, type Signer } from '@signet/primitives/keys';
import { sigstoreTargets, type TargetSet, TufRepository } from '@signet/services/tuf';
import { readIfPresent, writeDurably } from './durable-files.ts';
import { parseInstanceFile } from './instance-file.ts';
import type { InstanceLayout } from './layout.ts';
import { distributedKeys } from './registry-key.ts';
import { createClientTrustConfig } from './trust-documents.ts';

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
  const instance = await readText(layout.instanceFile);
  if (instance === undefined) throw new SignetError('ERR_INSTANCE', `${layout.instanceFile} is missing`);
  const { publicUrl, created } = parseInstanceFile(instance, layout.instanceFile);
  const keys = await distributedKeys(layout, created);
  return sigstoreTargets(
    {
      trustedRoot: root,
      signingConfig: config,
      clientTrustConfig: await agreeing(layout, { root, config, both }),
      ...(keys === undefined ? {} : { registryKeys: { host: new URL(publicUrl).host, text: keys } }),
    },
    now,
  );
}

/** The file that holds both documents, made anew where somebody has changed one of them by hand. */
async function agreeing(
  layout: InstanceLayout,
  { root, config, both }: { readonly root: string; readonly config: string; readonly both: string },
): Promise<string> {
  const wanted = createClientTrustConfig(
    parseJson(root, layout.trust.trustedRoot),
    parseJson(config, layout.trust.signingConfig),
  );
  if (isDeepStrictEqual(wanted, parseJson(both, layout.trust.clientTrustConfig))) return both;
  const text = `${JSON.stringify(wanted, undefined, 2)}\n`;
  await writeDurably(layout.trust.clientTrustConfig, text);
  return text;
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
