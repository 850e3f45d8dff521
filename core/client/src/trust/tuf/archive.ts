import { JsonReader, parseJson, SignetError, toBase64, utf8 } from '@signet/primitives/formats';
import { checkFormat, copyFromJson, copyToJson, type RepositoryCopy } from './copy.ts';
import type { TrustReference, TrustStore } from './trust-store.ts';
import { readRoot } from './verify-copy.ts';

/** One trust root in an archive. The root in it is a suggestion: what counts is the one that the reader has pinned. */
export interface ArchivedTrust {
  readonly name: string;
  readonly root: Uint8Array;
  readonly copy: RepositoryCopy;
}

const type = 'signet-trust-archive';
const reader = new JsonReader('ERR_TRUST_ARCHIVE');
const limits = { maxLength: 256 * 1024 * 1024 };

/**
 * Everything that is known of some trust roots, in one file that can be carried to where there is no network.
 *
 * @throws ERR_TRUST_ARCHIVE when nothing is known of one of them
 */
export async function exportTrust(
  store: TrustStore,
  references: ReadonlyMap<string, TrustReference>,
): Promise<Uint8Array> {
  const roots: object[] = [];
  for (const [name, reference] of references) {
    const copy = await store.copyOf(reference);
    if (copy === undefined) {
      throw new SignetError('ERR_TRUST_ARCHIVE', `nothing is known of the trust root ${name}; refresh it first`);
    }
    roots.push({ name, root: toBase64(reference.root), copy: copyToJson(copy) });
  }
  return utf8(`${JSON.stringify({ format: 1, type, roots }, undefined, 1)}\n`);
}

/**
 * Reads an archive. Nothing in it is verified here: `TrustStore.take` does that against a pinned root.
 *
 * @throws ERR_TRUST_ARCHIVE, ERR_JSON, ERR_INPUT_TOO_LARGE
 */
export function parseTrustArchive(bytes: Uint8Array, what: string): readonly ArchivedTrust[] {
  const object = reader.object(parseJson(bytes, what, limits), what, new Set(['format', 'type', 'roots']));
  checkFormat(object, type, what);
  return reader.list(object, 'roots', what, 64).map((entry, at) => {
    const where = `${what}.roots[${at}]`;
    const fields = reader.object(entry, where, new Set(['name', 'root', 'copy']));
    const root = reader.bytes(fields, 'root', where);
    readRoot(root);
    return {
      name: reader.string(fields, 'name', where),
      root,
      copy: copyFromJson(reader.required(fields, 'copy', where), `${where}.copy`),
    };
  });
}
