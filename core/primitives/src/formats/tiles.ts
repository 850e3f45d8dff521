import { SignetError } from './errors.ts';

/** Tree levels that one tile spans (c2sp.org/tlog-tiles). */
export const tileHeight = 8;

/** Hashes of a full tile, and entries of a full bundle. */
export const tileWidth = 256;

const maximumLevel = 63;

/** What a tile path can name: hashes of a level, tlog-tiles' entry bundles, or static-ct's data tiles. */
export type TileKind = number | 'entries' | 'data';

/** One tile: `level` is a number for hashes, `width` 256 when full. */
export interface TileAddress {
  readonly level: TileKind;
  readonly index: number;
  readonly width: number;
}

/** Path below a log's prefix, such as `tile/0/x001/x234/067.p/12`. */
export function tilePath(tile: TileAddress): string {
  const suffix = tile.width === tileWidth ? '' : `.p/${tile.width}`;
  return `tile/${tile.level}/${formatIndex(tile.index)}${suffix}`;
}

/**
 * Reads what follows `tile/` in a path.
 *
 * @throws ERR_TILE_PATH for anything that {@link tilePath} does not write
 */
export function parseTilePath(path: string): TileAddress {
  const match = /^(\d{1,2}|entries|data)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path);
  const [, level = '', digits = '', partial] = match ?? [];
  if (match === null) throw tileError(path);
  const index = Number(digits.replaceAll(/[x/]/g, ''));
  const address: TileAddress = {
    level: level === 'entries' || level === 'data' ? level : Number(level),
    index,
    width: partial === undefined ? tileWidth : Number(partial),
  };
  const partialOutOfRange = partial !== undefined && (address.width < 1 || address.width >= tileWidth);
  const levelOutOfRange = typeof address.level === 'number' && address.level > maximumLevel;
  // Writing it again rejects leading zeroes and superfluous `x000/` elements: one tile has one path.
  if (partialOutOfRange || levelOutOfRange || !Number.isSafeInteger(index) || tilePath(address) !== `tile/${path}`) {
    throw tileError(path);
  }
  return address;
}

/** How many hashes level `level` has in a tree of `treeSize` leaves. */
export function levelSize(level: number, treeSize: number): number {
  return Math.floor(treeSize / tileWidth ** level);
}

/** Splits an entry bundle into its entries (16-bit big-endian lengths). @throws ERR_ENTRY_BUNDLE */
export function parseEntryBundle(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Uint8Array[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    if (offset + 2 > bytes.length) throw bundleError(`a length is cut off at byte ${offset}`);
    const length = view.getUint16(offset);
    const end = offset + 2 + length;
    if (end > bytes.length) throw bundleError(`the entry at byte ${offset} is cut off`);
    entries.push(bytes.subarray(offset + 2, end));
    offset = end;
  }
  if (entries.length > tileWidth) throw bundleError(`it has ${entries.length} entries instead of at most ${tileWidth}`);
  return entries;
}

function formatIndex(index: number): string {
  const padded = index.toString().padStart(Math.ceil(Math.max(index.toString().length, 1) / 3) * 3, '0');
  const groups = padded.match(/\d{3}/g) ?? [];
  return groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
}

function tileError(path: string): SignetError {
  return new SignetError('ERR_TILE_PATH', `not the path of a tile: ${JSON.stringify(path.slice(0, 100))}`, {
    expected: '<level or "entries">/<index in groups of three digits>[.p/<width>] (c2sp.org/tlog-tiles)',
  });
}

function bundleError(reason: string): SignetError {
  return new SignetError('ERR_ENTRY_BUNDLE', `the entry bundle is malformed: ${reason}`);
}
