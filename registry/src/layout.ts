import { join } from 'node:path';

/** Where everything of one instance lies below its data directory. */
export interface InstanceLayout {
  readonly directory: string;
  /** For people: the instance, the issuers its authority trusts, who may publish what. */
  readonly instanceFile: string;
  readonly issuersFile: string;
  readonly policyFile: string;
  /** Private keys, mode 0600 in a directory of mode 0700. */
  readonly keys: {
    readonly directory: string;
    readonly caRoot: string;
    readonly caIntermediate: string;
    readonly certificateLog: string;
    readonly log: string;
    readonly logV1: string;
    readonly timestampRoot: string;
    readonly timestamp: string;
    /** Signs root and targets of the trust root, unless the instance was made with keys elsewhere. */
    readonly tufRoot: string;
    /** Signs its snapshot and timestamp. */
    readonly tufOnline: string;
  };
  readonly certificates: {
    readonly directory: string;
    readonly ca: string;
    readonly timestamp: string;
  };
  /** What clients need in order to trust the instance and to find its services. */
  readonly trust: {
    readonly directory: string;
    readonly trustedRoot: string;
    readonly signingConfig: string;
    readonly clientTrustConfig: string;
  };
  /** The trust root as clients fetch it: a TUF repository. */
  readonly tuf: {
    readonly directory: string;
    /** A change that waits for signatures. */
    readonly proposal: string;
    /** A signed change that the running instance takes up. */
    readonly incoming: string;
  };
  readonly logDirectory: string;
  readonly logV1Directory: string;
  readonly certificateLogDirectory: string;
  readonly registry: {
    readonly directory: string;
    readonly storage: string;
    readonly users: string;
    /** Every accepted and refused publish, one line each. */
    readonly auditLog: string;
  };
  readonly development: { readonly directory: string; readonly identityKeys: string };
  readonly state: {
    readonly directory: string;
    readonly format: string;
    readonly lock: string;
    /** Exists while the instance runs, and after a crash. */
    readonly running: string;
    /** Which key and certificate of each service is in use. */
    readonly generations: string;
    /** Tokens that may be used once and were. */
    readonly usedTokens: string;
    /** Who got certificates, and when last. */
    readonly issued: string;
  };
}

/** The layout (format 1) of the data directory `directory`, an absolute path. */
export function instanceLayout(directory: string): InstanceLayout {
  const at = (...parts: string[]) => join(directory, ...parts);
  return {
    directory,
    instanceFile: at('instance.yaml'),
    issuersFile: at('issuers.yaml'),
    policyFile: at('trust-policy.yaml'),
    keys: {
      directory: at('keys'),
      caRoot: at('keys', 'ca-root.key'),
      caIntermediate: at('keys', 'ca-intermediate.key'),
      certificateLog: at('keys', 'ct.key'),
      log: at('keys', 'log.key'),
      logV1: at('keys', 'log-v1.key'),
      timestampRoot: at('keys', 'tsa-root.key'),
      timestamp: at('keys', 'tsa.key'),
      tufRoot: at('keys', 'tuf-root.key'),
      tufOnline: at('keys', 'tuf-online.key'),
    },
    certificates: {
      directory: at('certificates'),
      ca: at('certificates', 'ca.pem'),
      timestamp: at('certificates', 'tsa.pem'),
    },
    trust: {
      directory: at('trust'),
      trustedRoot: at('trust', 'trusted_root.json'),
      signingConfig: at('trust', 'signing_config.v0.2.json'),
      clientTrustConfig: at('trust', 'client_trust_config.json'),
    },
    tuf: { directory: at('tuf'), proposal: at('tuf', 'proposal'), incoming: at('tuf', 'incoming') },
    logDirectory: at('log'),
    logV1Directory: at('log-v1'),
    certificateLogDirectory: at('ct'),
    registry: {
      directory: at('registry'),
      storage: at('registry', 'storage'),
      users: at('registry', 'htpasswd'),
      auditLog: at('registry', 'audit.jsonl'),
    },
    development: { directory: at('development'), identityKeys: at('development', 'oidc-keys.json') },
    state: {
      directory: at('state'),
      format: at('state', 'format.json'),
      lock: at('state', 'lock.sqlite'),
      running: at('state', 'running.json'),
      generations: at('state', 'generations.json'),
      usedTokens: at('state', 'used-tokens.sqlite'),
      issued: at('state', 'issued.sqlite'),
    },
  };
}
