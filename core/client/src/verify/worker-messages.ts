import {
  bundleToJson,
  Certificate,
  type ErrorCode,
  envelopeToJson,
  fromBase64,
  isBundle,
  parseEnvelope,
  parsePublicKeyInfo,
  parseStatement,
  SignetError,
  toBase64,
  trustedRootToJson,
} from '@signet/primitives/formats';
import type { TrustMaterialOptions } from '../trust/index.ts';
// By the room's index, so that what is built keeps the room in one file.
import { decidedByPolicy } from './index.ts';
import type { ExpectedIdentity, ExpectedKey, VerifyOptions } from './options.ts';
import type { CertificateSigner, VerifiedBundle, VerifiedLogEntry, VerifiedTimestamp } from './verified-bundle.ts';
import type { VerificationRequest } from './verify-all.ts';

/** Options without what a message between threads cannot hold: imported keys and the symbol {@link decidedByPolicy}. */
export interface PlainOptions extends Omit<VerifyOptions, 'trust' | 'identities' | 'key'> {
  readonly identities?: readonly ExpectedIdentity[];
  readonly isDecidedByPolicy: boolean;
  readonly key?: Omit<ExpectedKey, 'publicKey'> & { readonly publicKey: Uint8Array };
}

/** What a worker is started with. */
export interface WorkerStart {
  readonly trustedRoot: unknown;
  readonly trustOptions: TrustMaterialOptions;
  readonly common: PlainOptions;
}

export interface WorkerTask {
  readonly id: number;
  readonly bundle: unknown;
  /** Only where the request has options of its own. */
  readonly options?: PlainOptions;
}

/**
 * What is verified, without what the other thread can read again from bytes: certificate and statement. Bytes are base64, because with
 * an array all of the memory would be copied that it shares with others (`allocate`).
 */
export interface PlainVerified {
  readonly signer:
    | (Omit<CertificateSigner, 'kind' | 'certificate'> & { readonly certificate: string })
    | { readonly spki: string; readonly hint: string };
  readonly envelope?: ReturnType<typeof envelopeToJson>;
  readonly signature?: string;
  readonly timestamps: readonly (Omit<VerifiedTimestamp, 'time'> & { readonly time: number })[];
  readonly logEntries: readonly PlainLogEntry[];
  readonly trustRoot: string;
  readonly checks: readonly string[];
}

interface PlainLogEntry extends Omit<VerifiedLogEntry, 'logId' | 'index' | 'integratedTime' | 'cosignatures'> {
  readonly logId: string;
  readonly index: string;
  readonly integratedTime?: number;
  readonly cosignatures?: readonly { readonly witness: string; readonly time?: number }[];
}

export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: { readonly expected?: string; readonly found?: string; readonly cause?: string };
}

export type WorkerAnswer =
  | { readonly id: number; readonly verified: PlainVerified }
  | { readonly id: number; readonly refused: PlainError }
  | { readonly id: number; readonly fault: string };

/** @param options what the requests have in common */
export function startOf(options: VerifyOptions): WorkerStart {
  const { name, packages, issuers } = options.trust;
  return {
    trustedRoot: trustedRootToJson(options.trust.root),
    trustOptions: { name, packages, issuers },
    common: plainOptions(options),
  };
}

export function taskOf(id: number, common: VerifyOptions, request: VerificationRequest): WorkerTask {
  const { bundle, ...own } = request;
  const task = { id, bundle: isBundle(bundle) ? bundleToJson(bundle) : bundle };
  return Object.keys(own).length === 0 ? task : { ...task, options: plainOptions({ ...common, ...own }) };
}

function plainOptions({ trust: _, identities, key, ...rest }: VerifyOptions): PlainOptions {
  return {
    ...rest,
    isDecidedByPolicy: identities === decidedByPolicy,
    ...(identities === undefined || identities === decidedByPolicy ? {} : { identities }),
    ...(key === undefined ? {} : { key: { ...key, publicKey: spkiOf(key.publicKey) } }),
  };
}

function spkiOf(publicKey: ExpectedKey['publicKey']): Uint8Array {
  if (publicKey instanceof Uint8Array) return publicKey;
  return 'spki' in publicKey ? publicKey.spki : publicKey.info.spki;
}

export function optionsOf({ isDecidedByPolicy, ...options }: PlainOptions): Omit<VerifyOptions, 'trust'> {
  return isDecidedByPolicy ? { ...options, identities: decidedByPolicy } : options;
}

export function plainVerified(verified: VerifiedBundle): PlainVerified {
  const { signer, envelope, message, timestamps, logEntries, trustRoot, checks } = verified;
  return {
    signer:
      signer.kind === 'key'
        ? { spki: toBase64(signer.publicKey.spki), hint: signer.hint }
        : {
            issuer: signer.issuer,
            subject: signer.subject,
            claims: signer.claims,
            certificate: toBase64(signer.certificate.bytes),
          },
    ...(envelope === undefined ? {} : { envelope: envelopeToJson(envelope) }),
    ...(message === undefined ? {} : { signature: toBase64(message.signature) }),
    timestamps: timestamps.map(({ source, time, authority }) => ({ source, time: time.getTime(), authority })),
    logEntries: logEntries.map(plainLogEntry),
    trustRoot,
    checks,
  };
}

function plainLogEntry({ logId, index, integratedTime, cosignatures, ...entry }: VerifiedLogEntry): PlainLogEntry {
  return {
    ...entry,
    logId: toBase64(logId),
    index: String(index),
    ...(integratedTime === undefined ? {} : { integratedTime: integratedTime.getTime() }),
    ...(cosignatures === undefined
      ? {}
      : {
          cosignatures: cosignatures.map(({ witness, time }) => ({ witness, ...(time && { time: time.getTime() }) })),
        }),
  };
}

/** What the worker verified, whole again. What is read from bytes is read when somebody asks. */
export function revive({
  signer,
  envelope,
  signature,
  timestamps,
  logEntries,
  ...rest
}: PlainVerified): VerifiedBundle {
  const verified = {
    ...rest,
    signer: reviveSigner(signer),
    timestamps: timestamps.map(({ time, ...stamp }) => ({ ...stamp, time: new Date(time) })),
    logEntries: logEntries.map(reviveLogEntry),
    ...(signature === undefined ? {} : { message: { signature: fromBase64(signature) } }),
  };
  if (envelope === undefined) return verified;
  const withEnvelope = lazily(verified, 'envelope', () => parseEnvelope(envelope));
  return lazily(withEnvelope, 'statement', () => parseStatement(withEnvelope.envelope.payload));
}

function reviveLogEntry({ logId, index, integratedTime, cosignatures, ...entry }: PlainLogEntry): VerifiedLogEntry {
  return {
    ...entry,
    logId: fromBase64(logId),
    index: BigInt(index),
    ...(integratedTime === undefined ? {} : { integratedTime: new Date(integratedTime) }),
    ...(cosignatures === undefined
      ? {}
      : {
          cosignatures: cosignatures.map(({ witness, time }) =>
            time === undefined ? { witness } : { witness, time: new Date(time) },
          ),
        }),
  };
}

function reviveSigner(signer: PlainVerified['signer']): VerifiedBundle['signer'] {
  if ('spki' in signer) {
    return { kind: 'key', publicKey: parsePublicKeyInfo(fromBase64(signer.spki)), hint: signer.hint };
  }
  const { certificate, ...who } = signer;
  return lazily({ kind: 'certificate', ...who } as const, 'certificate', () =>
    Certificate.parse(fromBase64(certificate)),
  );
}

function lazily<Base extends object, Key extends string, Value>(
  base: Base,
  key: Key,
  read: () => Value,
): Base & { readonly [Name in Key]: Value } {
  let known: { readonly value: Value } | undefined;
  const get = (): Value => {
    known ??= { value: read() };
    return known.value;
  };
  return Object.defineProperty(base, key, { get, enumerable: true, configurable: true }) as Base & {
    readonly [Name in Key]: Value;
  };
}

export function plainError({ code, message, expected, found, cause }: SignetError): PlainError {
  return {
    code,
    message,
    details: {
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
      ...(cause === undefined ? {} : { cause: cause instanceof Error ? cause.message : String(cause) }),
    },
  };
}

export function reviveError({ code, message, details: { cause, ...details } }: PlainError): SignetError {
  return new SignetError(code, message, cause === undefined ? details : { ...details, cause: new Error(cause) });
}
