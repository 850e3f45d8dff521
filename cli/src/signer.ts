import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BundleSigner, SigningServices } from '@signet/client/sign';
import type { TrustMaterial } from '@signet/client/trust';
import { inert, type KeyDetails, SignetError } from '@signet/primitives/formats';
import type { Signer } from '@signet/primitives/keys';
import { type CommandContext, type Option, type OptionValues, textOption } from './command.ts';
import { passphraseFor } from './passphrase.ts';
import { namedServices, signingOptions, tokenFor } from './signing-options.ts';
import { signingTransport } from './signing-transport.ts';
import { trustFor, trustOptions } from './trust-options.ts';

/** The flag that names a lasting key. */
export const keyOption: Option = {
  type: 'string',
  argument: 'KEY',
  description: 'sign with this key, a file or pkcs11: URI, instead of an identity',
};

/** Flags of commands that sign files. */
export const fileSigningOptions = {
  ...signingOptions,
  ...trustOptions,
  key: keyOption,
  algorithm: {
    type: 'string',
    argument: 'NAME',
    description: 'of the ephemeral key: ecdsa-p256 (default), ecdsa-p384, ecdsa-p521, rsa-2048…, ed25519, ml-dsa-65',
  },
} as const satisfies Readonly<Record<string, Option>>;

/** Algorithms by the names that people know them by. */
export const algorithms: Readonly<Record<string, KeyDetails>> = {
  'ecdsa-p256': 'PKIX_ECDSA_P256_SHA_256',
  'ecdsa-p384': 'PKIX_ECDSA_P384_SHA_384',
  'ecdsa-p521': 'PKIX_ECDSA_P521_SHA_512',
  'rsa-2048': 'PKIX_RSA_PKCS1V15_2048_SHA256',
  'rsa-3072': 'PKIX_RSA_PKCS1V15_3072_SHA256',
  'rsa-4096': 'PKIX_RSA_PKCS1V15_4096_SHA256',
  ed25519: 'PKIX_ED25519',
  'ml-dsa-44': 'ML_DSA_44',
  'ml-dsa-65': 'ML_DSA_65',
  'ml-dsa-87': 'ML_DSA_87',
};

/** @throws ERR_USAGE */
export function algorithmOption(values: OptionValues): KeyDetails | undefined {
  const name = textOption(values, 'algorithm');
  if (name === undefined) return undefined;
  const details = Object.hasOwn(algorithms, name) ? algorithms[name] : undefined;
  if (details !== undefined) return details;
  throw new SignetError('ERR_USAGE', '--algorithm is unknown', {
    expected: Object.keys(algorithms).join(', '),
    found: inert(name),
  });
}

/** What signs, and whom its bundles name. */
export interface OpenedSigner {
  readonly signer: BundleSigner;
  /** An identity, or the hint of a key. */
  readonly who: { readonly issuer: string; readonly subject: string } | { readonly key: string };
}

/**
 * Opens what a command signs with: the key that `--key` names, or an ephemeral one with a certificate for the identity.
 *
 * @param kind what will be signed, so that an algorithm whose signatures no log takes is refused before a certificate is asked for
 * @throws ERR_USAGE when nothing says where, ERR_KEY_…, and what obtaining an identity and a certificate throws
 */
export async function openBundleSigner(
  context: CommandContext,
  values: OptionValues,
  kind: 'message' | 'dsse',
): Promise<OpenedSigner> {
  if (context.offline) throw new SignetError('ERR_OFFLINE', 'signing needs the network; run it without --offline');
  const trust = await trustFor(context, values);
  const keyDetails = algorithmOption(values);
  const { assertLoggable, keyHint, keySigner, SigningSession, tokenRequirements } = await import('@signet/client/sign');
  if (keyDetails !== undefined) assertLoggable(keyDetails, kind);
  const { services, login } = await findServices(context, values, trust);
  const onStep = (step: string) => context.progress(`waiting for: ${step}`);
  const http = await signingTransport(context);
  const keyFile = textOption(values, 'key');
  if (keyFile !== undefined) {
    const key = await openPrivateKey(context, keyFile);
    assertLoggable(key.keyDetails, kind);
    const signer = keySigner({ signer: key, services, trust, onStep, http: { ...http, signal: context.signal } });
    return { signer, who: { key: keyHint(key) } };
  }
  context.progress('waiting for the identity token');
  const wanted = await tokenRequirements(services.caUrl, login, { ...http, signal: context.signal });
  const { token } = await tokenFor(context, values, wanted);
  const session = await SigningSession.open({
    identityToken: token,
    services,
    requirements: wanted,
    trust,
    ...(keyDetails === undefined ? {} : { keyDetails }),
    signal: context.signal,
    http,
    onStep,
  });
  return { signer: session, who: session.identity };
}

/**
 * The signer of a key: a `pkcs11:` URI, or a file (also as `file:` URL), which is Signet's own, or names a program or a device, or
 * holds a private key in PEM, cosign's included.
 *
 * @throws ERR_USAGE for a URI that cannot be read, ERR_KEY_FILE, ERR_KEY_SIGNER, ERR_KEY_UNSUPPORTED
 */
export async function openPrivateKey(context: CommandContext, file: string): Promise<Signer> {
  if (file.startsWith('pkcs11:')) {
    const [{ pkcs11KeyOf }, { pkcs11Signer }] = await Promise.all([
      import('./key-uri.ts'),
      import('@signet/primitives/keys'),
    ]);
    return await pkcs11Signer(await pkcs11KeyOf(file, context.cwd, algorithms));
  }
  const path = /^file:\/\//.test(file) ? fileURLToPath(file) : resolve(context.cwd, file);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SignetError('ERR_KEY_FILE', `the private key ${inert(file)} cannot be read`, { cause });
  });
  const { openSigner, signerFromPrivateKey } = await import('@signet/primitives/keys');
  const passphrase = await passphraseFor(context, file, text);
  const options = passphrase === undefined ? {} : { passphrase };
  if (!text.includes('-----BEGIN') || text.trimStart().startsWith('{')) return await openSigner(path, options);
  const { readPrivateKeyPem } = await import('@signet/client/sign');
  return signerFromPrivateKey(await readPrivateKeyPem(text, options));
}

async function findServices(
  context: CommandContext,
  values: OptionValues,
  trust: TrustMaterial,
): Promise<{ services: SigningServices; login?: { issuer: string; clientId?: string } }> {
  const named = await namedServices(context, values);
  if (named !== undefined) return { services: named };
  if (context.registry === undefined) {
    throw new SignetError(
      'ERR_USAGE',
      'name the services: --registry URL, --signing-config FILE, or --ca-url, --tsa-url and --log-url',
      { found: textOption(values, 'issuer') === undefined ? 'none' : 'only an identity provider' },
    );
  }
  const { assertNamedByTrust, describeInstance } = await import('@signet/client/sign');
  const { services, login } = await describeInstance(context.registry, {
    ...(await signingTransport(context)),
    signal: context.signal,
  });
  assertNamedByTrust(services, trust);
  return { services, ...(login === undefined ? {} : { login }) };
}
