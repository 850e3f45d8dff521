import {
  type Certificate,
  equalBytes,
  oids,
  parseTrustedRoot,
  SignetError,
  type TrustedRoot,
} from '@signet/primitives/formats';
import { namesIssuer } from './certificate-rules.ts';
import { type Issuer, TrustedAuthority } from './trusted-authority.ts';
import { TrustedLog } from './trusted-log.ts';

/** What a trusted root is called and what it owns (ARCHITECTURE decision 9). */
export interface TrustMaterialOptions {
  /** How reports and policies call it; `trusted-root` when absent. */
  readonly name?: string;
  /** Patterns of the package names that it owns, such as `@acme/*`. */
  readonly packages?: readonly string[];
  /** The only identity issuers that it may vouch for; absent or empty means any. */
  readonly issuers?: readonly string[];
}

/**
 * Everything a verifier trusts, ready for use: keys are imported and chains are checked once, here, and not for every
 * bundle. Keep one and use it for all bundles.
 */
export class TrustMaterial {
  readonly name: string;
  readonly packages: readonly string[];
  readonly issuers: readonly string[];
  /** The trusted root as it was read. */
  readonly root: TrustedRoot;
  readonly certificateAuthorities: readonly TrustedAuthority[];
  readonly timestampAuthorities: readonly TrustedAuthority[];
  readonly transparencyLogs: readonly TrustedLog[];
  readonly certificateLogs: readonly TrustedLog[];
  /**
   * What of the trusted root is left out and why: logs and authorities with keys of a kind that is not known here, or that this
   * Node lacks. The others are as good as before.
   */
  readonly leftOut: readonly string[];

  /**
   * @param root a TrustedRoot v0.1 or v0.2: JSON text, UTF-8 bytes or the parsed value
   * @throws ERR_TRUSTED_ROOT_FORMAT, ERR_TRUST_MATERIAL, ERR_JSON
   */
  static fromTrustedRoot(root: unknown, options: TrustMaterialOptions = {}): TrustMaterial {
    return new TrustMaterial(parseTrustedRoot(root), options);
  }

  private constructor(root: TrustedRoot, options: TrustMaterialOptions) {
    this.name = options.name ?? 'trusted-root';
    this.packages = options.packages ?? [];
    this.issuers = options.issuers ?? [];
    this.root = root;
    const leftOut: string[] = [];
    const usable = <In, Out>(instances: readonly In[], what: string, make: (instance: In) => Out): Out[] =>
      instances.flatMap((instance, index) => makeUsable(instance, `${what} ${index}`, make, leftOut));
    this.leftOut = leftOut;
    this.certificateAuthorities = usable(root.certificateAuthorities, 'certificate authority', (instance) => {
      return new TrustedAuthority(instance, oids.codeSigning);
    });
    this.timestampAuthorities = usable(root.timestampAuthorities, 'timestamp authority', (instance) => {
      return new TrustedAuthority(instance, oids.timeStamping);
    });
    this.transparencyLogs = usable(root.tlogs, 'transparency log', (instance) => new TrustedLog(instance));
    this.certificateLogs = usable(root.ctlogs, 'certificate log', (instance) => new TrustedLog(instance));
  }

  /** Issuers of certificate authorities that name and key identifier of `certificate` point to. */
  issuersOf(certificate: Certificate): readonly Issuer[] {
    const found: Issuer[] = [];
    for (const authority of this.certificateAuthorities) {
      for (const issuer of authority.issuers) if (namesIssuer(certificate, issuer.certificate)) found.push(issuer);
    }
    return found;
  }

  /** Transparency logs with this id; a key may stand twice, with different validity. */
  logsById(logId: Uint8Array): readonly TrustedLog[] {
    return this.transparencyLogs.filter((log) => equalBytes(log.logId, logId));
  }

  /** Certificate logs with this id (RFC 6962 §3.2). */
  certificateLogsById(logId: Uint8Array): readonly TrustedLog[] {
    return this.certificateLogs.filter((log) => equalBytes(log.logId, logId));
  }
}

/**
 * A trusted root that names one log of a new kind must not end the trust in all others: that one is left out. Whatever is
 * malformed ends it.
 */
function makeUsable<In, Out>(instance: In, what: string, make: (instance: In) => Out, leftOut: string[]): Out[] {
  try {
    return [make(instance)];
  } catch (cause) {
    const problem = cause instanceof SignetError ? cause.message : String(cause);
    if (cause instanceof SignetError && cause.code === 'ERR_KEY_UNSUPPORTED') {
      leftOut.push(`${what}: ${problem}`);
      return [];
    }
    throw new SignetError('ERR_TRUST_MATERIAL', `trusted root: ${what} cannot be used: ${problem}`, { cause });
  }
}

/**
 * Reads trust material from a file with a TrustedRoot.
 *
 * @throws ERR_TRUST_FILE when it cannot be read, and what {@link TrustMaterial.fromTrustedRoot} throws
 */
export async function loadTrustMaterial(path: string, options: TrustMaterialOptions = {}): Promise<TrustMaterial> {
  let bytes: Uint8Array;
  try {
    const { readFile } = await import('node:fs/promises');
    bytes = await readFile(path);
  } catch (cause) {
    const problem = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new SignetError('ERR_TRUST_FILE', `the trusted root ${path} cannot be read (${problem})`, { cause });
  }
  return TrustMaterial.fromTrustedRoot(bytes, options);
}
