import { existsSync, readFileSync } from 'node:fs';
import { type ArtifactInput, TrustMaterial, type VerifiedBundle, verifyBundle } from '@signet/client/verify';
import { fromHex, parsePem, SignetError } from '@signet/primitives/formats';

/** Arguments of `verify-bundle` in the official conformance protocol. */
export interface VerifyBundleArguments {
  readonly bundle: string;
  /** A file, or the bytes of one. */
  readonly trustedRoot: string | Uint8Array;
  readonly identity?: string;
  readonly issuer?: string;
  /** PEM file of a public key. */
  readonly key?: string;
  /** A file, or `sha256:<hex>`. */
  readonly artifact: string;
}

/** Runs `verify-bundle`. @throws SignetError when the bundle does not verify */
export function runVerifyBundle(options: VerifyBundleArguments): VerifiedBundle {
  const { trustedRoot } = options;
  const root = typeof trustedRoot === 'string' ? readFileSync(trustedRoot) : trustedRoot;
  const trust = TrustMaterial.fromTrustedRoot(root);
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

const hexLengths = { sha256: 64, sha384: 96, sha512: 128 } as const;

/** A digest has the length of one and is no file's name; everything else is a path. */
function readArtifact(text: string): ArtifactInput {
  const [, name = '', hex = ''] = /^(sha256|sha384|sha512):([0-9a-fA-F]+)$/.exec(text) ?? [];
  const algorithm = name as keyof typeof hexLengths;
  if (hex === '' || hex.length !== hexLengths[algorithm] || existsSync(text)) return readFileSync(text);
  return { algorithm, digest: fromHex(hex, 'artifact digest') };
}
