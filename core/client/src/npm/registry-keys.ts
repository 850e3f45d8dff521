import {
  fromBase64,
  isKeyDetails,
  type KeyDetails,
  parsePublicKeyInfo,
  SignetError,
  type TimeRange,
} from '@signet/primitives/formats';
import { type JsonObject, JsonReader, own } from '../npm/lockfile/index.ts';

/** A key with which a registry signs. */
export interface RegistryKey {
  /** The registry's name for it, `SHA256:…`. */
  readonly keyId: string;
  /** What it may sign; undefined for anything, as in documents that do not say. */
  readonly usage?: 'npm:signatures' | 'npm:attestations';
  /** DER of SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly keyDetails?: KeyDetails;
  readonly validFor: TimeRange;
}

const reader: JsonReader = new JsonReader('ERR_REGISTRY_KEY', 'registry keys');
const maxKeys = 100;

/**
 * Reads the keys of a registry in either form: as the Sigstore TUF repository distributes npm's (`keys.json`, with key usage and
 * validity), or as a registry serves them at `/-/npm/v1/keys`.
 *
 * The caller must trust where the document comes from: a registry that is not trusted can serve any key.
 *
 * @param document parsed JSON
 * @throws ERR_REGISTRY_KEY
 */
export function parseRegistryKeys(document: unknown): readonly RegistryKey[] {
  const keys = reader.array(own(reader.object(document, 'the document'), 'keys'), 'keys');
  if (keys.length > maxKeys) reader.fail(`there are more than ${maxKeys} keys`);
  return keys.map((element, index) => {
    const where = `keys[${index}]`;
    const entry = reader.object(element, where);
    const key = own(entry, 'publicKey') === undefined ? servedKey(entry, where) : distributedKey(entry, where);
    if (key.keyId === '') reader.fail(`${where} has no id`);
    try {
      parsePublicKeyInfo(key.publicKey);
    } catch (cause) {
      reader.fail(`${where} is not a public key`, { cause });
    }
    return key;
  });
}

/** PublicKey of protobuf-specs, wrapped with id and usage (the TUF target `keys.json`). */
function distributedKey(entry: JsonObject, where: string): RegistryKey {
  const publicKey = reader.object(own(entry, 'publicKey'), `${where}.publicKey`);
  const usage = own(entry, 'keyUsage');
  if (usage !== 'npm:signatures' && usage !== 'npm:attestations') reader.fail(`${where}.keyUsage is not known`);
  const keyDetails = reader.string(own(publicKey, 'keyDetails'), `${where}.publicKey.keyDetails`);
  if (!isKeyDetails(keyDetails))
    reader.fail(`${where}.publicKey.keyDetails is not known`, { found: keyDetails.slice(0, 100) });
  const validFor = reader.object(own(publicKey, 'validFor') ?? {}, `${where}.publicKey.validFor`);
  return {
    keyId: reader.string(own(entry, 'keyId'), `${where}.keyId`),
    usage,
    publicKey: bytes(own(publicKey, 'rawBytes'), `${where}.publicKey.rawBytes`),
    keyDetails,
    validFor: range(own(validFor, 'start'), own(validFor, 'end'), where),
  };
}

/** As npm's registry API has it: `{keyid, keytype, scheme, key, expires}`. */
function servedKey(entry: JsonObject, where: string): RegistryKey {
  return {
    keyId: reader.string(own(entry, 'keyid'), `${where}.keyid`),
    publicKey: bytes(own(entry, 'key'), `${where}.key`),
    validFor: range(undefined, own(entry, 'expires'), where),
  };
}

function bytes(value: unknown, where: string): Uint8Array {
  try {
    return fromBase64(reader.string(value, where), where);
  } catch (cause) {
    return reader.fail(`${where} is not base64`, { cause });
  }
}

function range(start: unknown, end: unknown, where: string): TimeRange {
  const time = (value: unknown): Date | undefined => {
    if (value === undefined || value === null) return undefined;
    const date = new Date(reader.string(value, `${where}: validity`));
    return Number.isNaN(date.getTime()) ? reader.fail(`${where}: validity is not a time`) : date;
  };
  const from = time(start);
  const until = time(end);
  return { start: from ?? new Date(0), ...(until === undefined ? {} : { end: until }) };
}

/**
 * The key that a registry signs attestations with under this id.
 *
 * @throws ERR_REGISTRY_KEY
 */
export function attestationKey(keys: readonly RegistryKey[], keyId: string): RegistryKey {
  const key = keys.find((candidate) => candidate.keyId === keyId && candidate.usage !== 'npm:signatures');
  if (key !== undefined) return key;
  throw new SignetError('ERR_REGISTRY_KEY', 'the attestation is signed with a registry key that is not trusted', {
    expected: keys.map((candidate) => candidate.keyId).join(' or ') || 'no registry keys are configured',
    found: keyId.slice(0, 100),
  });
}
