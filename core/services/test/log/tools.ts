import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A folder in which programs of other people make keys and signatures. It is short, because gpg-agent's socket lies in it
 * and such a name may have no more than 107 characters.
 */
export class ToolBench {
  readonly directory = mkdtempSync(join(tmpdir(), 'sg-'));

  path(name: string): string {
    return join(this.directory, name);
  }

  file(name: string, content: string | Uint8Array): string {
    writeFileSync(this.path(name), content);
    return this.path(name);
  }

  folder(name: string): string {
    mkdirSync(this.path(name), { recursive: true, mode: 0o700 });
    return this.path(name);
  }

  /** Runs a program and returns its standard output. */
  run(program: string, args: readonly string[], input: string | Uint8Array = ''): Buffer {
    const environment = { ...process.env, GNUPGHOME: this.path('gnupg'), HOME: this.directory, LC_ALL: 'C' };
    const { status, stdout, stderr, error } = spawnSync(program, args, {
      cwd: this.directory,
      input,
      env: environment,
      timeout: 30_000,
    });
    if (status !== 0) {
      throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr.toString('utf8')}`);
    }
    return stdout;
  }

  close(): void {
    spawnSync('gpgconf', ['--kill', 'all'], { env: { ...process.env, GNUPGHOME: this.path('gnupg') } });
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Skips a test and says why, where a program is not installed. `.ci/run` installs all of them. */
export function needs(suite: Mocha.Context, program: string, packageName = program): void {
  if (spawnSync(program, ['--version']).error === undefined) return;
  console.log(`      skipped: ${program} is not installed (apt-get install ${packageName})`);
  suite.skip();
}
