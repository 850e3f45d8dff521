import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { after, before, describe, it } from 'mocha';
import { author, Instance } from '../scene/instance.ts';
import { signetCommand } from '../scene/processes.ts';
import { Workshop } from '../scene/workshop.ts';

const mebibyte = 1024 * 1024;

/** Bytes of the large file; SIGNET_LARGE_FILE=5G takes the five gigabytes that are promised, and minutes. */
const size = process.env.SIGNET_LARGE_FILE === '5G' ? 5 * 1024 * mebibyte : 300 * mebibyte;

/** Says at its end how much of the memory the process had at once, in KiB (getrusage). */
const tellMemory = `data:text/javascript,${encodeURIComponent(
  "process.on('exit', () => console.error('maxRSS', process.resourceUsage().maxRSS));",
)}`;

describe('a file larger than the memory for it', function () {
  this.timeout(900_000);
  let workshop: Workshop;
  let instance: Instance;
  let token: string;

  before(async () => {
    workshop = await Workshop.open();
    instance = await Instance.create(workshop);
    token = await instance.token();
    for (const [name, bytes] of [
      ['small', mebibyte],
      ['large', size],
    ] as const) {
      const file = await open(workshop.path(name), 'w');
      // Sparse: it takes no room on the disk.
      await file.truncate(bytes);
      await file.close();
    }
  });
  after(async () => {
    await instance?.stop();
    await workshop?.close();
  });

  /** Runs the command with a heap of 64 MiB. @returns the most memory it had, in bytes */
  async function memoryOf(args: readonly string[]): Promise<number> {
    const [, words] = signetCommand(args);
    const started = performance.now();
    const { code, stdout, stderr } = await workshop.node(
      ['--max-old-space-size=64', `--import=${tellMemory}`, ...words],
      { env: { SIGSTORE_ID_TOKEN: token }, timeout: 900_000 },
    );
    assert.equal(code, 0, stdout + stderr);
    const memory = Number(/maxRSS (\d+)/.exec(stderr)?.[1]) * 1024;
    if (size > 1024 * mebibyte) {
      const seconds = (performance.now() - started) / 1000;
      process.stderr.write(
        `    ${args[0]} ${args[1]}: ${seconds.toFixed(1)} s, ${Math.round(memory / mebibyte)} MiB\n`,
      );
    }
    return memory;
  }

  for (const [what, args] of [
    ['signed', (name: string) => ['sign', name, '--registry', instance.urls.registry]],
    ['verified', (name: string) => ['verify', name, '--issuer', instance.urls.oidc, '--identity', author]],
    [
      'attested',
      (name: string) => [
        'attest',
        name,
        '--type',
        'custom',
        '--predicate',
        'small.json',
        '--registry',
        instance.urls.registry,
      ],
    ],
  ] as const) {
    it(`is ${what} with the memory that a small one takes`, async () => {
      const predicate = await open(workshop.path('small.json'), 'w');
      await predicate.writeFile('{"Data":"d","Timestamp":"2026-01-01T00:00:00Z"}');
      await predicate.close();
      const trusted = ['--trusted-root', instance.urls.trustedRoot];
      const small = await memoryOf([...args('small'), ...trusted]);
      const large = await memoryOf([...args('large'), ...trusted]);
      assert.ok(small > 0);
      assert.ok(large - small < 64 * mebibyte, `${large} bytes against ${small}`);
    });
  }
});
