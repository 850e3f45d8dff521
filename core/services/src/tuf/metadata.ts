import { parseJson, SignetError, toHex, utf8 } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import {
  Metadata,
  MetadataKind,
  type Root,
  Signature,
  type Snapshot,
  type Targets,
  type Timestamp,
} from '@tufjs/models';
import type { RoleName } from './roles.ts';
import { tufKey } from './tuf-key.ts';

/** The signed document of each role. */
export interface RoleMetadata {
  readonly root: Metadata<Root>;
  readonly targets: Metadata<Targets>;
  readonly snapshot: Metadata<Snapshot>;
  readonly timestamp: Metadata<Timestamp>;
}

const kinds = {
  root: MetadataKind.Root,
  targets: MetadataKind.Targets,
  snapshot: MetadataKind.Snapshot,
  timestamp: MetadataKind.Timestamp,
} as const;

/** What tuf-js reads of each, so more could not be published. */
export const maximumBytes: Readonly<Record<RoleName, number>> = {
  root: 512_000,
  targets: 5_000_000,
  snapshot: 2_000_000,
  timestamp: 16_384,
};

type Json = Parameters<typeof Metadata.fromJSON>[1];

/**
 * Reads a metadata file; signatures are not looked at.
 *
 * @throws ERR_TUF_REPOSITORY, ERR_JSON, ERR_INPUT_TOO_LARGE
 */
export function parseMetadata<R extends RoleName>(role: R, bytes: Uint8Array, what: string): RoleMetadata[R] {
  const value = parseJson(bytes, what, { maxLength: maximumBytes[role] }) as Json;
  try {
    // The overloads of fromJSON name one kind each.
    const read = Metadata.fromJSON as (kind: MetadataKind, data: Json) => RoleMetadata[R];
    return read.call(Metadata, kinds[role], value);
  } catch (cause) {
    throw new SignetError('ERR_TUF_REPOSITORY', `${what} is no ${role} metadata of TUF: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** The bytes of a metadata file. Clients sign and verify the canonical form, so these may be read by people too. */
export function formatMetadata(metadata: RoleMetadata[RoleName]): Uint8Array {
  return utf8(`${JSON.stringify(metadata.toJSON(), undefined, 1)}\n`);
}

/** The canonical bytes that a key of the role signs (TUF specification §4.2). */
export function signedBytes(metadata: RoleMetadata[RoleName]): Uint8Array {
  let bytes = new Uint8Array();
  // The models make them for a signer that answers at once; ours may be a device or a service, so they are only taken here.
  new Metadata(metadata.signed).sign((data) => {
    bytes = new Uint8Array(data);
    return new Signature({ keyID: '', sig: '' });
  });
  return bytes;
}

/** Adds a signature, replacing one of the same key. */
export async function signMetadata(metadata: RoleMetadata[RoleName], signer: Signer): Promise<void> {
  const { keyID } = tufKey(signer);
  const sig = toHex(await signer.sign(signedBytes(metadata)));
  metadata.signatures[keyID] = new Signature({ keyID, sig });
}

/** The time that metadata writes: whole seconds, which is all that python-tuf and go-tuf read. */
export function formatExpiry(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** How many of a role's keys have signed, and how many must. */
export interface SignatureCount {
  readonly signed: number;
  readonly threshold: number;
  /** Ids of keys that have signed and that may. */
  readonly by: readonly string[];
  readonly missing: readonly string[];
}

/** Counts valid signatures over `metadata` by the keys that `root` gives to `role`. */
export function countSignatures(root: Root, role: RoleName, metadata: RoleMetadata[RoleName]): SignatureCount {
  const { keyIDs, threshold } = roleOf(root, role);
  const by = keyIDs.filter((id) => {
    try {
      root.keys[id]?.verifySignature(metadata);
      return root.keys[id] !== undefined;
    } catch {
      // Not signed by this key, or not validly: either way it does not count.
      return false;
    }
  });
  return { signed: by.length, threshold, by, missing: keyIDs.filter((id) => !by.includes(id)) };
}

/** The keys and threshold of a role. @throws ERR_TUF_REPOSITORY */
export function roleOf(root: Root, role: RoleName): { readonly keyIDs: readonly string[]; readonly threshold: number } {
  const found = root.roles[role];
  if (found === undefined) throw new SignetError('ERR_TUF_REPOSITORY', `the root metadata names no keys for ${role}`);
  return found;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
