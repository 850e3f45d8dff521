import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SignetError } from '@signet/primitives/formats';
import { type ConformanceCase, conformanceCases, conformanceFolder } from './cases.ts';
import { runVerifyBundle } from './verify-command.ts';

const cases = conformanceCases();
const client = fileURLToPath(new URL('client.ts', import.meta.url));

function digestOf(file: string): string {
  return `sha256:${createHash('sha256').update(readFileSync(file)).digest('hex')}`;
}

function check(one: ConformanceCase, artifact: string): void {
  const signer = one.keyFile === undefined ? { identity: one.identity, issuer: one.issuer } : { key: one.keyFile };
  const run = () => runVerifyBundle({ bundle: one.bundleFile, trustedRoot: one.trustedRootFile, artifact, ...signer });
  if (!one.mustFail) {
    run();
    return;
  }
  assert.throws(run, (error) => error instanceof SignetError, 'refused by an error of ours, not by a crash');
}

describe('official client conformance, verify-bundle', () => {
  before(function () {
    if (cases !== undefined) return;
    process.stdout.write(`    skipped: ${conformanceFolder} is absent\n`);
    this.skip();
  });

  for (const one of cases ?? []) {
    const verb = one.mustFail ? 'refuses' : 'accepts';
    it(`${verb} ${one.name} by path`, () => check(one, one.artifactFile));
    it(`${verb} ${one.name} by digest`, () => check(one, digestOf(one.artifactFile)));
  }

  it('tells a verified bundle from a refused one by its exit status', () => {
    const pick = (mustFail: boolean) => cases?.find((one) => one.mustFail === mustFail && one.keyFile === undefined);
    for (const one of [pick(false), pick(true)]) {
      if (one === undefined) continue;
      const { status, stderr } = spawnSync(
        process.execPath,
        [
          ['--conditions=@signet/source', client, 'verify-bundle', '--bundle', one.bundleFile],
          ['--certificate-identity', one.identity, '--certificate-oidc-issuer', one.issuer],
          ['--trusted-root', one.trustedRootFile, one.artifactFile],
        ].flat(),
        { encoding: 'utf8' },
      );
      assert.equal(status, one.mustFail ? 1 : 0, stderr);
    }
  });
});
