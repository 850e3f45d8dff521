import { concat, SignetError, utf8 } from '@signet/primitives/formats';

/** A field of a protobuf message that is a string or a message (encoding guide: a key, a length, the bytes). */
export function protobufField(field: number, content: string | Uint8Array): Uint8Array {
  const bytes = typeof content === 'string' ? utf8(content) : content;
  return concat(varint((field << 3) | 2), varint(bytes.length), bytes);
}

/**
 * The values of one field of a message, which must be of the kind with a length: strings, bytes, messages. Other fields are
 * skipped, as protobuf wants it.
 *
 * @throws ERR_ENCODING for anything that is no message
 */
export function protobufFields(message: Uint8Array, wanted: number): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) throw malformed();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    // Longer numbers are 64 bits wide: they are only ever skipped here.
    for (let more = 0; more < 5; more++) if ((message[at++] ?? 0x80) < 0x80) return value;
    throw malformed();
  };
  while (at < message.length) {
    const key = number();
    const kind = key & 7;
    if (kind === 0) number();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else if (kind === 2) {
      const length = number();
      if (length > message.length - at) throw malformed();
      if (key >>> 3 === wanted) found.push(message.subarray(at, at + length));
      at += length;
    } else throw malformed();
  }
  if (at !== message.length) throw malformed();
  return found;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return new Uint8Array([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}

function malformed(): SignetError {
  return new SignetError('ERR_ENCODING', 'the protobuf message is malformed');
}
