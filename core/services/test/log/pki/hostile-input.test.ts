import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { der, oids, SignetError, toPem, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import fc from 'fast-check';
import { builtInPkiFormats, type PkiFormat, type PkiPublicKey } from '../../../src/log/pki/index.ts';
import { canonicalKeyPackets } from '../../../src/log/pki/openpgp-key.ts';
import { type Packet, readPackets, writePacket } from '../../../src/log/pki/openpgp-packets.ts';
import { authority, extension, makeCertificate } from '../test-certificates.ts';

const message = utf8('an artifact\n');

function format(name: string): PkiFormat {
  const found = builtInPkiFormats.find((one) => one.name === name);
  assert.ok(found !== undefined);
  return found;
}

function refused(message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SignetError, String(error));
    assert.equal(error.code, 'ERR_LOG_SIGNATURE', error.stack);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}

const string = (bytes: Uint8Array | string): Buffer => {
  const content = Buffer.from(bytes);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
};

/** A key and a signature of each format, made without any other program. */
function samples(): Record<string, { key: Uint8Array; signature: Uint8Array }> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(12);
  const minisign = (algorithm: string, value: Uint8Array): string =>
    Buffer.concat([Buffer.from(algorithm), Buffer.alloc(8, 7), value]).toString('base64');
  const signature = sign(null, message, privateKey);
  const blob = Buffer.concat([string('ssh-ed25519'), string(raw)]);
  return {
    minisign: {
      key: utf8(minisign('Ed', raw)),
      signature: utf8(`untrusted comment: x\n${minisign('Ed', signature)}\n`),
    },
    ssh: {
      key: utf8(`ssh-ed25519 ${blob.toString('base64')} who@example.com`),
      signature: sshSignature(blob, sign(null, sshContent(), privateKey)),
    },
    x509: { key: utf8(String(publicKey.export({ format: 'pem', type: 'spki' }))), signature },
  };
}

function sshContent(): Buffer {
  const digest = createHash('sha512').update(message).digest();
  return Buffer.concat([Buffer.from('SSHSIG'), string('file'), string(''), string('sha512'), string(digest)]);
}

function sshSignature(
  blob: Uint8Array,
  value: Uint8Array,
  type = 'ssh-ed25519',
  more: Uint8Array = new Uint8Array(),
): Uint8Array {
  const wire = Buffer.concat([string(type), string(value), more]);
  const content = [string(blob), string('file'), string(''), string('sha512'), string(wire)];
  const armored = Buffer.concat([Buffer.from('SSHSIG'), Buffer.from([0, 0, 0, 1]), ...content]).toString('base64');
  return utf8(`-----BEGIN SSH SIGNATURE-----\n${armored.match(/.{1,70}/g)?.join('\n')}\n-----END SSH SIGNATURE-----\n`);
}

describe('keys and signatures from anybody', () => {
  const valid = samples();

  for (const name of ['x509', 'pgp', 'minisign', 'ssh', 'tuf']) {
    it(`of the format ${name}: whatever comes, it is refused as a signature and with no other error`, async () => {
      const read = format(name);
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.string({ maxLength: 200 }).map(utf8),
        fc
          .constantFrom('-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxsBNBF\n=AAAA\n-----END PGP PUBLIC KEY BLOCK-----')
          .map(utf8),
      );
      await fc.assert(
        fc.asyncProperty(bytes, async (content) => {
          try {
            read.readPublicKey(content);
          } catch (error) {
            refused()(error);
          }
        }),
        { numRuns: 200 },
      );
    });
  }

  for (const [name, { key, signature }] of Object.entries(valid)) {
    it(`of the format ${name}: one changed byte of a signature is one too many`, async () => {
      const read: PkiPublicKey = format(name).readPublicKey(key);
      const canonical = Buffer.from(await read.verify(signature, message));
      await fc.assert(
        fc.asyncProperty(fc.nat(signature.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
          const forged = Uint8Array.from(signature);
          forged[at] = (forged[at] ?? 0) ^ change;
          let accepted: Uint8Array;
          try {
            accepted = await read.verify(forged, message);
          } catch (error) {
            refused()(error);
            return;
          }
          // What does not count, such as a comment, is not logged either.
          assert.deepEqual(Buffer.from(accepted), canonical);
        }),
        { numRuns: 300 },
      );
    });
  }

  it('are limited in size', () => {
    for (const name of ['x509', 'pgp', 'minisign', 'ssh', 'tuf']) {
      assert.throws(() => format(name).readPublicKey(new Uint8Array(2 << 20)), refused(/more than|longer than/), name);
    }
  });

  describe('of SSH', () => {
    it('may be on a token, which signs flags and a counter along', async () => {
      const application = 'ssh:';
      const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest();
      const flags = Buffer.from([1, 0, 0, 0, 9]);
      const signed = Buffer.concat([sha256(application), flags, sha256(sshContent())]);
      const check = async (type: string, blob: Buffer, value: Uint8Array): Promise<void> => {
        const key = format('ssh').readPublicKey(utf8(`${type} ${blob.toString('base64')}`));
        await key.verify(sshSignature(blob, value, type, flags), message);
        const otherFlags = Buffer.from([0, 0, 0, 0, 9]);
        await assert.rejects(async () => key.verify(sshSignature(blob, value, type, otherFlags), message), refused());
        await assert.rejects(async () => key.verify(sshSignature(blob, value, type), message), refused());
      };
      const ed = generateKeyPairSync('ed25519');
      const raw = ed.publicKey.export({ format: 'der', type: 'spki' }).subarray(12);
      const edType = 'sk-ssh-ed25519@openssh.com';
      await check(
        edType,
        Buffer.concat([string(edType), string(raw), string(application)]),
        sign(null, signed, ed.privateKey),
      );

      const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const point = ec.publicKey.export({ format: 'der', type: 'spki' }).subarray(26);
      const ecType = 'sk-ecdsa-sha2-nistp256@openssh.com';
      const blob = Buffer.concat([string(ecType), string('nistp256'), string(point), string(application)]);
      await check(ecType, blob, sshEcdsa(ec.privateKey, signed));
    });

    it('must be in their shortest form, of a type that is still good, and whole', () => {
      const line = (...parts: (string | Uint8Array)[]): Uint8Array =>
        utf8(`${String(parts[0])} ${Buffer.concat(parts.map(string)).toString('base64')}`);
      const read = (bytes: Uint8Array): PkiPublicKey => format('ssh').readPublicKey(bytes);
      const modulus = Buffer.concat([Buffer.from([0]), Buffer.alloc(256, 0xff)]);
      read(line('ssh-rsa', Uint8Array.of(1, 0, 1), modulus));
      assert.throws(() => read(line('ssh-rsa', Uint8Array.of(0, 1, 0, 1), modulus)), refused(/shortest form/));
      assert.throws(() => read(line('ssh-rsa', Uint8Array.of(1, 0, 1), modulus.subarray(1))), refused(/negative/));
      assert.throws(() => read(line('ssh-dss', 'x')), refused(/not taken/));
      assert.throws(() => read(line('ssh-ed25519', new Uint8Array(32), 'more')), refused(/after its end/));
      assert.throws(() => read(line('ssh-ed25519', new Uint8Array(31))), refused());
      assert.throws(() => read(utf8('# only a comment\n')), refused(/authorized_keys/));
      assert.throws(
        () =>
          read(
            utf8(
              Buffer.from(line('ssh-ed25519', new Uint8Array(32)))
                .toString()
                .replace(/^ssh-ed25519/, 'ssh-rsa'),
            ),
          ),
        refused(/another type/),
      );
    });
  });

  describe('of OpenPGP', () => {
    const signature = (type: number, created: number, version = 4): Packet => {
      const time = Buffer.alloc(4);
      time.writeUInt32BE(created);
      const hashed = Buffer.concat([Buffer.from([5, 2]), time]);
      return {
        tag: 2,
        body: Buffer.concat([Buffer.from([version, type, 22, 8, 0, hashed.length]), hashed, Buffer.alloc(6)]),
      };
    };
    const packet = (tag: number, text: string): Packet => ({ tag, body: Buffer.from(text) });
    const primary = packet(6, 'primary');
    const user = packet(13, 'Who <who@example.com>');
    const subkey = packet(14, 'subkey');
    const names = (packets: readonly Packet[]): string[] =>
      packets.map(({ tag, body }) =>
        tag === 2 ? `0x${body[1]?.toString(16)}@${body.at(11)}` : (Buffer.from(body).toString().split(' ')[0] ?? ''),
      );

    it('are put into the order and selection of go-crypto', () => {
      const packets = [
        ...[primary, signature(0x20, 10), signature(0x1f, 11), packet(12, 'trust')],
        ...[user, signature(0x13, 1), signature(0x10, 2), signature(0x10, 3, 3)],
        ...[packet(17, 'photograph'), signature(0x13, 4), packet(13, 'second'), signature(0x30, 5)],
        ...[subkey, signature(0x18, 6), signature(0x28, 7), signature(0x18, 9), signature(0x18, 8)],
        packet(12, 'trust'),
      ];
      assert.deepEqual(names(canonicalKeyPackets(packets)), [
        ...['primary', '0x20@10', '0x1f@11', 'Who', '0x13@1', '0x10@2', 'second', '0x30@5'],
        ...['subkey', '0x28@7', '0x18@9'],
      ]);
    });

    it('are refused where go-crypto would not have read them', () => {
      assert.throws(() => canonicalKeyPackets([primary]), refused(/no user id/));
      assert.throws(() => canonicalKeyPackets([user]), refused(/begin with a public key/));
      assert.throws(() => canonicalKeyPackets([primary, user, signature(0x18, 1)]), refused(/another signature/));
      assert.throws(() => canonicalKeyPackets([primary, user, subkey]), refused(/not bound/));
      assert.throws(() => canonicalKeyPackets([primary, user, subkey, signature(0x13, 1)]), refused());
      assert.throws(() => canonicalKeyPackets([packet(5, 'secret'), user]), refused(/private key/));
    });

    it('are written with new headers, of the shortest length, and read in every form', () => {
      fc.assert(
        fc.property(fc.constantFrom(0, 1, 191, 192, 8383, 8384, 70_000), fc.nat(15), (length, tag) => {
          const body = new Uint8Array(length).fill(tag);
          const written = writePacket({ tag, body });
          assert.equal(written.length - length, length < 192 ? 2 : length < 8384 ? 3 : 6);
          assert.deepEqual(
            readPackets(written).map((one) => [one.tag, one.body.length]),
            [[tag, length]],
          );
          const old = Buffer.alloc(5);
          old[0] = 0x82 | (tag << 2);
          old.writeUInt32BE(length, 1);
          assert.deepEqual(readPackets(Buffer.concat([old, body]))[0]?.body.length, length);
        }),
      );
      assert.throws(() => readPackets(Uint8Array.of(0xc2, 0xe1, 0)), refused(/in parts/));
      assert.throws(() => readPackets(Uint8Array.of(0x12)), refused(/packets/));
      assert.throws(() => readPackets(Uint8Array.of(0xc2, 9, 0)), refused(/middle/));
    });
  });

  describe('of X.509', () => {
    const signer = generateSigner();
    const sign256 = (): Promise<Uint8Array> => signer.sign(message);
    const pem = (...certificates: Uint8Array[]): Uint8Array =>
      utf8(certificates.map((bytes) => toPem('CERTIFICATE', bytes)).join(''));
    const check = async (bytes: Uint8Array): Promise<Uint8Array> =>
      format('x509')
        .readPublicKey(bytes)
        .verify(await sign256(), message);

    it('may be a chain in any order above the first certificate, if each step is one', async () => {
      const [rootKey, middleKey] = [generateSigner(), generateSigner()];
      const root = await makeCertificate({
        issuer: 'root',
        subject: 'root',
        key: rootKey,
        signedBy: rootKey,
        extensions: authority(1),
      });
      const middle = await makeCertificate({
        issuer: 'root',
        subject: 'middle',
        key: middleKey,
        signedBy: rootKey,
        extensions: authority(0),
      });
      const leaf = await makeCertificate({
        issuer: 'middle',
        subject: 'leaf',
        key: signer,
        signedBy: middleKey,
        extensions: [extension('1.2.3', der.null())],
      });
      await check(pem(leaf, middle, root));
      await check(pem(leaf, middle));
      await check(pem(leaf));
      await assert.rejects(check(pem(leaf, root)), refused(/does not lead/));
      const notAuthority = await makeCertificate({
        issuer: 'root',
        subject: 'middle',
        key: middleKey,
        signedBy: rootKey,
        extensions: [extension('1.2.3', der.null())],
      });
      await assert.rejects(check(pem(leaf, notAuthority, root)), refused(/not an authority/));
      const forged = await makeCertificate({
        issuer: 'middle',
        subject: 'leaf',
        key: signer,
        signedBy: generateSigner(),
        extensions: [extension('1.2.3', der.null())],
      });
      await assert.rejects(check(pem(forged, middle, root)), refused(/does not lead/));
      const tight = await makeCertificate({
        issuer: 'root',
        subject: 'root',
        key: rootKey,
        signedBy: rootKey,
        extensions: authority(0),
      });
      await assert.rejects(check(pem(leaf, middle, tight)), refused(/fewer authorities/));
      await assert.rejects(check(pem(leaf, ...Array(10).fill(middle))), refused(/more than 10/));
      const mixed = Buffer.concat([pem(leaf), utf8(toPem('PUBLIC KEY', signer.publicKey.spki))]);
      await assert.rejects(check(mixed), refused(/found PUBLIC KEY/));
    });

    it('must be keys as Go reads them', () => {
      const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'der', type: 'spki' });
      format('x509').readPublicKey(utf8(toPem('PUBLIC KEY', rsa)));
      const bare = der.sequence(der.sequence(der.oid(oids.rsaEncryption)), der.bitString(rsa.subarray(24)));
      assert.throws(() => format('x509').readPublicKey(utf8(toPem('PUBLIC KEY', bare))), refused(/NULL/));
      assert.throws(() => format('x509').readPublicKey(utf8(toPem('RSA PUBLIC KEY', rsa))), refused());
    });
  });
});

/** r and s as SSH has them. */
function sshEcdsa(key: KeyObject, content: Uint8Array): Buffer {
  const raw = sign('sha256', content, { key, dsaEncoding: 'ieee-p1363' });
  const mpint = (bytes: Buffer): Buffer => {
    const trimmed = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
    return string((trimmed[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), trimmed]) : trimmed);
  };
  return Buffer.concat([mpint(raw.subarray(0, 32)), mpint(raw.subarray(32))]);
}
