import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { fetchClient } from './clients.ts';

interface S3Object {
  readonly bucket: string;
  readonly key: string;
  readonly metadata: object;
  content: Readable | Buffer | null;
}

interface S3Store {
  getResourcePath(bucket: string, key: string, resource: string): string;
  putMetadata(bucket: string, key: string, metadata: object, md5: string): Promise<void>;
  putObject(object: S3Object): Promise<{ size: number; md5: string }>;
  getObject(...place: readonly unknown[]): Promise<S3Object | null>;
  deleteObject(...place: readonly unknown[]): Promise<void>;
}

interface S3rver {
  readonly store: S3Store;
  run(): Promise<{ readonly port: number }>;
  close(): Promise<void>;
}

type S3rverClass = new (options: object) => S3rver;

const bucket = 'packages';
const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

/** A server that speaks S3, with a bucket, and the storage plugin of Verdaccio that keeps packages in it. */
export class S3 {
  readonly #server: S3rver;
  readonly #folder: string;
  readonly #port: number;
  /** Where Verdaccio finds the storage plugin. */
  readonly plugins: string;

  private constructor(server: S3rver, folder: string, port: number, plugins: string) {
    this.#server = server;
    this.#folder = folder;
    this.#port = port;
    this.plugins = plugins;
  }

  /** @returns why it cannot be had, as a text */
  static async start(folder: string): Promise<S3 | string> {
    const [server, plugin] = [
      await fetchClient('s3rver', '3.7.1'),
      await fetchClient('verdaccio-aws-s3-storage', '10.4.0'),
    ];
    if ('missing' in server) return server.missing;
    if ('missing' in plugin) return plugin.missing;
    await mkdir(folder);
    const Server: S3rverClass = createRequire(import.meta.url)(server.folder);
    const running = new Server({
      address: '127.0.0.1',
      port: 0,
      silent: true,
      directory: folder,
      configureBuckets: [{ name: bucket }],
    });
    makeConsistent(running.store);
    const { port } = await running.run();
    return new S3(running, folder, port, dirname(plugin.folder));
  }

  /** `store` of Verdaccio's configuration. */
  get store(): object {
    const endpoint = `http://127.0.0.1:${this.#port}`;
    return { 'aws-s3-storage': { bucket, region: 'us-east-1', endpoint, s3ForcePathStyle: true, ...credentials } };
  }

  /** What the client in the storage plugin needs to speak to a server that knows no checksums in trailers. */
  readonly env = {
    AWS_REQUEST_CHECKSUM_CALCULATION: 'WHEN_REQUIRED',
    AWS_RESPONSE_CHECKSUM_VALIDATION: 'WHEN_REQUIRED',
  };

  /** Names of the objects that begin with a text. */
  async objects(prefix: string): Promise<readonly string[]> {
    const files = await readdir(join(this.#folder, bucket), { recursive: true });
    return files
      .filter((file) => file.endsWith('._S3rver_object') && file.startsWith(prefix))
      .map((file) => file.slice(0, -'._S3rver_object'.length))
      .sort();
  }

  async read(object: string): Promise<Buffer> {
    return readFile(join(this.#folder, bucket, `${object}._S3rver_object`));
  }

  /** Exchanges an object behind everybody's back. */
  async replace(object: string, content: string): Promise<void> {
    await writeFile(join(this.#folder, bucket, `${object}._S3rver_object`), content);
  }

  async stop(): Promise<void> {
    await this.#server.close();
  }
}

/**
 * Amazon's S3 replaces objects as a whole, and whoever reads after a write sees it. This server empties the file first, fills it in
 * place and answers before it is written, so that a reader may find half an object, or fail: here one thing is done after the other.
 */
function makeConsistent(store: S3Store): void {
  let last: Promise<unknown> = Promise.resolve();
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };
  const getObject = store.getObject.bind(store);
  const deleteObject = store.deleteObject.bind(store);
  store.getObject = (...place) =>
    alone(async () => {
      const object = await getObject(...place);
      if (object?.content instanceof Readable) object.content = Readable.from([await buffer(object.content)]);
      return object;
    });
  store.putObject = async ({ bucket, key, metadata, content }) => {
    // What comes from a client that stalls must not stop the others.
    const bytes = content instanceof Readable ? await buffer(content) : (content ?? Buffer.alloc(0));
    return alone(async () => {
      const path = store.getResourcePath(bucket, key, 'object');
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, bytes);
      const md5 = createHash('md5').update(bytes).digest('hex');
      await store.putMetadata(bucket, key, metadata, md5);
      return { size: bytes.length, md5 };
    });
  };
  store.deleteObject = (...place) => alone(() => deleteObject(...place));
}
