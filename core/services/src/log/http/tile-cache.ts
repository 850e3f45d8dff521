import type { ReadableLog } from './tile-routes.ts';

const defaultBytes = 16 << 20;
// A map with a million empty answers would be large too.
const perTile = 128;

/**
 * Full tiles and bundles that were read lately, by log and path. They never change under their address, so whoever asks again needs
 * neither the path to be read nor the disk. Bounded by their bytes; what was asked for longest ago goes first.
 */
export class TileCache {
  readonly #maximumBytes: number;
  readonly #tiles = new Map<string, Uint8Array>();
  readonly #names = new WeakMap<ReadableLog, string>();
  #logs = 0;
  #bytes = 0;

  /** @param maximumBytes default 16 MiB */
  constructor(maximumBytes: number = defaultBytes) {
    this.#maximumBytes = maximumBytes;
  }

  /** Bytes that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  find(log: ReadableLog, path: string): Uint8Array | undefined {
    const key = this.#name(log) + path;
    const tile = this.#tiles.get(key);
    if (tile === undefined) return undefined;
    // Map iterates in order of insertion, so the first key is the one asked for longest ago. While there is room nobody goes.
    if (this.#bytes > this.#maximumBytes / 2) {
      this.#tiles.delete(key);
      this.#tiles.set(key, tile);
    }
    return tile;
  }

  keep(log: ReadableLog, path: string, tile: Uint8Array): void {
    if (tile.length > this.#maximumBytes / 4) return;
    const key = this.#name(log) + path;
    // Two who asked at once have both read it.
    if (this.#tiles.has(key)) return;
    this.#tiles.set(key, tile);
    this.#bytes += tile.length + perTile;
    for (const [oldest, { length }] of this.#tiles) {
      if (this.#bytes <= this.#maximumBytes) return;
      this.#tiles.delete(oldest);
      this.#bytes -= length + perTile;
    }
  }

  #name(log: ReadableLog): string {
    let name = this.#names.get(log);
    if (name === undefined) {
      name = `${this.#logs++}/`;
      this.#names.set(log, name);
    }
    return name;
  }
}
