import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inert, redact, SignetError } from '@signet/primitives/formats';
import { isObject, type JsonObject } from '../http/index.ts';
import { findNpm } from '../install/index.ts';
import { toPurl } from '../npm/index.ts';
import { isNpmjs } from './npmjs-rules.ts';
import type { PreparedPublish } from './prepare.ts';
import type { PublishOptions } from './publish-options.ts';
import { reproducibleSbom, sbomPredicateTypes } from './reproducible-sbom.ts';
import type { ExtraAttestation } from './sign-package.ts';

/** cosign's type for the result of a scan (sigstore/cosign, specs/COSIGN_VULN_ATTESTATION_SPEC.md). */
export const vulnerabilityPredicateType = 'https://cosign.sigstore.dev/attestation/vuln/v1';

const maximumOutput = 64 * 1024 * 1024;
const timeout = 300_000;

/**
 * Makes what is attested beside the provenance: the bill of materials of `npm sbom` and the result of `npm audit`. Both read the
 * lockfile, so that they tell of what a consumer of this repository would build with, and run before anything is signed.
 *
 * @throws ERR_PUBLISH_FORBIDDEN when the registry takes no such attestations, ERR_PACK_FAILED when npm cannot make them
 */
export async function extraAttestations(
  { packed, preflight }: PreparedPublish,
  options: Pick<PublishOptions, 'cwd' | 'env' | 'sbom' | 'audit' | 'signal'>,
): Promise<readonly ExtraAttestation[]> {
  const { sbom, audit = false, env, signal } = options;
  if (sbom === undefined && !audit) return [];
  const flag = sbom === undefined ? '--audit' : '--sbom';
  if (preflight.policy === undefined || (await isNpmjs(preflight.registry))) {
    throw new SignetError(
      'ERR_PUBLISH_FORBIDDEN',
      `${preflight.registry} takes no attestation beside the provenance; leave out ${flag}, and attach the file elsewhere: signet attest`,
    );
  }
  const { folder } = packed;
  if (folder === undefined) {
    throw new SignetError('ERR_USAGE', `${flag} needs the package's folder with its lockfile, not a tarball`);
  }
  const root = lockedFolder(folder);
  const workspace = root === folder ? [] : ['--workspace', folder];
  const npm = async (args: readonly string[]) => await runNpmFor(args, { root, env, signal });
  const found: ExtraAttestation[] = [];
  if (sbom !== undefined) {
    const shape = ['--sbom-format', sbom, '--sbom-type', 'library', '--package-lock-only', '--omit', 'dev'];
    const { value } = await npm(['sbom', ...shape, ...workspace]);
    const subject = { name: packed.name, version: packed.version, purl: toPurl(packed.name, packed.version) };
    const predicate = reproducibleSbom(sbom, value, { ...subject, tarball: packed.tarball, env });
    found.push({ predicateType: sbomPredicateTypes[sbom], predicate });
  }
  if (audit) found.push(await attestAudit(npm, workspace, preflight.registry));
  return found;
}

/** The nearest folder with a lockfile: that of the package, or of the repository whose workspace it is. */
function lockedFolder(folder: string): string {
  for (let candidate = folder; ; candidate = dirname(candidate)) {
    if (['package-lock.json', 'npm-shrinkwrap.json'].some((name) => existsSync(join(candidate, name))))
      return candidate;
    if (dirname(candidate) === candidate) break;
  }
  throw new SignetError(
    'ERR_PACK_FAILED',
    `there is no lockfile in or above ${folder}; run: npm install --package-lock-only`,
  );
}

/**
 * `npm audit` prints a JSON document also where it could not ask, for example of a registry without advisories; to attest that would
 * be to sign that a scan happened.
 */
async function attestAudit(
  npm: (args: readonly string[]) => Promise<NpmAnswer>,
  workspace: readonly string[],
  registry: string,
): Promise<ExtraAttestation> {
  const started = new Date();
  const { value, npmVersion } = await npm(['audit', '--json', '--package-lock-only', '--omit', 'dev', ...workspace]);
  const { auditReportVersion, metadata } = value;
  if (typeof auditReportVersion !== 'number' || !isObject(metadata) || !isObject(metadata.vulnerabilities)) {
    const said = typeof value.message === 'string' ? `: ${inert(redact(value.message), { limit: 300 })}` : '';
    throw new SignetError(
      'ERR_PACK_FAILED',
      `npm audit did not audit${said}; nothing was signed. Leave out --audit, or see that the registry has advisories`,
      {
        expected: 'a report with auditReportVersion and metadata.vulnerabilities',
        found:
          Object.keys(value)
            .slice(0, 10)
            .map((name) => inert(name))
            .join(', ') || 'an empty object',
      },
    );
  }
  const predicate = {
    invocation: { parameters: ['--package-lock-only', '--omit=dev'], uri: '', event_id: '', 'builder.id': '' },
    scanner: {
      uri: `pkg:npm/npm@${npmVersion}`,
      version: npmVersion,
      db: { uri: `${registry}-/npm/v1/security/advisories/bulk`, version: '' },
      result: value,
    },
    metadata: { scanStartedOn: started.toISOString(), scanFinishedOn: new Date().toISOString() },
  };
  return { predicateType: vulnerabilityPredicateType, predicate };
}

interface NpmAnswer {
  readonly value: JsonObject;
  readonly npmVersion: string;
}

async function runNpmFor(
  args: readonly string[],
  given: {
    readonly root: string;
    readonly env: PublishOptions['env'];
    readonly signal: AbortSignal | undefined;
  },
): Promise<NpmAnswer> {
  const { root, env, signal } = given;
  const { file, args: before } = findNpm(env, root);
  const run = (words: readonly string[]) =>
    new Promise<{ stdout: string; stderr: string; failed: boolean }>((resolve) => {
      const settings = { cwd: root, env: { ...env }, maxBuffer: maximumOutput, timeout, ...(signal ? { signal } : {}) };
      execFile(file, [...before, ...words], settings, (error, stdout, stderr) => {
        resolve({ stdout, stderr, failed: error !== null });
      });
    });
  const { stdout, stderr } = await run(args);
  signal?.throwIfAborted();
  let value: unknown;
  try {
    // Its exit code says whether there are vulnerabilities; whether it worked says what it prints.
    value = JSON.parse(stdout);
  } catch {
    value = undefined;
  }
  if (!isObject(value)) {
    const said = inert(redact(stderr.trim()), { limit: 1000 });
    throw new SignetError('ERR_PACK_FAILED', `npm ${args[0]} failed in ${root}: ${said || 'it printed no JSON'}`);
  }
  const { stdout: version } = await run(['--version']);
  return { value, npmVersion: version.trim() };
}
