import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  type Bundle,
  Certificate,
  fulcioClaims,
  fulcioIssuer,
  inert,
  parseBundle,
  parseJson,
  parseStatement,
  parseTimestampResponse,
  SignetError,
} from '@signet/primitives/formats';
import type { Command } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';

export const command: Command = {
  name: 'inspect',
  summary: 'what a bundle says, without verifying it',
  usage: 'inspect BUNDLE [flags]',
  details: [
    'Reads a Sigstore bundle, or an attestation document of a registry, and prints who is said to have signed what, when\n' +
      'and where it is said to be logged. Nothing of it is verified; signet verify does that.',
  ],
  examples: [
    { command: 'signet inspect app.tgz.sigstore.json', explanation: 'who is said to have signed this?' },
    { command: 'signet inspect app.tgz.sigstore.json --json', explanation: 'for a script' },
  ],
  options: {},
  async run(context, _values, positionals) {
    const [name] = positionals;
    if (name === undefined || positionals.length > 1)
      throw new SignetError('ERR_USAGE', 'signet inspect takes one BUNDLE');
    const text = await readFile(resolve(context.cwd, name), 'utf8').catch((cause: unknown) => {
      throw new SignetError('ERR_USAGE', `${inert(name)} cannot be read`, { cause });
    });
    const bundles = bundlesIn(text);
    const descriptions = bundles.map(describe);
    const policies = bundles.map((bundle, index) => policyBlock(bundle, descriptions[index] ?? {}));
    if (context.json) {
      const told = descriptions.map((one, index) => ({ ...one, policy: policies[index] }));
      context.printJson({ format: 1, verified: false, bundles: told });
      return exitCodes.ok;
    }
    context.note('Nothing of this is verified.');
    for (const [index, description] of descriptions.entries()) {
      for (const [key, value] of Object.entries(description)) {
        for (const line of Array.isArray(value) ? value : [value]) context.print(`${key.padEnd(13)} ${line}`);
      }
      context.note('If this is who should sign, a policy says so like this:');
      for (const line of policies[index] ?? []) context.note(`  ${line}`);
    }
    return exitCodes.ok;
  },
};

/** One bundle, or those of an attestation document `{attestations: [{bundle}]}`. */
function bundlesIn(text: string): Bundle[] {
  const value = parseJson(text, 'bundle');
  if (typeof value === 'object' && value !== null && 'attestations' in value && Array.isArray(value.attestations)) {
    return value.attestations.map((one: unknown) =>
      parseBundle(typeof one === 'object' && one !== null && 'bundle' in one ? one.bundle : one),
    );
  }
  return [parseBundle(value)];
}

type Description = Readonly<Record<string, string | readonly string[]>>;

/** All text is inert. */
function describe(bundle: Bundle): Description {
  return { format: bundle.mediaType, ...describeKey(bundle), ...describeContent(bundle), ...describeWitnesses(bundle) };
}

function describeKey({ key }: Bundle): Description {
  if (key.kind === 'publicKey') return { key: inert(key.hint) };
  const certificate = Certificate.parse(key.certificate);
  const claims = fulcioClaims(certificate);
  const [name] = certificate.subjectAlternativeNames;
  return {
    issuer: inert(fulcioIssuer(claims) ?? 'none'),
    subject: inert(name?.value ?? 'none'),
    valid: `${certificate.notBefore.toISOString()} to ${certificate.notAfter.toISOString()}`,
    claims: Object.entries(claims)
      .filter(([claim]) => claim !== 'issuer' && claim !== 'issuerV1')
      .map(([claim, value]) => `${claim}: ${inert(value)}`),
  };
}

function describeContent({ content }: Bundle): Description {
  if (content.kind === 'message') {
    const { messageDigest } = content;
    return messageDigest === undefined
      ? { signs: 'a message' }
      : { signs: `a message with ${messageDigest.algorithm} ${Buffer.from(messageDigest.digest).toString('hex')}` };
  }
  const { payloadType, payload } = content.envelope;
  if (payloadType !== 'application/vnd.in-toto+json') return { signs: inert(payloadType) };
  const statement = parseStatement(payload);
  return {
    signs: inert(statement.predicateType),
    about: statement.subject.flatMap((subject) => [
      inert(subject.name),
      ...Object.entries(subject.digest).map(([algorithm, digest]) => `  ${inert(algorithm)} ${inert(digest)}`),
    ]),
  };
}

function describeWitnesses({ timestamps, tlogEntries }: Bundle): Description {
  return {
    timestamps: timestamps.map((response) => parseTimestampResponse(response).genTime.toISOString()),
    logged: tlogEntries.map((entry) => {
      const origin = entry.inclusionProof?.checkpoint?.split('\n')[0];
      return `${inert(entry.kind)} ${inert(entry.version)} as entry ${entry.logIndex} of ${inert(origin ?? 'an unnamed log')}`;
    }),
  };
}

/**
 * Lines of a policy that asks for exactly this signer of the package that the statement is about; as JSON strings, which YAML reads,
 * foreign text stays data.
 */
function policyBlock({ key }: Bundle, { issuer, subject, about = [] }: Description): readonly string[] {
  const signer =
    key.kind === 'publicKey'
      ? 'key: { file: ./release.pub }'
      : `oidc: { issuer: ${JSON.stringify(issuer)}, san: [${JSON.stringify(subject)}] }`;
  const [purl = ''] = about;
  const [, encoded] = /^pkg:npm\/((?:%40[^/@]+\/)?[^/@]+)@/.exec(purl) ?? [];
  const match = encoded === undefined ? '@scope/*' : encoded.replace(/^%40/, '@');
  return [
    'publishers:',
    '  somebody:',
    `    ${signer}`,
    'rules:',
    `  - { id: somebody-signs, match: [${JSON.stringify(match)}], require: [{ signature: { by: [somebody] } }] }`,
  ];
}
