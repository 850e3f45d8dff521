import { gzipSync } from 'node:zlib';

/** A member of a tarball. */
export interface TarEntry {
  readonly path: string;
  readonly text: string;
}

/** A package tarball as npm makes it: every path below `package/`, ustar, gzip. */
export function packTarball(manifest: object, others: readonly TarEntry[] = []): Uint8Array {
  const entries = [{ path: 'package/package.json', text: JSON.stringify(manifest) }, ...others];
  return new Uint8Array(gzipSync(Buffer.concat([...entries.map(tarMember), Buffer.alloc(1024)])));
}

function tarMember({ path, text }: TarEntry): Buffer {
  const content = Buffer.from(text);
  const header = Buffer.alloc(512);
  header.write(path, 0, 100);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}
