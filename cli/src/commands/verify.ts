import { createReadStream, existsSync, statSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, relative, resolve } from 'node:path';
import type { PackageToJudge } from '@signet/client/install';
import type { LoadedPolicy, VerdictCache } from '@signet/client/preflight';
import type { ExpectedIdentity, VerifiedBundle } from '@signet/client/verify';
import { inert, SignetError } from '@signet/primitives/basics';
import { type Command, type CommandContext, flagOption, type OptionValues, textOption } from '../command.ts';
import { trustSources } from '../evidence-sources.ts';
import { exitCodes } from '../exit-codes.ts';
import { reportDocument, tellReport, verdictExitCodes } from '../lockfile-report.ts';
import { checkProject, projectOptions } from '../project-check.ts';
import { paint } from '../terminal.ts';
import { trustFor, trustOptions } from '../trust-options.ts';

/** The most bytes that are read whole, for signatures that need it. */
const maximumWhole = 256 * 1024 * 1024;

export const command: Command = {
  name: 'verify',
  summary: 'verify a package, a tarball, a file or a whole lockfile; install nothing',
  usage: 'verify <name@version|tarball|file|lockfile|folder> [flags]',
  details: [
    'A lockfile, or a folder with one: judges all it names by the policy, as signet ci does.',
    'name@version: the bytes that the registry has for it now. A tarball: its own bytes, under the name and version in its package.json.\n' +
      'Evidence comes from the registry; who must have signed says the policy or --issuer and --identity.',
    'Any file with a bundle beside it (FILE.sigstore.json, or --bundle): the bundle, with --issuer and --identity, or --key.',
  ],
  examples: [
    { command: 'signet verify package-lock.json', explanation: 'what signet ci would say' },
    {
      command: 'signet verify package-lock.json --save-evidence',
      explanation: 'and keep the evidence, so that signet ci asks no registry for it',
    },
    { command: 'signet verify @acme/widgets@1.2.3', explanation: 'one version, by trust-policy.yaml' },
    {
      command:
        'signet verify widgets-1.2.3.tgz --trusted-root root.json --issuer https://login.acme.example --identity alice@acme.example',
      explanation: 'a tarball, without a policy',
    },
  ],
  options: {
    issuer: { type: 'string', argument: 'URL', description: 'the issuer of the identity that must have signed' },
    identity: { type: 'string', argument: 'WHO', description: 'the subject that must have signed, exactly' },
    bundle: { type: 'string', argument: 'FILE', description: 'the bundle of a file (FILE.sigstore.json)' },
    key: { type: 'string', argument: 'FILE', description: 'the public key that must have signed a file' },
    type: { type: 'string', argument: 'TYPE', description: 'the type of statement that a file’s bundle must hold' },
    ...projectOptions,
    ...trustOptions,
    'save-evidence': {
      type: 'boolean',
      description: 'keep the evidence of a lockfile in trust-evidence.jsonl, for --offline and for later',
    },
  },
  async run(context, values, positionals) {
    const [what, ...more] = positionals;
    if (what === undefined || more.length > 0) {
      throw new SignetError('ERR_USAGE', 'signet verify takes one package, tarball, file, lockfile or folder');
    }
    const path = resolve(context.cwd, what);
    const bundle =
      textOption(values, 'bundle') ?? (existsSync(`${path}.sigstore.json`) ? `${what}.sigstore.json` : undefined);
    if (!existsSync(path)) return await verifyVersion(context, values, what);
    if (bundle !== undefined) return await verifyFile(context, values, path, resolve(context.cwd, bundle));
    if (statSync(path).isDirectory()) return await verifyProject(context, values, path);
    const { lockfileNames } = await import('@signet/client/preflight');
    if (lockfileNames.includes(basename(path))) {
      return await verifyProject(context, values, dirname(path), path);
    }
    return await verifyTarball(context, values, path);
  },
};

async function verifyProject(
  context: CommandContext,
  values: OptionValues,
  folder: string,
  file?: string,
): Promise<number> {
  const install = await import('@signet/client/preflight');
  const lockfile = file === undefined ? await install.readProjectLockfile(folder) : await install.readLockfile(file);
  const project = { ...(await install.openNpmProject({ cwd: folder, env: context.env })), directory: folder };
  const saves = flagOption(values, 'save-evidence');
  const { report } = await checkProject(context, values, {
    project,
    lockfile,
    policy: (verdicts) => policyFor(context, values, folder, verdicts),
    needsBundles: saves,
  });
  const verdict = install.verdictOf(report);
  if (saves) {
    const path = resolve(folder, install.evidenceFileName);
    // Renamed into place, so that a file that is read is never half of one.
    await writeFile(`${path}.new`, install.formatEvidence(report.judged));
    await rename(`${path}.new`, path);
  }
  if (context.json) context.printJson(reportDocument(report, verdict));
  else tellReport(report, context, context.print);
  return verdictExitCodes[verdict];
}

async function verifyVersion(context: CommandContext, values: OptionValues, what: string): Promise<number> {
  const at = what.lastIndexOf('@');
  if (at <= 0) {
    throw new SignetError(
      'ERR_USAGE',
      `${what} is neither a file nor a package with its exact version, such as name@1.2.3`,
    );
  }
  const name = what.slice(0, at);
  const version = what.slice(at + 1);
  const install = await import('@signet/client/install');
  const { assertPackageVersion } = await import('@signet/client/npm');
  assertPackageVersion(name, version);
  requireNetwork(context);
  const settings = await install.loadNpmSettings({ cwd: context.cwd, env: context.env });
  const registry = install.registryFor(name, settings.options, context.registry);
  const integrity = await install.fetchIntegrity(name, version, registry, {
    signal: context.signal,
    transport: await install.transportFor(settings),
  });
  return await judge(context, values, { name, version, integrity, locations: [registry.url] });
}

async function verifyTarball(context: CommandContext, values: OptionValues, path: string): Promise<number> {
  const { readTarballManifest, sha512Integrity } = await import('@signet/client/npm');
  const bytes = await readFile(path);
  const { name, version } = await readTarballManifest(bytes);
  return await judge(context, values, { name, version, integrity: sha512Integrity(bytes), locations: [path] });
}

async function judge(context: CommandContext, values: OptionValues, subject: PackageToJudge): Promise<number> {
  const install = await import('@signet/client/install');
  const loaded = await policyFor(context, values, context.cwd);
  const settings = await install.loadNpmSettings({ cwd: context.cwd, env: context.env });
  context.progress('fetching and verifying evidence');
  const judged = await install.judgePackage(
    {
      ...loaded,
      offline: context.offline,
      evidence: await install.readEvidenceFile(resolve(context.cwd, install.evidenceFileName)),
      registryFor: (name) => install.registryFor(name, settings.options, context.registry),
      request: {
        signal: context.signal,
        timeout: await install.configuredTimeLimit(async () => settings),
        transport: await install.transportFor(settings),
      },
    },
    subject,
  );
  const { decision } = judged;
  const report = {
    lockfile: '',
    judged: [judged],
    unmatched: 0,
    idleRules: [],
    newPins: new Map(),
    local: 0,
    violations: decision.violations,
    failures: [],
    allowed: decision.allowed,
  };
  // Who asks about one package wants to know that it is signed, and a policy that does not name it cannot say so.
  const unnamed = decision.allowed && decision.rules.length === 0;
  const verdict = unnamed ? 'denied' : install.verdictOf(report);
  if (context.json) {
    const { lockfile: _none, ...document } = reportDocument(report, verdict);
    context.printJson(document);
  } else {
    tellReport(report, context, context.print);
    if (unnamed)
      context.stderr.write(
        `signet: no rule of the policy names ${inert(subject.name)}; nothing is proven about who may publish it\n`,
      );
  }
  return verdictExitCodes[verdict];
}

/** The policy of the project or, with --issuer and --identity, one that asks for exactly this signer. */
async function policyFor(
  context: CommandContext,
  values: OptionValues,
  folder: string,
  verdicts?: VerdictCache | undefined,
): Promise<LoadedPolicy> {
  const install = await import('@signet/client/preflight');
  const identity = expectedIdentity(values);
  const given = textOption(values, 'policy');
  const path = given === undefined ? resolve(folder, install.policyFileName) : resolve(context.cwd, given);
  const trustedRoot = textOption(values, 'trusted-root');
  if (identity === undefined) {
    if (trustedRoot !== undefined) {
      throw new SignetError(
        'ERR_IDENTITY_REQUIRED',
        '--trusted-root needs --issuer and --identity: a signature by just anybody proves nothing',
      );
    }
    return await install.loadPolicy(
      path,
      relative(context.cwd, path) || path,
      verdicts,
      trustSources(context, install),
    );
  }
  const { parsePolicy } = await import('@signet/client/policy');
  const trustRoots =
    trustedRoot === undefined
      ? (await install.loadPolicy(path, relative(context.cwd, path) || path)).policy.trustRoots
      : [{ name: 'trusted-root', source: { kind: 'file', path: resolve(context.cwd, trustedRoot) } } as const];
  const demanded = parsePolicy(
    JSON.stringify({
      version: 1,
      noMatch: 'deny',
      publishers: { expected: { oidc: { issuer: identity.issuer, san: [identity.subject] } } },
      rules: [{ id: 'expected-identity', match: '**', require: [{ signature: { by: ['expected'] } }] }],
    }),
    { path: 'the command line' },
  );
  const policy = { ...demanded, trustRoots };
  return { policy, trustRoots: new install.TrustRoots(policy, dirname(path), trustSources(context, install)) };
}

async function verifyFile(
  context: CommandContext,
  values: OptionValues,
  path: string,
  bundlePath: string,
): Promise<number> {
  const identity = expectedIdentity(values);
  const key = textOption(values, 'key');
  if ((identity === undefined) === (key === undefined)) {
    throw new SignetError(
      'ERR_IDENTITY_REQUIRED',
      'say who must have signed, with --issuer and --identity or with --key: a signature by just anybody proves nothing',
    );
  }
  const { verifyBundle } = await import('@signet/client/verify');
  const { digestStreamBy } = await import('@signet/primitives/crypto');
  const trust = await trustFor(context, values);
  const bundle = await readFile(bundlePath, 'utf8').catch(unreadable(bundlePath));
  // Read once and piece by piece: a file may be larger than memory.
  const artifact = await digestStreamBy(['sha256', 'sha384', 'sha512'] as const, createReadStream(path));
  const expected =
    key === undefined
      ? { identities: identity === undefined ? [] : [identity] }
      : { key: { publicKey: await readPublicKey(resolve(context.cwd, key)) } };
  const verified = async (): Promise<VerifiedBundle> => {
    try {
      return verifyBundle(bundle, { trust, artifact, ...expected });
    } catch (error) {
      // Pure Ed25519 and ML-DSA sign whole messages.
      const needsBytes = error instanceof SignetError && error.code === 'ERR_DIGEST_UNSUPPORTED';
      if (!needsBytes || statSync(path).size > maximumWhole) throw error;
      return verifyBundle(bundle, { trust, artifact: await readFile(path), ...expected });
    }
  };
  const { signer, timestamps, logEntries, checks, statement } = await verified();
  const type = textOption(values, 'type');
  if (type !== undefined) {
    const { predicateTypeOf } = await import('@signet/client/sign');
    const wanted = predicateTypeOf(type);
    if (statement?.predicateType !== wanted) {
      throw new SignetError('ERR_PAYLOAD_TYPE', 'the bundle holds another type of statement', {
        expected: wanted,
        found: inert(statement?.predicateType ?? 'a signature of the file itself'),
      });
    }
  }
  const who =
    signer.kind === 'certificate'
      ? { issuer: inert(signer.issuer), subject: inert(signer.subject.value) }
      : { key: inert(signer.hint) };
  const shown = 'key' in who ? `the key ${who.key}` : `${who.subject} (${who.issuer})`;
  const times = timestamps.map(({ time }) => time.toISOString());
  const log = logEntries.map(({ origin, baseUrl, index }) => `${inert(origin ?? baseUrl)} #${index}`);
  if (context.json) {
    context.printJson({
      format: 1,
      verdict: 'allowed',
      file: path,
      bundle: bundlePath,
      signer: who,
      ...(statement === undefined ? {} : { predicateType: inert(statement.predicateType) }),
      times,
      logEntries: log,
      checks: checks.map((check) => inert(check)),
    });
    return exitCodes.ok;
  }
  const name = inert(relative(context.cwd, path) || path);
  context.print(
    `${paint('✔', 'green', context.colour)} ${name}  signed by ${shown}  ${times[0] ?? ''}  log ${log.join(', ')}`,
  );
  context.note(`    checked: ${checks.map((check) => inert(check)).join('; ')}`);
  return exitCodes.ok;
}

async function readPublicKey(path: string): Promise<Uint8Array> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SignetError('ERR_VERIFIER_KEY', `the public key ${inert(path)} cannot be read`, { cause });
  });
  const { parsePem } = await import('@signet/primitives/formats');
  const [block, second] = parsePem(text, 'public key');
  if (block?.label === 'PUBLIC KEY' && second === undefined) return block.bytes;
  throw new SignetError('ERR_VERIFIER_KEY', `${inert(path)} is not one public key in PEM`, {
    expected: 'PUBLIC KEY',
    found: inert(block?.label ?? 'no PEM'),
  });
}

function expectedIdentity(values: OptionValues): (ExpectedIdentity & { subject: string }) | undefined {
  const issuer = textOption(values, 'issuer');
  const subject = textOption(values, 'identity');
  if (issuer === undefined && subject === undefined) return undefined;
  if (issuer === undefined || subject === undefined) {
    throw new SignetError('ERR_USAGE', '--issuer and --identity belong together: any provider can mint any subject');
  }
  return { issuer, subject };
}

function requireNetwork({ offline }: CommandContext): void {
  if (offline) throw new SignetError('ERR_OFFLINE', 'the evidence is in the registry; run it without --offline');
}

function unreadable(path: string): (cause: unknown) => never {
  return (cause) => {
    throw new SignetError('ERR_USAGE', `the bundle ${path} cannot be read`, { cause });
  };
}
