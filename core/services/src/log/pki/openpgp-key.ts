import { type Packet, packetTags, readSignatureInfo } from './openpgp-packets.ts';
import { signatureError } from './pki-format.ts';

/** Signature types (RFC 9580 §5.2.1) that stand in keys. */
const types = {
  certifications: [0x10, 0x11, 0x12, 0x13, 0x30],
  subkeyBinding: 0x18,
  direct: 0x1f,
  keyRevocation: 0x20,
  subkeyRevocation: 0x28,
};

/**
 * Puts the packets of public keys into the order and selection that Rekor logs, which is what ProtonMail's go-crypto keeps
 * of a key: revocations and direct signatures first, then each user id with all its signatures, then each subkey with its
 * revocations and its latest binding. Attributes (photographs), trust packets and signatures of version 3 are left out.
 *
 * Where a key has several user ids go-crypto writes them in the order of a Go map, which is another one every time; here
 * they stay in the order of the key.
 *
 * @throws ERR_LOG_SIGNATURE
 */
export function canonicalKeyPackets(packets: readonly Packet[]): Packet[] {
  const known = packets.filter((packet) => {
    if (packet.tag === packetTags.marker || packet.tag === packetTags.trust) return false;
    return packet.tag !== packetTags.signature || readSignatureInfo(packet.body).version >= 4;
  });
  const starts = known.flatMap(({ tag }, i) => (tag === packetTags.publicKey ? [i] : []));
  if (known.some(({ tag }) => tag === packetTags.secretKey || tag === packetTags.secretSubkey)) {
    throw signatureError('the OpenPGP key is a private key, which must be thought of as public from now on');
  }
  if (starts[0] !== 0) throw signatureError('the OpenPGP data does not begin with a public key');
  return starts.flatMap((start, i) => canonicalKey(known.slice(start, starts[i + 1])));
}

function canonicalKey([primary, ...packets]: readonly Packet[]): Packet[] {
  const revocations: Packet[] = [];
  const direct: Packet[] = [];
  const users: Packet[] = [];
  const subkeys: Packet[] = [];
  for (let at = 0; at < packets.length; at++) {
    const packet = packets[at] as Packet;
    const following = signaturesAfter(packets, at);
    if (packet.tag === packetTags.userId) {
      for (const { body } of following) {
        if (!types.certifications.includes(readSignatureInfo(body).type)) {
          throw signatureError('a user id of the OpenPGP key is followed by another signature than its own');
        }
      }
      users.push(packet, ...following);
      at += following.length;
    } else if (packet.tag === packetTags.publicSubkey) {
      subkeys.push(packet, ...subkeySignatures(following));
      at += following.length;
    } else if (packet.tag === packetTags.signature) {
      const { type } = readSignatureInfo(packet.body);
      if (type === types.keyRevocation) revocations.push(packet);
      else if (type === types.direct) direct.push(packet);
    }
  }
  if (primary === undefined || (users.length === 0 && primary.body[0] !== 6)) {
    throw signatureError('the OpenPGP key has no user id');
  }
  return [primary, ...revocations, ...direct, ...users, ...subkeys];
}

function signaturesAfter(packets: readonly Packet[], at: number): Packet[] {
  let end = at + 1;
  while (packets[end]?.tag === packetTags.signature) end += 1;
  return packets.slice(at + 1, end);
}

function subkeySignatures(signatures: readonly Packet[]): Packet[] {
  const revocations: Packet[] = [];
  let latest: { packet: Packet; created: number } | undefined;
  for (const packet of signatures) {
    const { type, created } = readSignatureInfo(packet.body);
    if (type === types.subkeyRevocation) revocations.push(packet);
    else if (type !== types.subkeyBinding)
      throw signatureError('a subkey of the OpenPGP key has another signature than its own');
    else if (latest === undefined || created > latest.created) latest = { packet, created };
  }
  if (latest === undefined) throw signatureError('a subkey of the OpenPGP key is not bound to it');
  return [...revocations, latest.packet];
}

/** E-mail addresses of the user ids, as people write them: `Name (comment) <address>`, or an address alone. */
export function userIdAddresses(packets: readonly Packet[]): string[] {
  return packets.flatMap(({ tag, body }) => {
    if (tag !== packetTags.userId) return [];
    const text = Buffer.from(body).toString('utf8');
    const address = /<([^<>]+)>\s*$/.exec(text)?.[1] ?? text.trim();
    return /^[^\s<>@]+@[^\s<>@]+$/.test(address) ? [address] : [];
  });
}
