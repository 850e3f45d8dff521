/**
 * Loaded before a server (`node --import`). While the file FAIL_READ exists, reading the package document of a package named
 * `poison` throws in the callback of the file system, as a mistake in Verdaccio would; while FAIL_SYNC exists, nothing can be made
 * durable.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { readFile, fdatasync } = fs;
const { FAIL_READ = '', FAIL_SYNC = '' } = process.env;

fs.readFile = Object.assign(
  function poisoned(path: fs.PathOrFileDescriptor, ...rest: unknown[]): void {
    const callback = rest.pop() as (...results: unknown[]) => void;
    const planted = (...results: unknown[]) => {
      const isPoison = /[\\/]poison[\\/]package\.json$/.test(String(path));
      if (isPoison && fs.existsSync(FAIL_READ)) throw new TypeError('planted');
      callback(...results);
    };
    Reflect.apply(readFile, fs, [path, ...rest, planted]);
  },
  { __promisify__: readFile.__promisify__ },
);

fs.fdatasync = Object.assign(
  function failing(descriptor: number, callback: fs.NoParamCallback): void {
    if (!fs.existsSync(FAIL_SYNC)) fdatasync(descriptor, callback);
    else setImmediate(() => callback(Object.assign(new Error('planted: input/output error'), { code: 'EIO' })));
  },
  { __promisify__: fdatasync.__promisify__ },
);

syncBuiltinESMExports();
