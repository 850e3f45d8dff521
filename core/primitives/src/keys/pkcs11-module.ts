import { signerFailure } from './signer-answer.ts';

/** An attribute of an object on a token. */
export interface Attribute {
  readonly type: number;
  readonly value?: Uint8Array | number | string;
}

/** The part of pkcs11js (an optional peer) that is used here. Handles are opaque buffers. */
export interface Pkcs11 {
  load(path: string): void;
  close(): void;
  C_Initialize(options: { readonly flags: number }): void;
  C_Finalize(): void;
  C_GetSlotList(tokenPresent: boolean): Uint8Array[];
  C_GetTokenInfo(slot: Uint8Array): { readonly label: string; readonly serialNumber: string };
  C_OpenSession(slot: Uint8Array, flags: number): Uint8Array;
  C_CloseSession(session: Uint8Array): void;
  C_Login(session: Uint8Array, userType: number, pin: string): void;
  C_FindObjectsInit(session: Uint8Array, template: readonly Attribute[]): void;
  C_FindObjects(session: Uint8Array, count: number): Uint8Array[];
  C_FindObjectsFinal(session: Uint8Array): void;
  C_GetAttributeValue(session: Uint8Array, object: Uint8Array, template: readonly Attribute[]): { value: Buffer }[];
  C_SignInit(session: Uint8Array, mechanism: { mechanism: number; parameter: null }, key: Uint8Array): void;
  C_SignAsync(session: Uint8Array, data: Buffer, output: Buffer): Promise<Buffer>;
}

/** Constants of PKCS #11 v2.40. */
export const cryptoki = {
  CKF_OS_LOCKING_OK: 2,
  CKF_SERIAL_SESSION: 4,
  CKU_USER: 1,
  CKO_PUBLIC_KEY: 2,
  CKO_PRIVATE_KEY: 3,
  CKA_CLASS: 0,
  CKA_LABEL: 3,
  CKA_ID: 0x102,
  CKA_MODULUS: 0x120,
  CKA_PUBLIC_EXPONENT: 0x122,
  CKA_EC_PARAMS: 0x180,
  CKA_EC_POINT: 0x181,
  CKM_ECDSA: 0x1041,
  CKM_SHA256_RSA_PKCS: 0x40,
} as const;

/** Modules may be initialized once in a process, whoever uses them (PKCS #11 §5.4). */
const loaded = new Map<string, Promise<Pkcs11>>();

/**
 * Loads the library of a device.
 *
 * @param path shared object of the device's vendor
 * @throws ERR_KEY_SIGNER when pkcs11js is not installed, or the library cannot be loaded
 */
export function loadPkcs11(path: string): Promise<Pkcs11> {
  let loading = loaded.get(path);
  if (loading === undefined) {
    loading = load(path);
    loaded.set(path, loading);
    loading.catch(() => loaded.delete(path));
  }
  return loading;
}

async function load(path: string): Promise<Pkcs11> {
  let module: Pkcs11;
  try {
    const imported: unknown = await import('pkcs11js');
    const { PKCS11 } = (imported as { default?: unknown }).default as { PKCS11: new () => Pkcs11 };
    module = new PKCS11();
  } catch (cause) {
    throw signerFailure(path, 'needs the package pkcs11js, built: npm install pkcs11js && npm rebuild pkcs11js', cause);
  }
  try {
    module.load(path);
    // Signatures are made on threads of Node's pool, several at a time: without this a library may assume one thread, and crash.
    module.C_Initialize({ flags: cryptoki.CKF_OS_LOCKING_OK });
  } catch (cause) {
    throw signerFailure(path, 'cannot be loaded as a PKCS #11 library', cause);
  }
  return module;
}
