import { inert, SignetError } from '@signet/primitives/basics';
import { type Command, textOption } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { describeExpectedCertificate } from '../expected-certificate.ts';
import { signingOptions } from '../signing-options.ts';

const { 'identity-token-file': tokenFile, 'ca-url': caUrl } = signingOptions;

export const command: Command = {
  name: 'whoami',
  summary: 'the identity that you would sign with, and where it comes from',
  usage: 'whoami [flags]',
  details: [
    'Shows which source of identity tokens would be used, why each source before it is passed over, what the token says, and\n' +
      'for whom a certificate would be; where there are several, which one is the authority’s configuration.\n' +
      'The token itself is never printed.',
  ],
  examples: [
    { command: 'signet whoami', explanation: 'in a CI job: is the identity there?' },
    { command: 'signet whoami --identity-token-file token --json', explanation: 'what a token says' },
  ],
  options: {
    'identity-token-file': tokenFile,
    'ca-url': caUrl,
    audience: { type: 'string', argument: 'NAME', description: 'the audience to ask for (sigstore)' },
  },
  async run(context, values) {
    const { chooseSource, describeToken, findToken } = await import('@signet/client/identity');
    const file = textOption(values, 'identity-token-file');
    const { source: chosen, skipped } =
      file === undefined ? chooseSource(context.env) : { source: { name: `the file ${file}` }, skipped: [] };
    for (const line of passedOver(skipped)) context.note(line);
    if (chosen === undefined) {
      throw new SignetError(
        'ERR_IDENTITY_TOKEN_MISSING',
        'there is no identity here that needs no person; at a desk, signet publish and signet sign open a browser',
        { expected: 'SIGSTORE_ID_TOKEN, --identity-token-file, or a CI platform with an identity' },
      );
    }
    context.note(`would use: ${inert(chosen.name)}`);
    const ca = textOption(values, 'ca-url');
    const audience =
      textOption(values, 'audience') ?? (ca === undefined || context.offline ? 'sigstore' : await audienceOf(ca));
    const { token, source } = await findToken({
      explicit: file === undefined ? undefined : { file, cwd: context.cwd },
      env: context.env,
      audience,
      signal: context.signal,
    });
    const identity = describeToken(token);
    const certificate = await describeExpectedCertificate(token);
    if (context.json) {
      context.printJson({ format: 1, source, skipped, identity, certificate });
      return exitCodes.ok;
    }
    context.print(`${identity.email ?? identity.subject}`);
    context.print(`  issuer   ${identity.issuer}`);
    context.print(`  subject  ${identity.subject}`);
    for (const subject of certificate.subjects) context.print(`  certificate for ${subject}`);
    context.print(`  source   ${source}`);
    context.print(`  expires  ${identity.expires}`);
    for (const [name, value] of Object.entries(identity.claims)) {
      // Times of the token itself, of which the end is told above.
      if (name !== 'iat' && name !== 'nbf') context.note(`  ${name}: ${value}`);
    }
    return exitCodes.ok;
  },
};

/** What lacks something says what; platforms that this is not are many, and stand in one line. */
function passedOver(skipped: readonly { readonly source: string; readonly reason: string }[]): string[] {
  const isElsewhere = ({ reason }: { readonly reason: string }) => reason.startsWith('this is not ');
  const lacking = skipped.filter((one) => !isElsewhere(one));
  const elsewhere = skipped.filter(isElsewhere).map(({ source }) => source);
  return [
    ...lacking.map(
      ({ source, reason }) => `passed over: ${reason.startsWith(source) ? reason : `${source}: ${reason}`}`,
    ),
    ...(elsewhere.length === 0 ? [] : [`not here: ${elsewhere.join(', ')}`]),
  ];
}

async function audienceOf(caUrl: string): Promise<string> {
  const { tokenRequirements } = await import('@signet/client/sign');
  return (await tokenRequirements(caUrl, undefined)).audience;
}
