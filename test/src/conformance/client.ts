#!/usr/bin/env -S node --conditions=@signet/source
/**
 * Speaks the command line protocol of the official Sigstore client conformance suite. Exit status: 0 verified or signed,
 * 1 refused, 2 usage or a fault of the client itself.
 */
import { parseArgs } from 'node:util';
import { SignetError } from '@signet/primitives/formats';
import { publicGoodTrust } from './public-good.ts';
import { runSignBundle } from './sign-command.ts';
import { runVerifyBundle } from './verify-command.ts';

const usage = `usage: client verify-bundle --bundle FILE (--key FILE | --certificate-identity ID --certificate-oidc-issuer URL)
                            [--trusted-root FILE] FILE_OR_DIGEST
       client sign-bundle --identity-token TOKEN --bundle FILE [--in-toto] [--trusted-root FILE]
                          [--signing-config FILE] FILE
`;

/** The protocol's flag for Sigstore's staging instance, whose trust root does not ship with this client. */
function refuseStaging(staging: boolean | undefined, ...instead: readonly (string | undefined)[]): void {
  if (staging && instead.includes(undefined))
    throw new SignetError('ERR_USAGE', `--staging is not known here\n${usage}`);
}

async function verifyCommand(args: readonly string[]): Promise<readonly string[]> {
  const { values, positionals } = parseArgs({
    args: [...args],
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
  const { bundle, key, 'trusted-root': trustedRoot } = values;
  if (bundle === undefined || artifact === undefined || rest.length > 0) throw new SignetError('ERR_USAGE', usage);
  refuseStaging(values.staging, trustedRoot);
  const { 'certificate-identity': identity, 'certificate-oidc-issuer': issuer } = values;
  return runVerifyBundle({
    bundle,
    artifact,
    trustedRoot: trustedRoot ?? (await publicGoodTrust({ offline: true })).trustedRoot,
    ...(key === undefined ? {} : { key }),
    ...(identity === undefined ? {} : { identity }),
    ...(issuer === undefined ? {} : { issuer }),
  }).checks;
}

async function signCommand(args: readonly string[]): Promise<readonly string[]> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      staging: { type: 'boolean' },
      'in-toto': { type: 'boolean' },
      'identity-token': { type: 'string' },
      bundle: { type: 'string' },
      'trusted-root': { type: 'string' },
      'signing-config': { type: 'string' },
    },
  });
  const [artifact, ...rest] = positionals;
  const { bundle, 'identity-token': identityToken, 'trusted-root': trustedRoot, 'signing-config': config } = values;
  if (bundle === undefined || identityToken === undefined || artifact === undefined || rest.length > 0) {
    throw new SignetError('ERR_USAGE', usage);
  }
  refuseStaging(values.staging, trustedRoot, config);
  const { verified } = await runSignBundle({
    identityToken,
    bundle,
    artifact,
    inToto: values['in-toto'] ?? false,
    ...(trustedRoot === undefined ? {} : { trustedRoot }),
    ...(config === undefined ? {} : { signingConfig: config }),
  });
  return verified.checks;
}

async function main([command, ...args]: readonly string[]): Promise<void> {
  if (command !== 'verify-bundle' && command !== 'sign-bundle') throw new SignetError('ERR_USAGE', usage);
  const checks = await (command === 'verify-bundle' ? verifyCommand(args) : signCommand(args));
  process.stdout.write(`${checks.join('\n')}\n`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const refused = error instanceof SignetError;
  process.stderr.write(refused ? `${error.code}: ${error.message}\n` : `fault: ${String(error)}\n`);
  process.exitCode = refused && error.code !== 'ERR_USAGE' ? 1 : 2;
}
