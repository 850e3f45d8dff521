import { PassThrough } from 'node:stream';
import { SignetError } from '@signet/primitives/formats';
import type { PackageStorage, UploadStream, VerdaccioError } from './verdaccio-host.ts';

/**
 * Holds the lock of a document, by never ending a change of it.
 *
 * @returns what lets go of it; undefined when there is no such document
 */
export function holdDocument(storage: PackageStorage, place: string): Promise<(() => Promise<void>) | undefined> {
  return new Promise((resolve, reject) => {
    let released: (() => void) | undefined;
    storage.updatePackage(
      place,
      (_document, done) => {
        // Ended by an error, so that nothing is written.
        resolve(() => {
          return new Promise((settle) => {
            released = settle;
            done(new Error('nothing to write'));
          });
        });
      },
      (_place, _document, done) => done(null),
      (document) => document,
      (error) => {
        if (released !== undefined) released();
        else if (error && isAbsence(error)) resolve(undefined);
        else reject(storageError(`cannot lock ${place} against other processes`, error));
      },
    );
  });
}

/** Storages of files and of objects say in different ways that something is not there. */
export function isAbsence({ code, status }: VerdaccioError): boolean {
  return code === 'ENOENT' || code === 404 || status === 404;
}

export function settled(
  start: (callback: (error?: VerdaccioError | null) => void) => void,
): Promise<VerdaccioError | null> {
  return new Promise((resolve) => start((error) => resolve(error ?? null)));
}

/** @returns why not */
export function written(stream: UploadStream, bytes: Uint8Array): Promise<VerdaccioError | null> {
  return new Promise((resolve) => {
    stream.once('error', resolve);
    stream.once('success', () => resolve(null));
    stream.end(bytes);
    stream.done();
  });
}

/** For a file that was stored when it was verified: Verdaccio's copy of the bytes is dropped. */
export function storedStream(): UploadStream {
  const stream = new PassThrough();
  stream.resume();
  return Object.assign(stream, { done: () => process.nextTick(() => stream.emit('success')), abort() {} });
}

/** Verdaccio's publish handlers learn of a failure by the stream's error event. */
export function refusingStream(error: Error): UploadStream {
  const stream = new PassThrough();
  process.nextTick(() => stream.emit('error', error));
  return Object.assign(stream, { done() {}, abort() {} });
}

export function storageError(problem: string, cause?: unknown): SignetError {
  return new SignetError('ERR_REGISTRY_STORAGE', `The registry's storage failed: ${problem}`, { cause });
}
