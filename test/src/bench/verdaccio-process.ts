import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';

const program = join(
  dirname(createRequire(import.meta.resolve('@signet/registry')).resolve('verdaccio/package.json')),
  'bin',
  'verdaccio',
);

/** A Verdaccio in a process of its own. */
export interface VerdaccioProcess {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * @param folder where its configuration is written; relative paths in it start there
 * @throws with what it printed when it ends instead of answering
 */
export async function startVerdaccio(folder: string, configuration: object): Promise<VerdaccioProcess> {
  await writeFile(join(folder, 'config.yaml'), JSON.stringify(configuration));
  const port = await freePort();
  const args = ['--conditions=@signet/source', ...(process.env.SIGNET_BENCH_NODE ?? '').split(' ').filter(Boolean)];
  const child: ChildProcess = spawn(
    process.execPath,
    [...args, program, '--config', join(folder, 'config.yaml'), '--listen', `127.0.0.1:${port}`],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4000);
    });
  }
  const url = `http://127.0.0.1:${port}/`;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`Verdaccio ended: ${output}`);
    try {
      if ((await fetch(`${url}-/ping`)).ok) break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    url,
    pid: child.pid ?? 0,
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
