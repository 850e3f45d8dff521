import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson, SignetError, utf8 } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import { buildRoot, buildTargets, type RoleKeys, type TargetSet, targetPath } from './build.ts';
import { readDirectory, targetFileName, targetName, writeDurably } from './durable-file.ts';
import {
  countSignatures,
  formatMetadata,
  parseMetadata,
  type RoleMetadata,
  roleOf,
  type SignatureCount,
  signMetadata,
} from './metadata.ts';
import type { CurrentMetadata, SignedChange } from './repository.ts';
import type { RoleName } from './roles.ts';
import { tufKey } from './tuf-key.ts';

/** What is to become of the keys; everything that is absent stays. */
export interface RootChange {
  /** Public keys that root and targets get. */
  readonly add?: readonly Pick<Signer, 'publicKey' | 'keyDetails'>[];
  /** Ids of keys that they lose. */
  readonly remove?: readonly string[];
  readonly threshold?: number;
  /** Another key for snapshot and timestamp. */
  readonly online?: Pick<Signer, 'publicKey' | 'keyDetails'>;
}

/** A change of the trust root on its way through a ceremony: a folder that can be carried to whoever holds a key. */
export interface Proposal {
  readonly directory: string;
  /** In force when the proposal was made. */
  readonly current: Pick<CurrentMetadata, 'root' | 'targets'>;
  readonly root?: RoleMetadata['root'];
  readonly targets?: RoleMetadata['targets'];
  /** Target files by their path in the repository. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** What still lacks before a proposal can be published. */
export interface ProposalStatus {
  readonly document: string;
  readonly count: SignatureCount;
}

const format = { format: 1, type: 'signet-tuf-proposal' } as const;

/**
 * Writes a proposal. Nothing of it is in force before {@link signProposal} was done by enough holders and it is published.
 *
 * @param directory must hold no proposal
 * @throws ERR_TUF_PROPOSAL, ERR_TUF_REPOSITORY
 */
export async function propose(
  directory: string,
  current: CurrentMetadata,
  change: { readonly root?: RootChange; readonly targets?: TargetSet },
  now: Date,
): Promise<Proposal> {
  if ((await readDirectory(directory)).size > 0) {
    throw new SignetError('ERR_TUF_PROPOSAL', `${directory} holds something already; publish it, or remove it first`);
  }
  const root = change.root === undefined ? undefined : nextRoot(current.root, change.root, now);
  const targets =
    change.targets === undefined ? undefined : buildTargets(current.targets.signed.version, change.targets, now);
  if (root === undefined && targets === undefined) {
    throw new SignetError('ERR_TUF_PROPOSAL', 'the proposal would change nothing');
  }
  for (const target of Object.values(targets?.signed.targets ?? {})) {
    const { bytes } = change.targets?.get(target.path) ?? {};
    if (bytes !== undefined) await writeDurably(placeOf(directory, targetPath(target)), bytes);
  }
  await writeDurably(join(directory, 'current.root.json'), formatMetadata(current.root));
  await writeDurably(join(directory, 'current.targets.json'), formatMetadata(current.targets));
  if (targets !== undefined) await writeDurably(join(directory, 'targets.json'), formatMetadata(targets));
  if (root !== undefined) await writeDurably(join(directory, 'root.json'), formatMetadata(root));
  // Last: without it the folder is no proposal yet.
  const description = { ...format, made: now.toISOString() };
  await writeDurably(join(directory, 'proposal.json'), utf8(`${JSON.stringify(description)}\n`));
  return readProposal(directory);
}

/** @throws ERR_TUF_PROPOSAL, ERR_TUF_REPOSITORY */
export async function readProposal(directory: string): Promise<Proposal> {
  const files = await readDirectory(directory);
  const description = files.get('proposal.json');
  if (description === undefined) throw new SignetError('ERR_TUF_PROPOSAL', `${directory} holds no proposal`);
  const value = parseJson(description, join(directory, 'proposal.json')) as Partial<typeof format> | null;
  if (value?.type !== format.type || value.format !== format.format) {
    throw new SignetError(
      'ERR_TUF_PROPOSAL',
      `${directory} holds a proposal that this version of signet does not know`,
    );
  }
  const read = <R extends RoleName>(role: R, name: string): RoleMetadata[R] | undefined => {
    const bytes = files.get(name);
    return bytes === undefined ? undefined : parseMetadata(role, bytes, join(directory, name));
  };
  const current = { root: read('root', 'current.root.json'), targets: read('targets', 'current.targets.json') };
  if (current.root === undefined || current.targets === undefined) {
    throw new SignetError('ERR_TUF_PROPOSAL', `${directory} lacks the metadata that it changes`);
  }
  const root = read('root', 'root.json');
  const targets = read('targets', 'targets.json');
  const contents = [...(await readDirectory(join(directory, 'targets')))].map(
    ([name, bytes]) => [`targets/${targetName(name)}`, bytes] as const,
  );
  return {
    directory,
    current: { root: current.root, targets: current.targets },
    ...(root === undefined ? {} : { root }),
    ...(targets === undefined ? {} : { targets }),
    files: new Map(contents),
  };
}

/**
 * Adds the signature of a key to everything in the proposal that the key may sign.
 *
 * @returns the documents that were signed
 * @throws ERR_TUF_SIGNATURES when the key may sign nothing of it, ERR_TUF_PROPOSAL
 */
export async function signProposal(proposal: Proposal, signer: Signer): Promise<readonly string[]> {
  const { root, targets, current, directory } = proposal;
  const { keyID } = tufKey(signer);
  const may = (by: RoleMetadata['root'], role: RoleName) => roleOf(by.signed, role).keyIDs.includes(keyID);
  const signed: string[] = [];
  // A new root is signed by the holders before and after the change (TUF specification §5.3.4).
  if (root !== undefined && (may(current.root, 'root') || may(root, 'root'))) {
    await signMetadata(root, signer);
    await writeDurably(join(directory, 'root.json'), formatMetadata(root));
    signed.push('root.json');
  }
  if (targets !== undefined && may(root ?? current.root, 'targets')) {
    await signMetadata(targets, signer);
    await writeDurably(join(directory, 'targets.json'), formatMetadata(targets));
    signed.push('targets.json');
  }
  if (signed.length === 0) {
    throw new SignetError('ERR_TUF_SIGNATURES', `the key ${keyID} may sign nothing of this proposal`);
  }
  return signed;
}

/** Takes over the signatures that somebody made on a copy of the proposal. @throws ERR_TUF_PROPOSAL */
export async function mergeProposal(proposal: Proposal, copy: Proposal): Promise<void> {
  for (const [name, own, other] of [
    ['root.json', proposal.root, copy.root],
    ['targets.json', proposal.targets, copy.targets],
  ] as const) {
    if (own === undefined && other === undefined) continue;
    if (own === undefined || other === undefined || !sameDocument(own, other)) {
      throw new SignetError('ERR_TUF_PROPOSAL', `${copy.directory} is no copy of this proposal: ${name} differs`);
    }
    for (const [keyId, signature] of Object.entries(other.signatures)) own.signatures[keyId] ??= signature;
    await writeDurably(join(proposal.directory, name), formatMetadata(own));
  }
}

function sameDocument(a: RoleMetadata['root'] | RoleMetadata['targets'], b: typeof a): boolean {
  return JSON.stringify(a.signed.toJSON()) === JSON.stringify(b.signed.toJSON());
}

/** How many signatures each document has and needs. */
export function proposalStatus({ root, targets, current }: Proposal): readonly ProposalStatus[] {
  const statuses: ProposalStatus[] = [];
  if (root !== undefined) {
    const before = countSignatures(current.root.signed, 'root', root);
    statuses.push({ document: 'root.json, by the keys in force', count: before });
    statuses.push({ document: 'root.json, by its own keys', count: countSignatures(root.signed, 'root', root) });
  }
  const count = countSignatures((root ?? current.root).signed, 'targets', targets ?? current.targets);
  if (targets !== undefined || count.signed < count.threshold) statuses.push({ document: 'targets.json', count });
  return statuses;
}

/** What a proposal changes, one line each: what somebody should read before signing it. */
export function describeProposal({ root, targets, current }: Proposal): readonly string[] {
  const lines: string[] = [];
  if (root !== undefined) {
    lines.push(`root ${current.root.signed.version} → ${root.signed.version}, until ${root.signed.expires}`);
    for (const role of ['root', 'targets', 'timestamp'] as const) {
      const [before, after] = [roleOf(current.root.signed, role), roleOf(root.signed, role)];
      const name = role === 'timestamp' ? 'snapshot and timestamp' : role;
      for (const id of after.keyIDs) if (!before.keyIDs.includes(id)) lines.push(`${name}: key ${id} comes`);
      for (const id of before.keyIDs) if (!after.keyIDs.includes(id)) lines.push(`${name}: key ${id} goes`);
      if (before.threshold !== after.threshold) {
        lines.push(`${name}: ${before.threshold} → ${after.threshold} of ${after.keyIDs.length} must sign`);
      }
    }
  }
  if (targets !== undefined) {
    lines.push(
      `targets ${current.targets.signed.version} → ${targets.signed.version}, until ${targets.signed.expires}`,
    );
    const [before, after] = [current.targets.signed.targets, targets.signed.targets];
    for (const [name, { hashes, length }] of Object.entries(after)) {
      const old = before[name];
      if (old?.hashes.sha256 === hashes.sha256) continue;
      lines.push(`${old === undefined ? 'new' : 'changed'}: ${name}, ${length} bytes, sha256 ${hashes.sha256}`);
    }
    for (const name of Object.keys(before)) if (after[name] === undefined) lines.push(`gone: ${name}`);
  }
  return lines;
}

/** The proposal as {@link TufRepository.apply} takes it. */
export function changeOf({ root, targets, files }: Proposal): SignedChange {
  return {
    ...(root === undefined ? {} : { root }),
    ...(targets === undefined ? {} : { targets: { metadata: targets, files } }),
  };
}

/** Removes a proposal that was published or is not wanted. */
export async function removeProposal(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}

function nextRoot(current: RoleMetadata['root'], change: RootChange, now: Date): RoleMetadata['root'] {
  const { signed } = current;
  const unknown = change.remove?.find((id) => signed.keys[id] === undefined);
  if (unknown !== undefined) throw new SignetError('ERR_TUF_PROPOSAL', `the root has no key ${unknown} to remove`);
  const added = (change.add ?? []).map(tufKey);
  const keysOf = (role: RoleName): RoleKeys => {
    const { keyIDs, threshold } = roleOf(signed, role);
    return { keys: keyIDs.flatMap((id) => signed.keys[id] ?? []), threshold };
  };
  const changed = (role: 'root' | 'targets'): RoleKeys => {
    const { keys, threshold } = keysOf(role);
    const kept = keys.filter(({ keyID }) => !change.remove?.includes(keyID));
    const fresh = added.filter(({ keyID }) => !kept.some((key) => key.keyID === keyID));
    const result = { keys: [...kept, ...fresh], threshold: change.threshold ?? threshold };
    if (!Number.isSafeInteger(result.threshold) || result.threshold < 1 || result.threshold > result.keys.length) {
      const found = `${result.threshold} of ${result.keys.length}`;
      throw new SignetError('ERR_TUF_PROPOSAL', `${role} could never be signed: ${found} keys would have to`, {
        found,
      });
    }
    return result;
  };
  const online: RoleKeys =
    change.online === undefined ? keysOf('timestamp') : { keys: [tufKey(change.online)], threshold: 1 };
  const roles = { root: changed('root'), targets: changed('targets'), snapshot: online, timestamp: online };
  return buildRoot(signed.version + 1, roles, now);
}

function placeOf(directory: string, path: string): string {
  return join(directory, 'targets', targetFileName(path.slice('targets/'.length)));
}

/** The id of a key as root metadata has it. @throws ERR_KEY_UNSUPPORTED */
export function tufKeyId(key: Pick<Signer, 'publicKey' | 'keyDetails'>): string {
  return tufKey(key).keyID;
}
