import { hash } from 'node:crypto';
import { concat, fromUtf8, SignetError } from '@signet/primitives/formats';
import type { SearchTerm } from '../search/search-keys.ts';
import { isArmored, readArmor, writeArmor } from './openpgp-armor.ts';
import { canonicalKeyPackets, userIdAddresses } from './openpgp-key.ts';
import { packetTags, readPackets, readSignatureInfo, writePacket } from './openpgp-packets.ts';
import { checked, type PkiFormat, type PkiPublicKey, signatureError } from './pki-format.ts';

const maximumSize = 256 * 1024;

/**
 * OpenPGP: keys and detached signatures, armored or not. Keys are read here; signatures are checked by the library `openpgp`,
 * an optional peer under the LGPL that is loaded when the first one comes.
 */
export const openpgpFormat: PkiFormat = { name: 'pgp', readPublicKey };

function readPublicKey(bytes: Uint8Array): PkiPublicKey {
  const packets = canonicalKeyPackets(readPackets(unarmor(bytes, 'PGP PUBLIC KEY BLOCK').bytes));
  const keys = concat(...packets.map(writePacket));
  const canonical = writeArmor('PGP PUBLIC KEY BLOCK', keys);
  const addresses = userIdAddresses(packets).flatMap((text): SearchTerm[] => [
    { kind: 'email', text },
    { kind: 'subject', text },
  ]);
  return {
    canonical,
    searchTerms: [{ kind: 'publicKey', fingerprint: hash('sha256', canonical, 'buffer') }, ...addresses],
    async verify(signature, message) {
      const { bytes: binary, armored } = unarmor(signature, 'PGP SIGNATURE');
      await checkSignature(binary, keys, message);
      // What came in armor is logged as it came, comments and all (pkg/pki/pgp).
      return armored ? signature : writeArmor('PGP SIGNATURE', binary);
    },
  };
}

/** Checks one detached signature at the time at which it was made: a key may have expired since. */
async function checkSignature(binarySignature: Uint8Array, binaryKeys: Uint8Array, binary: Uint8Array): Promise<void> {
  const packets = readPackets(binarySignature);
  const [first] = packets;
  if (first === undefined || packets.some(({ tag }) => tag !== packetTags.signature)) {
    throw signatureError('the OpenPGP signature is not a detached one');
  }
  const { version, created } = readSignatureInfo(first.body);
  if (version < 4) throw signatureError(`OpenPGP signatures of version ${version} are not taken; version 4 is of 1998`);
  const openpgp = await loadLibrary();
  let valid = false;
  try {
    const verified = await openpgp.verify({
      message: await openpgp.createMessage({ binary }),
      // The first, as upstream: one entry is about one signature.
      signature: await openpgp.readSignature({ binarySignature: writePacket(first) }),
      verificationKeys: await openpgp.readKeys({ binaryKeys }),
      date: new Date(created * 1000),
      format: 'binary',
    });
    valid = (await verified.signatures[0]?.verified) === true;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw signatureError(`the OpenPGP signature does not verify: ${reason}`, cause);
  }
  if (!valid) throw signatureError('the OpenPGP signature does not verify over the content');
}

async function loadLibrary(): Promise<typeof import('openpgp')> {
  try {
    return await import('openpgp');
  } catch (cause) {
    throw new SignetError(
      'ERR_LOG_PKI_UNAVAILABLE',
      'this log cannot check OpenPGP signatures: its operator has not installed the package "openpgp"',
      { cause },
    );
  }
}

function unarmor(bytes: Uint8Array, type: string): { bytes: Uint8Array; armored: boolean } {
  if (bytes.length > maximumSize)
    throw signatureError(`the OpenPGP data has ${bytes.length} bytes, more than ${maximumSize}`);
  if (!isArmored(bytes)) return { bytes, armored: false };
  const blocks = readArmor(checked('the OpenPGP data', () => fromUtf8(bytes, 'armor')));
  const other = blocks.find((block) => block.type !== type);
  if (other !== undefined) throw signatureError(`expected an armored ${type}, found ${other.type}`);
  if (blocks.length === 0) throw signatureError(`expected an armored ${type}`);
  return { bytes: concat(...blocks.map((block) => block.bytes)), armored: true };
}
