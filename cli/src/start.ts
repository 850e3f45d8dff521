import { SignetError } from '@signet/primitives/basics';
import { run } from './run.ts';

const interruption = new AbortController();
let watching = false;

/**
 * The signal of Ctrl-C and SIGTERM. Only a command that looks at it takes the signals over; the second Ctrl-C ends the
 * process in any case.
 */
function watchInterruption(): AbortSignal {
  if (watching) return interruption.signal;
  watching = true;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    // Not once(): modules that clean up on exit (signal-exit, below Verdaccio) end the process when a signal comes and they
    // are the only ones left listening, and with that the clean stop.
    process.on(name, function listener() {
      if (!interruption.signal.aborted) {
        interruption.abort(new SignetError('ERR_CANCELLED', 'cancelled'));
        return;
      }
      process.off(name, listener);
      process.kill(process.pid, name);
    });
  }
  return interruption.signal;
}

// A reader that closes the pipe early (`signet … | head`) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

// Set, not exited with: what was written to a pipe must get out first.
process.exitCode = await run(process.argv.slice(2), {
  // Opened by whoever asks: most commands never do.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  interruption: watchInterruption,
});
