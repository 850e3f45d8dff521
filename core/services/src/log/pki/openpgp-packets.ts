import { concat } from '@signet/primitives/formats';
import { signatureError } from './pki-format.ts';
import { WireReader } from './wire-reader.ts';

/** One packet (RFC 9580 §4.2) without its header, of which there are several forms. */
export interface Packet {
  readonly tag: number;
  readonly body: Uint8Array;
}

export const packetTags = {
  signature: 2,
  secretKey: 5,
  publicKey: 6,
  secretSubkey: 7,
  marker: 10,
  trust: 12,
  userId: 13,
  publicSubkey: 14,
} as const;

const maximumPackets = 2048;

/** @throws ERR_LOG_SIGNATURE */
export function readPackets(bytes: Uint8Array): Packet[] {
  const packets: Packet[] = [];
  const reader = new WireReader(bytes, 'the OpenPGP data');
  while (!reader.done) {
    if (packets.length >= maximumPackets)
      throw signatureError(`the OpenPGP data has more than ${maximumPackets} packets`);
    packets.push(readPacket(reader));
  }
  return packets;
}

function readPacket(reader: WireReader): Packet {
  const header = reader.byte();
  if ((header & 0x80) === 0) throw signatureError('the OpenPGP data does not consist of packets');
  if ((header & 0x40) === 0) {
    const tag = (header >> 2) & 0x0f;
    switch (header & 3) {
      case 0:
        return { tag, body: reader.take(reader.byte()) };
      case 1:
        return { tag, body: reader.take(reader.uint16()) };
      case 2:
        return { tag, body: reader.take(reader.uint32()) };
      default:
        return { tag, body: reader.rest() };
    }
  }
  const tag = header & 0x3f;
  const first = reader.byte();
  if (first < 192) return { tag, body: reader.take(first) };
  if (first < 224) return { tag, body: reader.take((first - 192) * 256 + reader.byte() + 192) };
  if (first === 255) return { tag, body: reader.take(reader.uint32()) };
  // Only data packets may come in parts, and there are none here (RFC 9580 §4.2.1.4).
  throw signatureError('a packet of keys or signatures is written in parts');
}

/** The packet with the header that Go writes: the newer form with the shortest length. */
export function writePacket({ tag, body }: Packet): Uint8Array {
  return concat(Uint8Array.of(0xc0 | tag, ...lengthBytes(body.length)), body);
}

function lengthBytes(length: number): number[] {
  if (length < 192) return [length];
  if (length < 8384) return [192 + ((length - 192) >> 8), (length - 192) & 0xff];
  return [255, length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff];
}

/** What a signature packet says about itself. */
export interface SignatureInfo {
  readonly version: number;
  /** RFC 9580 §5.2.1. */
  readonly type: number;
  /** Seconds since 1970; 0 when it does not say. */
  readonly created: number;
}

/** @throws ERR_LOG_SIGNATURE */
export function readSignatureInfo(body: Uint8Array): SignatureInfo {
  const reader = new WireReader(body, 'an OpenPGP signature');
  const version = reader.byte();
  if (version < 4) return { version, type: -1, created: 0 };
  const type = reader.byte();
  // Algorithms of key and hash.
  reader.take(2);
  const hashed = new WireReader(reader.take(version === 6 ? reader.uint32() : reader.uint16()), 'an OpenPGP signature');
  let created = 0;
  while (!hashed.done) {
    const subpacket = new WireReader(hashed.take(subpacketLength(hashed)), 'an OpenPGP signature');
    if ((subpacket.byte() & 0x7f) === 2) created = subpacket.uint32();
  }
  return { version, type, created };
}

function subpacketLength(reader: WireReader): number {
  const first = reader.byte();
  if (first < 192) return first;
  if (first < 255) return (first - 192) * 256 + reader.byte() + 192;
  return reader.uint32();
}
