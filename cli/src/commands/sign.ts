import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { inert, SignetError } from '@signet/primitives/formats';
import { writeBundle } from '../bundle-file.ts';
import { type Command, flagOption } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { fileSigningOptions, openBundleSigner } from '../signer.ts';

export const command: Command = {
  name: 'sign',
  summary: 'sign files, keylessly or with a key; each gets a bundle beside it',
  usage: 'sign FILE… [flags]',
  details: [
    'Writes FILE.sigstore.json, a Sigstore bundle v0.3, after it was verified. One certificate serves for all files. Files are\n' +
      'read once, piece by piece, so that their size does not matter.',
    'Services come from --signing-config, from three URLs, or from the registry given with --registry.',
    'A key is a file of signet key generate, a PEM file (cosign’s included), or a description of a program or device that\n' +
      'holds it. Its passphrase is the first line of the file that SIGNET_PASSPHRASE_FILE names.',
  ],
  examples: [
    {
      command: 'signet sign app.tgz --registry https://npm.acme.example --trusted-root trusted_root.json',
      explanation: 'with the services beside a registry',
    },
    {
      command: 'signet sign *.tgz --signing-config signing_config.json --trusted-root trusted_root.json',
      explanation: 'several files, with any Sigstore instance',
    },
    {
      command: 'signet sign app.tgz --key release.key --signing-config config.json --trusted-root root.json',
      explanation: 'with a lasting key',
    },
  ],
  options: {
    ...fileSigningOptions,
    force: { type: 'boolean', description: 'overwrite bundles that are there' },
  },
  async run(context, values, positionals) {
    if (positionals.length === 0) throw new SignetError('ERR_USAGE', 'signet sign needs at least one FILE');
    const force = flagOption(values, 'force');
    const files = positionals.map((name) => ({ name, path: resolve(context.cwd, name) }));
    for (const { name, path } of files) {
      // Before anything is signed: a log entry for a bundle that cannot be written helps nobody.
      if (!(await isFile(path))) throw new SignetError('ERR_USAGE', `${inert(name)} cannot be read`);
      if (!force && existsSync(`${path}.sigstore.json`)) {
        throw new SignetError('ERR_USAGE', `${inert(name)}.sigstore.json is there already; --force overwrites it`);
      }
    }
    const { signer, who } = await openBundleSigner(context, values, 'message');
    const shown = 'key' in who ? `the key ${inert(who.key)}` : `${inert(who.subject)} (issuer ${inert(who.issuer)})`;
    const signed = [];
    for (const { name, path } of files) {
      const { bundle, verified } = await signer.signFile(path);
      const bundlePath = `${path}.sigstore.json`;
      await writeBundle(bundlePath, bundle, force);
      const [entry] = verified.logEntries;
      signed.push({ file: name, bundle: bundlePath, logIndex: entry === undefined ? null : String(entry.index) });
      if (!context.json) context.print(`${inert(name)}.sigstore.json`);
      context.note(`  signed by ${shown}, log entry ${entry?.index}`);
    }
    if (context.json) context.printJson({ format: 1, ...('key' in who ? who : { identity: who }), signed });
    return exitCodes.ok;
  },
};

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
