import { createHash, hash } from 'node:crypto';
import { concat, equalBytes, fromBase64, fromUtf8, toBase64, utf8 } from '@signet/primitives/formats';
import { checked, type PkiFormat, type PkiPublicKey, signatureError } from './pki-format.ts';
import { parseSshKey, type SshKey } from './ssh-key.ts';
import { WireReader } from './wire-reader.ts';

const magic = utf8('SSHSIG');
// What `ssh-keygen -Y sign -n file` signs for, and the only purpose that Rekor takes.
const namespace = 'file';
const hashes = ['sha256', 'sha512'] as const;
const maximumText = 65_536;
const armor = /^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----$/;

/** Keys of SSH in the form of `authorized_keys`, signatures of `ssh-keygen -Y sign` (PROTOCOL.sshsig of OpenSSH). */
export const sshFormat: PkiFormat = { name: 'ssh', readPublicKey };

function readPublicKey(bytes: Uint8Array): PkiPublicKey {
  const key = readAuthorizedKey(bytes);
  // The comment, which anybody may write, is not logged.
  const canonical = utf8(`${key.type} ${toBase64(key.blob)}\n`);
  return {
    canonical,
    searchTerms: [{ kind: 'publicKey', fingerprint: hash('sha256', canonical, 'buffer') }],
    verify(armored, message) {
      const { algorithm, publicKey, signature } = readSignature(armored);
      if (!equalBytes(publicKey, key.blob)) throw signatureError('the SSH signature was made with another key');
      const digest = createHash(algorithm).update(message).digest();
      // The namespace and a reserved empty field stand before hash and digest.
      const content = [utf8(namespace), new Uint8Array(), utf8(algorithm), digest];
      if (!key.verify(signature, concat(magic, ...content.map(string)))) {
        throw signatureError('the SSH signature does not verify over the content');
      }
      return armorSignature(algorithm, publicKey, signature);
    },
  };
}

function readAuthorizedKey(bytes: Uint8Array): SshKey {
  const text = readText(bytes, 'the SSH key');
  for (const line of text.split('\n')) {
    const [type = '', encoded = ''] = line.trim().split(/[ \t]+/);
    if (type === '' || type.startsWith('#')) continue;
    const key = parseSshKey(checked('the SSH key', () => fromBase64(encoded, 'the second word')));
    if (key.type !== type) throw signatureError('the SSH key is of another type than its line says');
    return key;
  }
  throw signatureError('the SSH key is not a line "type base64" as in authorized_keys');
}

interface SshSignature {
  readonly algorithm: (typeof hashes)[number];
  /** Wire form of the signer's key. */
  readonly publicKey: Uint8Array;
  /** Wire form of the signature. */
  readonly signature: Uint8Array;
}

function readSignature(armored: Uint8Array): SshSignature {
  const text = readText(armored, 'the SSH signature').replaceAll('\r', '').trim();
  const encoded = armor.exec(text)?.[1];
  if (encoded === undefined) throw signatureError('the signature is not armored as SSH SIGNATURE');
  const bytes = checked('the SSH signature', () => fromBase64(encoded.replaceAll('\n', ''), 'its armor'));
  const reader = new WireReader(bytes, 'the SSH signature');
  if (!equalBytes(reader.take(magic.length), magic))
    throw signatureError('the SSH signature does not begin with SSHSIG');
  const version = reader.uint32();
  if (version !== 1) throw signatureError(`the SSH signature has version ${version}, not 1`);
  const publicKey = reader.string();
  const forNamespace = reader.text();
  if (forNamespace !== namespace) {
    throw signatureError(`the SSH signature is for "${forNamespace}"; sign with: ssh-keygen -Y sign -n file`);
  }
  if (reader.string().length > 0) throw signatureError('the SSH signature has reserved content');
  const name = reader.text();
  const algorithm = hashes.find((one) => one === name);
  if (algorithm === undefined) throw signatureError(`the SSH signature is over ${name}, not SHA-256 or SHA-512`);
  const signature = reader.string();
  reader.end();
  return { algorithm, publicKey, signature };
}

function armorSignature(algorithm: string, publicKey: Uint8Array, signature: Uint8Array): Uint8Array {
  const version = Uint8Array.of(0, 0, 0, 1);
  const content = [publicKey, utf8(namespace), new Uint8Array(), utf8(algorithm), signature];
  const bytes = concat(magic, version, ...content.map(string));
  // 64 characters a line, as Go writes PEM; ssh-keygen itself writes 70.
  const lines = toBase64(bytes).match(/.{1,64}/g) ?? [];
  return utf8(`-----BEGIN SSH SIGNATURE-----\n${lines.join('\n')}\n-----END SSH SIGNATURE-----\n`);
}

function string(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return concat(length, bytes);
}

function readText(bytes: Uint8Array, what: string): string {
  if (bytes.length > maximumText) throw signatureError(`${what} has ${bytes.length} bytes, more than ${maximumText}`);
  return checked(what, () => fromUtf8(bytes, what));
}
