import { existsSync, readFileSync } from 'node:fs';
import { type ArtifactInput, TrustMaterial, type VerifiedBundle, verifyBundle } from '@signet/client/verify';
import { fromHex, parsePem, SignetError } from '@signet/primitives/formats';

/** Arguments of `verify-bundle` in the official conformance protocol. */
export interface VerifyBundleArguments {
  readonly bundle: string;
  readonly trustedRoot: string;
  readonly identity?: string;
  readonly issuer?: string;
  /** PEM file of a public key. */
  readonly key?: string;
  /** A file, or `sha256:<hex>`. */
  readonly artifact: string;
}

/** Runs `verify-bundle`. @throws SignetError when the bundle does not verify */
export function runVerifyBundle(options: VerifyBundleArguments): VerifiedBundle {
  const trust = TrustMaterial.fromTrustedRoot(readFileSync(options.trustedRoot));
  const bundle = readFileSync(options.bundle);
  const artifact = readArtifact(options.artifact);
  if (options.key !== undefined) {
    const [block] = parsePem(readFileSync(options.key, 'utf8'), 'key');
    if (block?.label !== 'PUBLIC KEY') throw new SignetError('ERR_KEY_UNSUPPORTED', 'the key file is not a public key');
    return verifyBundle(bundle, { trust, artifact, key: { publicKey: block.bytes } });
  }
  const { issuer, identity } = options;
  const identities = issuer === undefined || identity === undefined ? [] : [{ issuer, subject: identity }];
  return verifyBundle(bundle, { trust, artifact, identities });
}

function readArtifact(text: string): ArtifactInput {
  const match = /^(sha256|sha384|sha512):([0-9a-fA-F]+)$/.exec(text);
  if (match === null || existsSync(text)) return readFileSync(text);
  return { algorithm: match[1] as 'sha256' | 'sha384' | 'sha512', digest: fromHex(match[2] ?? '', 'artifact digest') };
}
