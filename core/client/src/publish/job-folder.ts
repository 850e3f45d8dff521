import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignetError, toHex } from '@signet/primitives/formats';
import { assertIntegrity, parseIntegrity } from '../npm/index.ts';
import { type PublishJob, parsePublishJob, publishJobToText } from './publish-job.ts';

/** A job with the file that it is kept in. */
export interface KeptJob {
  readonly job: PublishJob;
  readonly path: string;
}

/**
 * The folder `.signet` of a project, where unfinished publishes are kept: `publish-<digest>.json` and the tarball beside it.
 * Files are replaced whole, so that an interruption leaves the state before or after a step.
 */
export class JobFolder {
  readonly path: string;

  constructor(project: string) {
    this.path = join(project, '.signet');
  }

  /** Where the job of a tarball with this integrity is kept. */
  fileOf(integrity: string): string {
    return join(this.path, `publish-${toHex(parseIntegrity(integrity)).slice(0, 32)}.json`);
  }

  /** Unfinished publishes, in the order of their names. */
  async list(): Promise<readonly KeptJob[]> {
    const names = await readdir(this.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const jobs: KeptJob[] = [];
    for (const name of names.filter((one) => /^publish-[0-9a-f]{32}\.json$/.test(one)).sort()) {
      const path = join(this.path, name);
      jobs.push({ path, job: parsePublishJob(await readFile(path, 'utf8'), path) });
    }
    return jobs;
  }

  /** Keeps a job and, the first time, its tarball. When this returns, a power cut would lose neither. */
  async keep(job: PublishJob, tarball?: Uint8Array): Promise<string> {
    const path = this.fileOf(job.integrity);
    try {
      await mkdir(this.path, { recursive: true });
      // Neither git nor npm shall take what is only passing through.
      for (const ignore of ['.gitignore', '.npmignore']) await writeFile(join(this.path, ignore), '*\n');
      if (tarball !== undefined) await replace(tarballOf(path), tarball);
      await replace(path, publishJobToText(job));
    } catch (cause) {
      throw new SignetError('ERR_CONFIGURATION', `the unfinished publish cannot be kept in ${this.path}`, { cause });
    }
    return path;
  }

  /**
   * The very bytes that a job is about.
   *
   * @throws ERR_INTEGRITY_MISMATCH when they are others, ERR_CONFIGURATION when they are gone
   */
  async tarball({ job, path }: KeptJob): Promise<Uint8Array> {
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(await readFile(tarballOf(path)));
    } catch (cause) {
      throw new SignetError(
        'ERR_CONFIGURATION',
        `the tarball of the unfinished publish, ${tarballOf(path)}, cannot be read`,
        { cause },
      );
    }
    assertIntegrity(bytes, job.integrity, tarballOf(path));
    return bytes;
  }

  /** Forgets a job that is done, and the folder with its last job. */
  async remove(integrity: string): Promise<void> {
    const path = this.fileOf(integrity);
    await rm(path, { force: true });
    await rm(tarballOf(path), { force: true });
    const left = await readdir(this.path).catch(() => []);
    if (left.every((name) => name === '.gitignore' || name === '.npmignore')) {
      await rm(this.path, { recursive: true, force: true });
    }
  }
}

function tarballOf(path: string): string {
  return path.replace(/\.json$/, '.tgz');
}

async function replace(path: string, contents: string | Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(contents);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
