import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { digestStreamBy } from '@signet/primitives/crypto';
import { inert, parseJson, SignetError, type Subject, statementV1, toHex } from '@signet/primitives/formats';
import { writeBundle } from '../bundle-file.ts';
import { type Command, flagOption, type OptionValues, textOption } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { fileSigningOptions, openBundleSigner } from '../signer.ts';

/** What a tarball of npm is at most; anything larger is attested by its name. */
const maximumTarball = 512 * 1024 * 1024;

export const command: Command = {
  name: 'attest',
  summary: 'sign a statement about a file: provenance, bill of materials, scan, or any predicate',
  usage: 'attest FILE --type TYPE --predicate FILE [flags]',
  details: [
    'Writes FILE.TYPE.sigstore.json, a bundle with an in-toto statement whose subject is the file. A tarball of npm is named\n' +
      'by its purl, with sha512, as registries expect it; other files by their name, with sha256 and sha512.',
    'Types: slsaprovenance1, slsaprovenance, cyclonedx, spdx, vuln, openvex, link, custom, or any URI.',
  ],
  examples: [
    {
      command:
        'signet attest app.tgz --type cyclonedx --predicate bom.json --registry https://npm.acme.example --trusted-root root.json',
      explanation: 'what it is made of',
    },
    {
      command:
        'signet attest app.tgz --type https://acme.example/review/v1 --predicate review.json --key release.key --signing-config config.json --trusted-root root.json',
      explanation: 'a type of your own, with a key',
    },
  ],
  options: {
    ...fileSigningOptions,
    type: { type: 'string', argument: 'TYPE', description: 'the type of the predicate, a short name or a URI' },
    predicate: { type: 'string', argument: 'FILE', description: 'the predicate, a JSON object' },
    out: { type: 'string', argument: 'FILE', description: 'where the bundle is written (FILE.TYPE.sigstore.json)' },
    force: { type: 'boolean', description: 'overwrite a bundle that is there' },
  },
  async run(context, values, positionals) {
    const [name, second] = positionals;
    if (name === undefined || second !== undefined) throw new SignetError('ERR_USAGE', 'signet attest takes one FILE');
    const type = required(values, 'type');
    const { assertPredicate, predicateTypeOf } = await import('@signet/client/sign');
    const predicateType = predicateTypeOf(type);
    const predicate = await readPredicate(resolve(context.cwd, required(values, 'predicate')));
    assertPredicate(predicateType, predicate);
    const path = resolve(context.cwd, name);
    const subject = await subjectOf(path, name);
    const { signer, who } = await openBundleSigner(context, values, 'dsse');
    const { bundle, verified } = await signer.signStatement(
      statementV1({ subject: [subject], predicateType, predicate }),
    );
    // A URI is no file name.
    const short = /^[a-z0-9]+$/.test(type) ? type : 'attestation';
    const given = textOption(values, 'out');
    const out = given === undefined ? `${path}.${short}.sigstore.json` : resolve(context.cwd, given);
    await writeBundle(out, bundle, flagOption(values, 'force'));
    const [entry] = verified.logEntries;
    if (context.json) {
      context.printJson({
        format: 1,
        ...('key' in who ? who : { identity: who }),
        predicateType,
        subject,
        bundle: out,
        logIndex: entry === undefined ? null : String(entry.index),
      });
      return exitCodes.ok;
    }
    context.print(inert(out));
    const shown = 'key' in who ? `the key ${inert(who.key)}` : `${inert(who.subject)} (issuer ${inert(who.issuer)})`;
    context.note(`  ${inert(predicateType)} about ${inert(subject.name)}`);
    context.note(`  signed by ${shown}, log entry ${entry?.index}`);
    return exitCodes.ok;
  },
};

function required(values: OptionValues, name: string): string {
  const value = textOption(values, name);
  if (value !== undefined) return value;
  throw new SignetError('ERR_USAGE', `signet attest needs --${name}`);
}

async function readPredicate(path: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SignetError('ERR_USAGE', `the predicate ${inert(path)} cannot be read`, { cause });
  });
  const value = parseJson(text, 'predicate');
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new SignetError('ERR_USAGE', `the predicate ${inert(path)} is not a JSON object`);
}

async function subjectOf(path: string, name: string): Promise<Subject> {
  let digests: Readonly<Record<string, string>>;
  try {
    const computed = await digestStreamBy(['sha256', 'sha512'] as const, createReadStream(path));
    digests = Object.fromEntries(computed.map(({ algorithm, digest }) => [algorithm, toHex(digest)]));
  } catch (cause) {
    throw new SignetError('ERR_USAGE', `${inert(name)} cannot be read`, { cause });
  }
  if (/\.tgz$|\.tar\.gz$/.test(path) && (await stat(path)).size <= maximumTarball) {
    const { readTarballManifest, toPurl } = await import('@signet/client/npm');
    try {
      const manifest = await readTarballManifest(new Uint8Array(await readFile(path)));
      return { name: toPurl(manifest.name, manifest.version), digest: { sha512: digests.sha512 ?? '' } };
    } catch (error) {
      // Not every archive is a package.
      if (!(error instanceof SignetError)) throw error;
    }
  }
  return { name: basename(path), digest: digests };
}
