import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create } from 'tar';
import type { Workshop } from '../scene/workshop.ts';

/** What planted code prints when it is called. */
export const planted = 'planted code ran';

/** Somebody's web server with a tarball whose package.json claims to be another's package, and whose script leaves a trace. */
export class Stranger {
  readonly url: string;
  readonly integrity: string;
  /** The unpacked package. */
  readonly folder: string;
  /** Written when its postinstall runs. */
  readonly trace: string;
  readonly close: () => Promise<void>;

  private constructor(fields: Pick<Stranger, 'url' | 'integrity' | 'folder' | 'trace' | 'close'>) {
    this.url = fields.url;
    this.integrity = fields.integrity;
    this.folder = fields.folder;
    this.trace = fields.trace;
    this.close = fields.close;
  }

  static async open(workshop: Workshop, name: string, version: string): Promise<Stranger> {
    const folder = workshop.path('stranger', 'package');
    const trace = workshop.path('stranger', 'trace');
    await mkdir(folder, { recursive: true });
    const postinstall = `node -e "require('fs').writeFileSync(process.env.STRANGER_TRACE, 'it ran')"`;
    await writeFile(
      `${folder}/package.json`,
      JSON.stringify({ name, version, type: 'module', exports: './greeting.js', scripts: { postinstall } }),
    );
    await writeFile(`${folder}/greeting.js`, `export const greet = () => '${planted}';\n`);
    const file = workshop.path('stranger', 'package.tgz');
    await create({ file, cwd: workshop.path('stranger'), gzip: true, portable: true }, ['package']);
    const tarball = await readFile(file);
    const server = createServer((_request, response) => response.writeHead(200).end(tarball));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Stranger({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/package.tgz`,
      integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
      folder,
      trace,
      close: async () => {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    });
  }
}
