import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** What wrk has measured. */
export interface WrkResult {
  readonly requests: number;
  readonly errors: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

// Every request is sent once; a body that came again would be a duplicate, which costs less.
const script = `
local bodies = {}
for line in io.lines(os.getenv("BENCH_BODIES")) do bodies[#bodies + 1] = line end
local sent = 0
local headers = { ["content-type"] = "application/json" }
request = function()
  if #bodies == 0 then return wrk.format("GET", os.getenv("BENCH_PATH")) end
  sent = sent + 1
  return wrk.format("POST", os.getenv("BENCH_PATH"), headers, bodies[(sent - 1) % #bodies + 1])
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
`;

/** Whether the program is there: a Debian package. */
export async function hasWrk(): Promise<boolean> {
  return execute('wrk', ['--version']).then(
    () => true,
    (error: { code?: unknown }) => error.code !== 'ENOENT',
  );
}

/**
 * Sends as much as the server takes.
 *
 * @param bodies JSON of POST requests, each on one line; none for GET
 */
export async function wrk(
  url: string,
  path: string,
  bodies: readonly Uint8Array[],
  { connections, seconds }: { readonly connections: number; readonly seconds: number },
): Promise<WrkResult> {
  const home = await mkdtemp(join(tmpdir(), 'signet-wrk-'));
  try {
    await writeFile(join(home, 'script.lua'), script);
    await writeFile(join(home, 'bodies'), bodies.map((body) => `${Buffer.from(body).toString()}\n`).join(''));
    const env = { ...process.env, BENCH_BODIES: join(home, 'bodies'), BENCH_PATH: path };
    const words = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', join(home, 'script.lua'), url];
    const { stdout } = await execute('wrk', words, { env });
    const [, requests, micros, errors, p50, p99] = /^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(stdout) ?? [];
    return {
      requests: Number(requests),
      errors: Number(errors),
      seconds: Number(micros) / 1e6,
      p50: Number(p50) / 1000,
      p99: Number(p99) / 1000,
    };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}
