import {
  describeValue,
  type ErrorCode,
  isKeyDetails,
  type KeyDetails,
  parseJson,
  SignetError,
} from '@signet/primitives/formats';
import { isObject, type JsonObject, textMember } from '../http/index.ts';
import { assertPackageVersion, parseIntegrity } from '../npm/index.ts';
import type { CertificateIdentity, SigningServices } from '../sign/index.ts';
import { type UploadWay, uploadWays } from './upload-way.ts';

/**
 * Everything that is needed to finish a publish once something is signed. From there on nothing is made anew that need not
 * be: a publish that stops is taken up again with the same bytes, the same certificate while it serves, and the same log
 * entry. All of it is public or about to be; it holds no token and no key.
 */
export interface PublishJob {
  readonly format: 3;
  readonly name: string;
  readonly version: string;
  /** sha512 of the tarball. */
  readonly integrity: string;
  readonly registry: string;
  readonly tag: string;
  readonly access?: 'public' | 'restricted';
  /** The package's folder, seen from the project, whose scripts `publish` and `postpublish` run in the end; none for a tarball. */
  readonly folder?: string;
  /** package.json as it shall stand in the registry. */
  readonly manifest: JsonObject;
  readonly services: SigningServices;
  /** How bundle and version are sent. */
  readonly upload: UploadWay;
  /** Whether the registry named the services, so that the trusted root must know them. */
  readonly servicesFromRegistry: boolean;
  /** Whom the bundles name, and where the token for it came from; absent where a lasting key signs. */
  readonly identity?: CertificateIdentity;
  readonly identitySource?: string;
  /** The lasting key that signs, instead of an identity. */
  readonly key?: JobKey;
  /** The registry's user at the preflight. */
  readonly user?: string;
  /** Sigstore bundles v0.3, the provenance first: signed, perhaps timestamped, perhaps logged. */
  readonly bundles: readonly JsonObject[];
}

/** A public key, as a job keeps it. */
export interface JobKey {
  /** How the bundles name it. */
  readonly hint: string;
  /** DER of SubjectPublicKeyInfo, base64. */
  readonly publicKey: string;
  readonly keyDetails: KeyDetails;
}

/** The JSON text of a job. */
export function publishJobToText(job: PublishJob): string {
  return `${JSON.stringify(job)}\n`;
}

/**
 * Reads a job back. The file may have been changed by anybody who can write to the project: whatever is in it is verified
 * again before it is used, and the bundle decides what is signed.
 *
 * @throws ERR_CONFIGURATION
 */
export function parsePublishJob(text: string, path: string): PublishJob {
  const value = parseJson(text, path);
  if (!isObject(value)) throw broken(path, 'it is not a JSON object');
  if (value.format !== 1 && value.format !== 2 && value.format !== 3) {
    throw broken(path, 'it was written by another version of signet', {
      expected: 'format 1, 2 or 3',
      found: `format ${describeValue(value.format)}`,
    });
  }
  const { access, manifest, services } = value;
  // The first format had one bundle.
  const bundles = value.format === 1 ? [value.bundle] : value.bundles;
  const name = required(value, 'name', path);
  const version = required(value, 'version', path);
  const integrity = required(value, 'integrity', path);
  assertPackageVersion(name, version);
  parseIntegrity(integrity);
  if (!isObject(manifest) || !isObject(services) || !areBundles(bundles)) {
    throw broken(path, 'manifest, services or bundles are missing');
  }
  if (access !== undefined && access !== 'public' && access !== 'restricted') throw broken(path, 'access is unknown');
  const user = textMember(value, 'user');
  // The formats before knew one way.
  const upload = uploadWays.find((way) => way === (value.upload ?? 'document'));
  if (upload === undefined) throw broken(path, 'how it is sent is unknown');
  return {
    format: 3,
    name,
    version,
    integrity,
    registry: required(value, 'registry', path),
    tag: required(value, 'tag', path),
    ...(access === undefined ? {} : { access }),
    ...(typeof value.folder === 'string' ? { folder: value.folder } : {}),
    manifest,
    services: {
      caUrl: required(services, 'caUrl', path),
      tsaUrls: texts(services.tsaUrls, path),
      logUrls: texts(services.logUrls, path),
      ...(services.rekorVersion === 1 ? { rekorVersion: 1 } : {}),
    },
    upload,
    servicesFromRegistry: value.servicesFromRegistry !== false,
    ...signerOf(value, path),
    ...(user === undefined ? {} : { user }),
    bundles,
  };
}

/** Exactly one of an identity and a key. */
function signerOf(value: JsonObject, path: string): Pick<PublishJob, 'identity' | 'identitySource' | 'key'> {
  const { identity, key } = value;
  if (isObject(identity) && key === undefined) {
    return {
      identity: { issuer: required(identity, 'issuer', path), subject: required(identity, 'subject', path) },
      identitySource: required(value, 'identitySource', path),
    };
  }
  if (!isObject(key) || identity !== undefined) throw broken(path, 'it names no signer, or two');
  const keyDetails = required(key, 'keyDetails', path);
  if (!isKeyDetails(keyDetails)) throw broken(path, 'the key has an unknown algorithm');
  return { key: { hint: required(key, 'hint', path), publicKey: required(key, 'publicKey', path), keyDetails } };
}

function areBundles(value: unknown): value is readonly JsonObject[] {
  return Array.isArray(value) && value.length > 0 && value.length <= 8 && value.every(isObject);
}

/** Errors after which the same job can succeed later, as it is or with another credential. */
const resumable: ReadonlySet<ErrorCode> = new Set([
  'ERR_NETWORK',
  'ERR_NETWORK_TIMEOUT',
  'ERR_HTTP_STATUS',
  'ERR_HTTP_REDIRECT',
  'ERR_REGISTRY_OTP',
  'ERR_REGISTRY_CREDENTIALS',
] as const);

/** Refusals that stand however often the same job is sent: the identity, the name or the version must be another. */
const final: ReadonlySet<ErrorCode> = new Set([
  'ERR_TSA_REFUSED',
  'ERR_LOG_REFUSED',
  'ERR_REGISTRY_REFUSED',
  'ERR_VERSION_EXISTS',
] as const);

/** Whether a publish that stopped so is over: there is nothing to resume, and the next one begins anew. */
export function isFinal(thrown: unknown): boolean {
  return thrown instanceof SignetError && final.has(thrown.code);
}

/**
 * How a publish ends that stops after something was signed and is not over ({@link isFinal}): as unfinished where trying again
 * is enough, and else with its own error. Either way the job is kept, and the sentence says how to go on.
 */
export function unfinished(thrown: unknown, path: string, interrupted: boolean): unknown {
  const advice = `what is signed is kept in ${path}; signet publish --resume goes on from there`;
  if (interrupted) return new SignetError('ERR_PUBLISH_UNFINISHED', `interrupted; ${advice}`, { cause: thrown });
  if (!(thrown instanceof SignetError)) return thrown;
  if (resumable.has(thrown.code)) {
    return new SignetError('ERR_PUBLISH_UNFINISHED', `the publish is unfinished: ${thrown.message}; ${advice}`, {
      cause: thrown,
    });
  }
  const { expected, found } = thrown;
  return new SignetError(thrown.code, `${thrown.message} (${advice})`, {
    cause: thrown.cause,
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
  });
}

function required(object: JsonObject, name: string, path: string): string {
  const value = textMember(object, name);
  if (value === undefined) throw broken(path, `${name} is missing`);
  return value;
}

function texts(value: unknown, path: string): readonly string[] {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
  throw broken(path, 'a list of services is malformed');
}

function broken(path: string, problem: string, details: { expected?: string; found?: string } = {}): SignetError {
  return new SignetError(
    'ERR_CONFIGURATION',
    `the unfinished publish ${path} cannot be used: ${problem}; delete it to begin anew`,
    details,
  );
}
