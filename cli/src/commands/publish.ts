import type { FoundToken } from '@signet/client/identity';
import type { PublishReport, SbomFormat } from '@signet/client/publish';
import { inert, SignetError } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import {
  type Command,
  type CommandContext,
  flagOption,
  listOption,
  type OptionValues,
  textOption,
} from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { describeExpectedCertificate } from '../expected-certificate.ts';
import { keyOption, openPrivateKey } from '../signer.ts';
import { namedServices, signingOptions, tokenFor } from '../signing-options.ts';
import { signingTransport } from '../signing-transport.ts';
import { paint } from '../terminal.ts';
import { trustFor, trustOptions } from '../trust-options.ts';

export const command: Command = {
  name: 'publish',
  summary: 'pack, sign and publish a package with the proof of who published it',
  usage: 'publish [folder|tarball] [flags]',
  details: [
    'Packs once, asks the registry what it would refuse, signs keylessly, verifies the result as consumers will, and sends\n' +
      'tarball and bundle in one request. Registry, tokens, proxies and TLS roots come from npm’s own configuration.',
    'The identity comes from --identity-token-file, SIGSTORE_ID_TOKEN, the CI platform, or a login in the browser; with --key a\n' +
      'lasting key signs instead.',
    'A publish that stops after it was signed is kept in ./.signet and ends with exit code 16; --resume finishes it with the\n' +
      'same bytes and the same log entry.',
    'What is signed is public: name, version, digest, and the identity stand in the transparency log for ever.',
  ],
  examples: [
    { command: 'signet publish --trusted-root trusted_root.json', explanation: 'publish this folder' },
    {
      command: 'signet publish ./packages/lib --tag next',
      explanation: 'a prerelease, trust roots from ./trust-policy.yaml',
    },
    {
      command: 'signet publish --resume --trusted-root trusted_root.json',
      explanation: 'finish what an outage interrupted',
    },
    { command: 'signet publish --dry-run', explanation: 'say what would happen; nothing is signed or sent' },
    { command: 'signet publish --workspaces', explanation: 'every workspace that is not private, with one login' },
    { command: 'signet publish --sbom cyclonedx --audit', explanation: 'and attest what it is made of, and the audit' },
    {
      command: 'signet publish --key release.key',
      explanation: 'with a lasting key, where the registry’s policy names it',
    },
    {
      command: 'signet publish lib-1.0.0.tgz --identity-token-file token --json',
      explanation: 'a tarball, from a script',
    },
  ],
  options: {
    ...signingOptions,
    ...trustOptions,
    key: keyOption,
    tag: { type: 'string', argument: 'TAG', description: 'distribution tag (latest)' },
    access: { type: 'string', argument: 'WHO', description: 'public or restricted, for scoped packages' },
    otp: { type: 'string', argument: 'CODE', description: 'one-time password for the registry' },
    workspace: { type: 'string', multiple: true, short: 'w', argument: 'NAME', description: 'publish this workspace' },
    workspaces: { type: 'boolean', description: 'publish all workspaces that are not private' },
    sbom: { type: 'string', argument: 'FORMAT', description: 'attest the bill of materials: cyclonedx or spdx' },
    audit: { type: 'boolean', description: 'attest the result of npm audit' },
    resume: { type: 'boolean', description: 'finish the publish that stopped half-way in this folder' },
    'retry-for': { type: 'string', argument: 'TIME', description: 'how long to try again in an outage: 30s, 45m (5m)' },
    'dry-run': { type: 'boolean', description: 'pack and ask, but sign and send nothing' },
  },
  async run(context, values, positionals) {
    if (positionals.length > 1) throw new SignetError('ERR_USAGE', 'signet publish takes one folder or tarball');
    if (context.offline) throw new SignetError('ERR_OFFLINE', 'publishing needs the network; run it without --offline');
    const { resolve } = await import('node:path');
    const { findWorkspaces, publishPackages, resumePublishes } = await import('@signet/client/publish');
    const resume = flagOption(values, 'resume');
    const options = {
      cwd: context.cwd,
      env: context.env,
      registry: context.registry,
      tag: textOption(values, 'tag'),
      access: accessOption(values),
      otp: textOption(values, 'otp'),
      trust: (name: string) => trustFor(context, values, name),
      services: await namedServices(context, values),
      http: await signingTransport(context),
      retryFor: retryFor(values),
      sbom: sbomOption(values),
      audit: flagOption(values, 'audit'),
      onPublished: (report: PublishReport) => tell(context, report),
      onStep: (step: keyof typeof waitingFor) => context.progress(waitingFor[step]),
      signal: context.signal,
    };
    const chosen = listOption(values, 'workspace');
    const inWorkspaces = chosen.length > 0 || flagOption(values, 'workspaces');
    if (inWorkspaces && positionals.length > 0) {
      throw new SignetError('ERR_USAGE', 'give either a folder or tarball, or --workspace or --workspaces');
    }
    const sources = async (): Promise<readonly string[]> =>
      inWorkspaces
        ? (await findWorkspaces(context.cwd, chosen.length > 0 ? chosen : undefined)).map(({ path }) => path)
        : [resolve(context.cwd, positionals[0] ?? '.')];
    const keyFile = textOption(values, 'key');
    const signer = keyFile === undefined ? undefined : await openPrivateKey(context, keyFile);
    if (flagOption(values, 'dry-run')) {
      const rehearsals = [];
      for (const source of await sources()) {
        rehearsals.push(await rehearse(context, values, { ...options, source }, signer));
      }
      if (context.json)
        context.printJson(inWorkspaces ? { format: 1, dryRun: true, packages: rehearsals } : (rehearsals[0] ?? {}));
      return exitCodes.ok;
    }
    const findToken = (wanted: Parameters<typeof tokenFor>[2]) => tokenFor(context, values, wanted);
    if (resume) refuseWith(values, positionals, context);
    const reports = resume
      ? await resumePublishes({ ...options, findToken })
      : await publishPackages(await sources(), { ...options, findToken, signer });
    const [first, second] = reports;
    if (context.json) context.printJson(second === undefined ? { ...first } : { format: 1, packages: reports });
    return exitCodes.ok;
  },
};

/** Tells a person of each package as soon as it is there. */
function tell(context: CommandContext, report: PublishReport): void {
  if (context.json) return;
  const [time] = report.timestamps;
  context.print(`${paint('+', 'green', context.colour)} ${report.name}@${report.version}`);
  context.note(
    `  registry  ${inert(report.registry)} (${inert(report.tag)})${report.user === undefined ? '' : ` as ${inert(report.user)}`}`,
  );
  context.note(`  bytes     ${report.size}, ${report.integrity}`);
  const { identity, key = '' } = report;
  context.note(
    identity === undefined
      ? `  signed by the key ${inert(key)}`
      : `  signed by ${inert(identity.subject)} (issuer ${inert(identity.issuer)}, ${identity.source})`,
  );
  if (time !== undefined) context.note(`  at        ${time.time} (${inert(time.authority)})`);
  for (const entry of report.logEntries) context.note(`  logged    as entry ${entry.index} of ${inert(entry.log)}`);
  for (const { predicateType, logEntries } of report.extra) {
    const entries = logEntries.map(({ index }) => index).join(', ');
    context.note(`  attested  ${inert(predicateType)}, log entry ${entries}`);
  }
  context.note('  verified  as consumers will, and read back from the registry');
}

/** What a person reads when a step takes longer. */
const waitingFor = {
  pack: 'packing, with the package’s own scripts',
  preflight: 'asking the registry whether it will take the package',
  identity: 'waiting for the identity token',
  certificate: 'waiting for the certificate authority',
  timestamp: 'waiting for the timestamp authority',
  'log entry': 'waiting for the transparency log',
  verification: 'verifying the bundle',
  upload: 'sending the package',
  'read back': 'reading the package back from the registry',
} as const;

/**
 * The kept job says what is finished, and where; a flag that says otherwise would be ignored. A signing config serves where the job's
 * log takes no more entries.
 */
function refuseWith(values: OptionValues, positionals: readonly string[], context: CommandContext): void {
  const given = ['tag', 'access', 'dry-run', 'ca-url', 'workspace', 'workspaces', 'key', 'sbom', 'audit'].find(
    (name) => values[name] !== undefined,
  );
  const wrong =
    positionals.length > 0
      ? 'a folder or tarball'
      : context.registry === undefined
        ? given && `--${given}`
        : '--registry';
  if (wrong) throw new SignetError('ERR_USAGE', `--resume goes on with what was begun and takes no ${wrong}`);
}

function retryFor(values: OptionValues): number | undefined {
  const text = textOption(values, 'retry-for');
  if (text === undefined) return undefined;
  const [, amount, unit = 's'] = /^(\d{1,6})(s|m|h)?$/.exec(text) ?? [];
  if (amount === undefined)
    throw new SignetError('ERR_USAGE', '--retry-for takes a time such as 30s, 45m or 2h', { found: text });
  return Number(amount) * { s: 1000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h'];
}

function sbomOption(values: OptionValues): SbomFormat | undefined {
  const format = textOption(values, 'sbom');
  if (format === undefined || format === 'cyclonedx' || format === 'spdx') return format;
  throw new SignetError('ERR_USAGE', '--sbom is cyclonedx or spdx', { found: format });
}

function accessOption(values: OptionValues): 'public' | 'restricted' | undefined {
  const access = textOption(values, 'access');
  if (access === undefined || access === 'public' || access === 'restricted') return access;
  throw new SignetError('ERR_USAGE', '--access is public or restricted', { found: access });
}

/** The types of what would be attested beside the provenance. */
function extraTypes({ sbom, audit }: RehearsalOptions): readonly string[] {
  const types = { cyclonedx: 'https://cyclonedx.org/bom', spdx: 'https://spdx.dev/Document' };
  const scan = 'https://cosign.sigstore.dev/attestation/vuln/v1';
  return [...(sbom === undefined ? [] : [types[sbom]]), ...(audit === true ? [scan] : [])];
}

type RehearsalOptions = Parameters<typeof import('@signet/client/publish').rehearsePublish>[0];

async function rehearse(
  context: CommandContext,
  values: OptionValues,
  options: RehearsalOptions,
  signer: Signer | undefined,
): Promise<Readonly<Record<string, unknown>>> {
  const { preflightIdentity, preflightKey, provenanceType, rehearsePublish } = await import('@signet/client/publish');
  const { describeToken } = await import('@signet/client/identity');
  const { toPurl } = await import('@signet/client/npm');
  const { keyHint } = await import('@signet/client/sign');
  const rehearsal = await rehearsePublish(options);
  const { packed, integrity, preflight, tag, access, services, upload } = rehearsal;
  const found =
    signer === undefined ? await tokenWithoutPerson(context, values, services.caUrl, options.http) : undefined;
  if (signer !== undefined) preflightKey(signer, preflight, packed, { upload, predicateTypes: [provenanceType] });
  const key = signer === undefined ? undefined : keyHint(signer);
  if (found !== undefined) {
    await preflightIdentity(found.token, preflight, packed, { access, predicateTypes: [provenanceType] });
  }
  const identity = found === undefined ? undefined : { ...describeToken(found.token), source: found.source };
  const certificate = found === undefined ? undefined : await describeExpectedCertificate(found.token);
  const statement = {
    subject: toPurl(packed.name, packed.version),
    predicateTypes: [provenanceType, ...extraTypes(options)],
  };
  const [kind, entryVersion] = services.rekorVersion === 1 ? ['dsse', '0.0.1'] : ['hashedrekord', '0.0.2'];
  const logEntry = { kind, version: entryVersion, logs: services.logUrls };
  if (context.json) {
    return {
      format: 1,
      dryRun: true,
      name: packed.name,
      version: packed.version,
      integrity,
      size: packed.tarball.length,
      registry: preflight.registry,
      tag,
      ...(access === undefined ? {} : { access }),
      ...(preflight.user === undefined ? {} : { user: preflight.user }),
      ...(identity === undefined ? {} : { identity }),
      ...(certificate === undefined ? {} : { certificate }),
      ...(key === undefined ? {} : { key }),
      statement,
      logEntry,
      services,
      upload,
    };
  }
  context.print(`${packed.name}@${packed.version} would be published to ${inert(preflight.registry)} (${inert(tag)})`);
  context.print(`  bytes     ${packed.tarball.length}, ${integrity}`);
  context.print(`  user      ${preflight.user === undefined ? 'the registry does not say' : inert(preflight.user)}`);
  if (key !== undefined) context.print(`  key       ${key}`);
  else
    context.print(
      identity === undefined
        ? '  identity  you would be asked to log in in the browser'
        : `  identity  ${identity.email ?? identity.subject} (issuer ${identity.issuer}, ${identity.source})`,
    );
  if (certificate !== undefined) context.print(`  certificate for ${certificate.subjects.join(' or ')}`);
  context.print(`  statement ${statement.predicateTypes.join(', ')} about ${statement.subject}`);
  context.print(`  log entry ${kind} ${entryVersion}, one for each statement`);
  context.print(
    `  services  ${[services.caUrl, ...services.tsaUrls, ...services.logUrls].map((url) => inert(url)).join(', ')}`,
  );
  context.print(
    `  public    for ever in the log: name, version, sha512 and the ${key === undefined ? 'identity' : 'key'}; nothing was signed or sent now`,
  );
  return {};
}

/** Nobody is asked to log in for a rehearsal; what is there without a person is described. */
async function tokenWithoutPerson(
  context: CommandContext,
  values: OptionValues,
  caUrl: string,
  http: RehearsalOptions['http'],
): Promise<FoundToken | undefined> {
  const { tokenRequirements } = await import('@signet/client/sign');
  const { signal } = context;
  const { audience } = await tokenRequirements(caUrl, undefined, { ...http, signal });
  return await tokenFor({ ...context, interactive: false, signal }, values, { audience }).catch((error: unknown) => {
    if (error instanceof SignetError && error.code === 'ERR_IDENTITY_TOKEN_MISSING') return undefined;
    throw error;
  });
}
