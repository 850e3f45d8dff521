import { digest, digestStream, type SignedContent } from '../crypto/index.ts';
import {
  der,
  fromHex,
  type KeyDetails,
  keyDetailsHash,
  keyMatchesDetails,
  oids,
  type PublicKeyInfo,
  parseDer,
  parsePublicKeyInfo,
  SignetError,
} from '../formats/index.ts';
import { type Attribute, cryptoki, loadPkcs11, type Pkcs11 } from './pkcs11-module.ts';
import type { Signer } from './signer.ts';
import { checkedSignature, ecdsaFromRaw, signerFailure } from './signer-answer.ts';

/** A private key on a token. */
export interface Pkcs11Key {
  /** The shared object of the device's vendor. */
  readonly module: string;
  /** Label of the token. */
  readonly token: string;
  /** Label of the key pair; with `id` or instead of it. */
  readonly label?: string;
  /** CKA_ID, hexadecimal. */
  readonly id?: string;
  readonly pin?: string;
  readonly keyDetails: KeyDetails;
  /** Default: as the token says. */
  readonly publicKey?: PublicKeyInfo;
}

/** A session signs one thing at a time; devices are often faster with several. */
const sessionsAtOnce = 4;
const rsaPkcs1 = /^PKIX_RSA_PKCS1V15_\d+_SHA256$/;

/**
 * A signer over a key that never leaves its device (PKCS #11 v2.40, by the optional peer pkcs11js). Every signature is verified
 * before it is used.
 *
 * @throws ERR_KEY_SIGNER, ERR_KEY_UNSUPPORTED; `sign` throws ERR_KEY_SIGNER
 */
export async function pkcs11Signer(options: Pkcs11Key): Promise<Signer> {
  const { keyDetails, token } = options;
  const ecdsa = keyDetails.startsWith('PKIX_ECDSA_');
  if (!ecdsa && !rsaPkcs1.test(keyDetails)) {
    throw new SignetError('ERR_KEY_UNSUPPORTED', `devices are not asked for ${keyDetails}; use ECDSA or RSA PKCS #1`);
  }
  const module = await loadPkcs11(options.module);
  const slot = findSlot(module, token);
  const open = () => attempt(token, 'gives no session', () => module.C_OpenSession(slot, cryptoki.CKF_SERIAL_SESSION));
  const first = open();
  logIn(module, first, options);
  const privateKey = findKey(module, first, cryptoki.CKO_PRIVATE_KEY, options);
  const publicKey = options.publicKey ?? readPublicKey(module, first, options, ecdsa);
  if (!keyMatchesDetails(publicKey, keyDetails)) {
    throw new SignetError(
      'ERR_KEY_UNSUPPORTED',
      `the algorithm ${keyDetails} is not for the key on the token ${token}`,
    );
  }
  const mechanism = ecdsa ? cryptoki.CKM_ECDSA : cryptoki.CKM_SHA256_RSA_PKCS;
  const hash = keyDetailsHash(keyDetails);
  const sessions = new Sessions(first, open);
  const askDevice = async (data: Uint8Array, content: SignedContent): Promise<Uint8Array> => {
    const raw = await sessions.use(async (session) => {
      try {
        module.C_SignInit(session, { mechanism, parameter: null }, privateKey);
        return await module.C_SignAsync(session, Buffer.from(data), Buffer.alloc(1024));
      } catch (cause) {
        throw signerFailure(token, 'does not sign', cause);
      }
    });
    const signature = new Uint8Array(ecdsa ? ecdsaFromRaw(raw) : raw);
    return checkedSignature(token, { publicKey, keyDetails }, content, signature);
  };
  // CKM_ECDSA signs a digest and cuts nothing off; the RSA mechanism hashes by itself.
  if (!ecdsa || hash === undefined) {
    return { publicKey, keyDetails, sign: (message) => askDevice(message, { message }) };
  }
  return {
    publicKey,
    keyDetails,
    sign: (message) => askDevice(digest(hash, message), { message }),
    async signStream(message) {
      const value = await digestStream(hash, message);
      return { signature: await askDevice(value, { digest: { algorithm: hash, value } }), digest: value };
    },
  };
}

/** Hands out sessions, at most a few, each to one user at a time. */
class Sessions {
  readonly #open: () => Uint8Array;
  readonly #idle: Uint8Array[];
  readonly #waiting: ((session: Uint8Array) => void)[] = [];
  #count = 1;

  constructor(first: Uint8Array, open: () => Uint8Array) {
    this.#idle = [first];
    this.#open = open;
  }

  async use<T>(work: (session: Uint8Array) => Promise<T>): Promise<T> {
    const session = await this.#take();
    try {
      return await work(session);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(session);
      else next(session);
    }
  }

  async #take(): Promise<Uint8Array> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#count < sessionsAtOnce) {
      this.#count++;
      return this.#open();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function findSlot(module: Pkcs11, token: string): Uint8Array {
  const slots = attempt(token, 'cannot be looked for', () => module.C_GetSlotList(true));
  const labels = attempt(token, 'cannot be looked for', () =>
    slots.map((slot) => module.C_GetTokenInfo(slot).label.replace(/[\0 ]+$/, '')),
  );
  const at = labels.indexOf(token);
  const slot = slots[at];
  if (slot === undefined)
    throw signerFailure(token, `is not among the tokens of the device (${labels.join(', ') || 'none'})`);
  if (labels.lastIndexOf(token) !== at) throw signerFailure(token, 'is the name of two tokens of the device');
  return slot;
}

function logIn(module: Pkcs11, session: Uint8Array, { pin, token }: Pkcs11Key): void {
  if (pin === undefined) return;
  try {
    module.C_Login(session, cryptoki.CKU_USER, pin);
  } catch (cause) {
    // Sessions of one process share their login (PKCS #11 §6.7.4).
    if (cause instanceof Error && /USER_ALREADY_LOGGED_IN/.test(cause.message)) return;
    throw signerFailure(token, 'does not take the PIN', cause);
  }
}

function findKey(module: Pkcs11, session: Uint8Array, kind: number, { token, label, id }: Pkcs11Key): Uint8Array {
  if (label === undefined && id === undefined) throw signerFailure(token, 'is given neither label nor id of the key');
  const template: Attribute[] = [{ type: cryptoki.CKA_CLASS, value: kind }];
  if (label !== undefined) template.push({ type: cryptoki.CKA_LABEL, value: label });
  if (id !== undefined) template.push({ type: cryptoki.CKA_ID, value: Buffer.from(fromHex(id, 'the id of the key')) });
  const found = attempt(token, 'cannot be searched', () => {
    module.C_FindObjectsInit(session, template);
    try {
      return module.C_FindObjects(session, 2);
    } finally {
      module.C_FindObjectsFinal(session);
    }
  });
  const [key, second] = found;
  const what = `${kind === cryptoki.CKO_PRIVATE_KEY ? 'private' : 'public'} key ${label ?? id}`;
  if (key === undefined) throw signerFailure(token, `has no ${what}`);
  if (second !== undefined) throw signerFailure(token, `has two objects for the ${what}; give its id`);
  return key;
}

function readPublicKey(module: Pkcs11, session: Uint8Array, options: Pkcs11Key, ecdsa: boolean): PublicKeyInfo {
  const { token } = options;
  const key = findKey(module, session, cryptoki.CKO_PUBLIC_KEY, options);
  const read = (...types: number[]): Uint8Array[] =>
    attempt(token, 'does not show its public key', () =>
      module
        .C_GetAttributeValue(
          session,
          key,
          types.map((type) => ({ type })),
        )
        .map(({ value }) => new Uint8Array(value)),
    );
  if (ecdsa) {
    const [parameters = new Uint8Array(), point = new Uint8Array()] = read(
      cryptoki.CKA_EC_PARAMS,
      cryptoki.CKA_EC_POINT,
    );
    // PKCS #11 §2.3.3: the point is DER, an OCTET STRING around it.
    const bare = parseDer(point, 'the public key of the token').octetString();
    const algorithm = der.sequence(der.oid(oids.ecPublicKey), parameters);
    return parsePublicKeyInfo(der.sequence(algorithm, der.bitString(bare)));
  }
  const [modulus = new Uint8Array(), exponent = new Uint8Array()] = read(
    cryptoki.CKA_MODULUS,
    cryptoki.CKA_PUBLIC_EXPONENT,
  );
  const unsigned = (bytes: Uint8Array) => der.integer(BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`));
  const rsaKey = der.sequence(unsigned(modulus), unsigned(exponent));
  return parsePublicKeyInfo(der.sequence(der.sequence(der.oid(oids.rsaEncryption), der.null()), der.bitString(rsaKey)));
}

function attempt<T>(token: string, problem: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof SignetError) throw cause;
    throw signerFailure(token, problem, cause);
  }
}
