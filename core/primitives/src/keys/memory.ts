import {
  constants,
  createHash,
  createPublicKey,
  createSign,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import {
  defaultKeyDetails,
  type KeyDetails,
  keyDetailsHash,
  keyMatchesDetails,
  parsePublicKeyInfo,
  SignetError,
} from '../formats/index.ts';
import type { Signer } from './signer.ts';

/** Where signatures are made. */
export interface SigningPlace {
  /**
   * Always on another thread, for a server whose one thread has other requests to answer. Otherwise only signatures that take
   * longer than the way there and back: a fast one alone is sooner done at once.
   */
  readonly aside?: boolean;
}

/**
 * A signer over a private key of this process.
 *
 * @param keyDetails by default the registry's algorithm for the key's kind and size
 * @throws ERR_KEY_UNSUPPORTED when the algorithm is not for the key
 */
export function signerFromPrivateKey(
  privateKey: KeyObject,
  keyDetails?: KeyDetails,
  { aside = false }: SigningPlace = {},
): Signer {
  const publicKey = parsePublicKeyInfo(
    new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' })),
  );
  const details = keyDetails ?? defaultKeyDetails(publicKey);
  if (!keyMatchesDetails(publicKey, details)) {
    throw new SignetError('ERR_KEY_UNSUPPORTED', `the algorithm ${details} is not for this private key`);
  }
  if (details === 'PKIX_ED25519_PH') {
    throw new SignetError('ERR_KEY_UNSUPPORTED', 'Ed25519ph is verified but not signed with; use PKIX_ED25519');
  }
  const hash = keyDetailsHash(details) ?? null;
  const key = details.startsWith('PKIX_RSA_PSS')
    ? { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : privateKey;
  // A signature of a large key takes up to a millisecond, which other requests need not wait for; for the fast ones the way to
  // another thread and back costs more than the signature.
  const fast = !aside && (details === 'PKIX_ECDSA_P256_SHA_256' || details === 'PKIX_ED25519');
  return {
    publicKey,
    keyDetails: details,
    ...(hash === null ? {} : { signStream: (message: AsyncIterable<Uint8Array>) => signStream(message, hash, key) }),
    sign: fast
      ? async (message) => new Uint8Array(sign(hash, message, key))
      : (message) =>
          new Promise((resolve, reject) => {
            sign(hash, message, key, (error, signature) => {
              if (error === null) resolve(new Uint8Array(signature));
              else reject(error);
            });
          }),
  };
}

/** Node has ML-DSA (FIPS 204) where its OpenSSL has, which is from Node 24.6 on. */
function mlDsa(keyDetails: 'ML_DSA_44' | 'ML_DSA_65' | 'ML_DSA_87'): KeyObject {
  const name = keyDetails.toLowerCase().replaceAll('_', '-');
  // Node's types know it from another version on than Node itself.
  const generate = generateKeyPairSync as unknown as (type: string) => { readonly privateKey: KeyObject };
  try {
    return generate(name).privateKey;
  } catch (cause) {
    throw new SignetError(
      'ERR_KEY_UNSUPPORTED',
      `this Node (${process.version}) makes no ${name} keys; use Node 24.6 or later`,
      {
        cause,
      },
    );
  }
}

async function signStream(
  message: AsyncIterable<Uint8Array>,
  hash: string,
  key: Parameters<ReturnType<typeof createSign>['sign']>[0],
): Promise<{ signature: Uint8Array; digest: Uint8Array }> {
  const [signing, hashing] = [createSign(hash), createHash(hash)];
  for await (const chunk of message) {
    signing.update(chunk);
    hashing.update(chunk);
  }
  return { signature: new Uint8Array(signing.sign(key)), digest: new Uint8Array(hashing.digest()) };
}

/** A fresh private key for the algorithm `keyDetails`. @throws ERR_KEY_UNSUPPORTED when this Node cannot make one */
export function generatePrivateKey(keyDetails: KeyDetails): KeyObject {
  const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey;
  switch (keyDetails) {
    case 'PKIX_ECDSA_P256_SHA_256':
      return ec('P-256');
    case 'PKIX_ECDSA_P384_SHA_384':
      return ec('P-384');
    case 'PKIX_ECDSA_P521_SHA_512':
      return ec('P-521');
    case 'PKIX_ED25519':
      return generateKeyPairSync('ed25519').privateKey;
    case 'ML_DSA_44':
    case 'ML_DSA_65':
    case 'ML_DSA_87':
      return mlDsa(keyDetails);
    default: {
      const rsa = /^PKIX_RSA_(?:PKCS1V15|PSS)_(\d+)_SHA256$/.exec(keyDetails);
      if (rsa !== null) return generateKeyPairSync('rsa', { modulusLength: Number(rsa[1]) }).privateKey;
      throw new SignetError('ERR_KEY_UNSUPPORTED', `keys for ${keyDetails} are not made here`);
    }
  }
}

/** A signer with a fresh private key that exists in this process alone. @throws ERR_KEY_UNSUPPORTED */
export function generateSigner(keyDetails: KeyDetails = 'PKIX_ECDSA_P256_SHA_256', place: SigningPlace = {}): Signer {
  return signerFromPrivateKey(generatePrivateKey(keyDetails), keyDetails, place);
}
