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
    readonly timestampRoot: string;
    readonly timestamp: string;
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
  readonly logDirectory: string;
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
      timestampRoot: at('keys', 'tsa-root.key'),
      timestamp: at('keys', 'tsa.key'),
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
    logDirectory: at('log'),
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
    },
  };
}
