import {
  bundleToJson,
  Certificate,
  type ErrorCode,
  isBundle,
  parseStatement,
  SignetError,
  trustedRootToJson,
} from '@signet/primitives/formats';
import type { TrustMaterialOptions } from '../trust/index.ts';
// By the room's index, so that what is built keeps the room in one file.
import { decidedByPolicy } from './index.ts';
import type { ExpectedIdentity, ExpectedKey, VerifyOptions } from './options.ts';
import type { CertificateSigner, VerifiedBundle } from './verified-bundle.ts';
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
}

export interface WorkerTask {
  readonly id: number;
  readonly bundle: unknown;
  readonly options: PlainOptions;
}

/** What is verified, without what the other thread can read again from bytes: certificates and statements are not copied. */
export interface PlainVerified extends Omit<VerifiedBundle, 'signer' | 'statement'> {
  readonly signer:
    | Exclude<VerifiedBundle['signer'], CertificateSigner>
    | (Omit<CertificateSigner, 'certificate'> & { readonly certificate: Uint8Array });
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

export function startOf({ trust }: VerifyOptions): WorkerStart {
  const { name, packages, issuers } = trust;
  return { trustedRoot: trustedRootToJson(trust.root), trustOptions: { name, packages, issuers } };
}

export function taskOf(id: number, common: VerifyOptions, request: VerificationRequest): WorkerTask {
  const { bundle, ...own } = request;
  const { trust: _, identities, key, ...rest } = { ...common, ...own };
  return {
    id,
    bundle: isBundle(bundle) ? bundleToJson(bundle) : bundle,
    options: {
      ...rest,
      isDecidedByPolicy: identities === decidedByPolicy,
      ...(identities === undefined || identities === decidedByPolicy ? {} : { identities }),
      ...(key === undefined ? {} : { key: { ...key, publicKey: spkiOf(key.publicKey) } }),
    },
  };
}

function spkiOf(publicKey: ExpectedKey['publicKey']): Uint8Array {
  if (publicKey instanceof Uint8Array) return publicKey;
  return 'spki' in publicKey ? publicKey.spki : publicKey.info.spki;
}

export function optionsOf({ isDecidedByPolicy, ...options }: PlainOptions): Omit<VerifyOptions, 'trust'> {
  return isDecidedByPolicy ? { ...options, identities: decidedByPolicy } : options;
}

export function plainVerified({ statement: _, signer, ...rest }: VerifiedBundle): PlainVerified {
  if (signer.kind === 'key') return { ...rest, signer };
  return { ...rest, signer: { ...signer, certificate: signer.certificate.bytes } };
}

/** What the worker verified, whole again. Certificate and statement are read from their bytes when somebody asks. */
export function revive({ signer, ...rest }: PlainVerified): VerifiedBundle {
  const { envelope } = rest;
  const verified = { ...rest, signer: signer.kind === 'key' ? signer : reviveSigner(signer) };
  return envelope === undefined ? verified : lazily(verified, 'statement', () => parseStatement(envelope.payload));
}

function reviveSigner({
  certificate,
  ...signer
}: Extract<PlainVerified['signer'], { kind: 'certificate' }>): CertificateSigner {
  return lazily(signer, 'certificate', () => Certificate.parse(certificate));
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
