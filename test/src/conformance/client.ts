#!/usr/bin/env -S node --conditions=@signet/source
/**
 * Speaks the command line protocol of the official Sigstore client conformance suite. Exit status: 0 verified, 1 refused,
 * 2 usage or a fault of the client itself.
 */
import { parseArgs } from 'node:util';
import { SignetError } from '@signet/primitives/formats';
import { publicGoodRootFile } from './cases.ts';
import { runVerifyBundle } from './verify-command.ts';

function main(argv: readonly string[]): number {
  const [command, ...args] = argv;
  if (command !== 'verify-bundle') {
    process.stderr.write('usage: client verify-bundle --bundle FILE (--key FILE | --certificate-identity ID ');
    process.stderr.write('--certificate-oidc-issuer URL) [--trusted-root FILE] FILE_OR_DIGEST\n');
    return 2;
  }
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      staging: { type: 'boolean' },
      bundle: { type: 'string' },
      key: { type: 'string' },
      'certificate-identity': { type: 'string' },
      'certificate-oidc-issuer': { type: 'string' },
      'trusted-root': { type: 'string' },
    },
  });
  const [artifact, ...rest] = positionals;
  if (values.bundle === undefined || artifact === undefined || rest.length > 0) {
    process.stderr.write('verify-bundle needs --bundle and one artifact\n');
    return 2;
  }
  const verified = runVerifyBundle({
    bundle: values.bundle,
    artifact,
    trustedRoot: values['trusted-root'] ?? publicGoodRootFile,
    ...(values.key === undefined ? {} : { key: values.key }),
    ...(values['certificate-identity'] === undefined ? {} : { identity: values['certificate-identity'] }),
    ...(values['certificate-oidc-issuer'] === undefined ? {} : { issuer: values['certificate-oidc-issuer'] }),
  });
  process.stdout.write(`${verified.checks.join('\n')}\n`);
  return 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  const refused = error instanceof SignetError;
  process.stderr.write(refused ? `${error.code}: ${error.message}\n` : `fault: ${String(error)}\n`);
  process.exitCode = refused ? 1 : 2;
}
