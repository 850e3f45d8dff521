import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { logLayout, openLogs, openSettings } from './log-directory.ts';
import { type Rotation, rotate } from './serve-log.ts';

export interface RotateLogOptions {
  readonly directory: string;
  /** Which log; default v2. */
  readonly api?: 'v1' | 'v2';
  /** How long the present shard still takes entries. */
  readonly overlapSeconds: number;
  readonly passphrase?: string;
}

/**
 * Opens a new shard of a log that is served by itself: through the running server, without interrupting it, or in its directory
 * when there is none.
 *
 * @throws ERR_LOG_CONFIG when there is no log; what opening a log throws
 */
export async function rotateLog(options: RotateLogOptions): Promise<Rotation> {
  const layout = logLayout(resolve(options.directory));
  const settings = await openSettings(layout, {});
  if (settings === undefined) throw new SignetError('ERR_LOG_CONFIG', `${layout.directory} holds no log`);
  const running = await readRunning(layout.running);
  const rotation = running === undefined ? undefined : await askServer(running, options);
  if (rotation !== undefined) return rotation;
  const logs = await openLogs(layout, settings, options);
  try {
    return await rotate(logs, options);
  } finally {
    await logs.close();
  }
}

interface Running {
  readonly url: string;
  readonly control: string;
}

/** Undefined when nobody answers: the file is what a crash left behind. */
async function askServer(
  { url, control }: Running,
  { api = 'v2', overlapSeconds }: RotateLogOptions,
): Promise<Rotation | undefined> {
  let answer: Response;
  try {
    answer = await fetch(`${url}/control/rotate`, {
      method: 'POST',
      headers: { authorization: `Bearer ${control}`, 'content-type': 'application/json' },
      body: JSON.stringify({ api, overlapSeconds }),
      redirect: 'error',
      signal: AbortSignal.timeout(30_000),
    });
  } catch {
    // Whether a log is served is decided by its lock, which opening it will meet.
    return undefined;
  }
  if (answer.status === 200) return (await answer.json()) as Rotation;
  if (answer.status === 401 || answer.status === 404) return undefined;
  throw new SignetError('ERR_LOG_CONFIG', `the server at ${url} did not rotate its log: HTTP ${answer.status}`);
}

async function readRunning(path: string): Promise<Running | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const { url, control } = JSON.parse(text) as Record<string, unknown>;
    return typeof url === 'string' && typeof control === 'string' ? { url, control } : undefined;
  } catch {
    return undefined;
  }
}
