import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { SignetError, utf8 } from '@signet/primitives/formats';
import { builtInPkiFormats, type PkiFormat } from '../../../src/log/pki/index.ts';
import { needs, ToolBench } from '../tools.ts';

const message = utf8('an artifact of some release\n');

function format(name: string): PkiFormat {
  const found = builtInPkiFormats.find((one) => one.name === name);
  assert.ok(found !== undefined);
  return found;
}

function refused(error: unknown): boolean {
  return error instanceof SignetError && error.code === 'ERR_LOG_SIGNATURE';
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** A key and a signature are taken; over other bytes, by another key or changed they are not. */
async function checkPair(name: string, key: Uint8Array, signature: Uint8Array, otherKey: Uint8Array): Promise<void> {
  const read = format(name).readPublicKey(key);
  const canonical = await read.verify(signature, message);
  await assert.rejects(async () => read.verify(signature, utf8('another artifact\n')), refused);
  await assert.rejects(async () => format(name).readPublicKey(otherKey).verify(signature, message), refused);
  // Canonical forms are read again as the same thing: a client that recomputes an entry from the log gets the same leaf.
  const again = format(name).readPublicKey(read.canonical);
  assert.deepEqual(Buffer.from(again.canonical), Buffer.from(read.canonical));
  assert.deepEqual(again.searchTerms, read.searchTerms);
  assert.deepEqual(Buffer.from(await again.verify(canonical, message)), Buffer.from(canonical));
}

describe('keys and signatures of other programs', () => {
  let bench: ToolBench;
  before(() => {
    bench = new ToolBench();
    bench.file('artifact', message);
  });
  after(() => bench.close());

  describe('GnuPG', () => {
    const generate = (address: string, algorithm: string, ...more: string[]): void => {
      bench.folder('gnupg');
      const args = ['--batch', '--passphrase', '', '--quick-generate-key', `Somebody (test) <${address}>`, algorithm];
      bench.run('gpg', [...args, ...(more.length > 0 ? more : ['sign', 'never'])]);
    };
    const exported = (address: string, ...more: string[]): Buffer => bench.run('gpg', [...more, '--export', address]);
    const signed = (address: string, ...more: string[]): Buffer =>
      bench.run('gpg', ['--batch', '-u', address, ...more, '--output', '-', '--detach-sign', 'artifact']);

    before(function () {
      this.timeout(60_000);
      needs(this, 'gpg', 'gnupg');
      generate('rsa@example.com', 'rsa2048');
      generate('ed@example.com', 'ed25519');
      generate('p256@example.com', 'nistp256');
      generate('sub@example.com', 'ed25519', 'cert', 'never');
      const fingerprint = /fpr:+([0-9A-F]+):/.exec(
        bench.run('gpg', ['--with-colons', '-k', 'sub@example.com']).toString(),
      );
      bench.run('gpg', [
        '--batch',
        '--passphrase',
        '',
        '--quick-add-key',
        fingerprint?.[1] ?? '',
        'ed25519',
        'sign',
        'never',
      ]);
    });

    for (const address of ['rsa@example.com', 'ed@example.com', 'p256@example.com', 'sub@example.com']) {
      it(`signs with the key of ${address}, armored and not`, async () => {
        const other = exported(address === 'ed@example.com' ? 'rsa@example.com' : 'ed@example.com');
        await checkPair('pgp', exported(address), signed(address), other);
        await checkPair('pgp', exported(address, '--armor'), signed(address, '--armor'), other);
      });
    }

    it('has one canonical form, armored or not, and it is that of go-crypto: packets with new headers', () => {
      const [binary, armored] = [exported('ed@example.com'), exported('ed@example.com', '--armor')];
      const { canonical, searchTerms } = format('pgp').readPublicKey(binary);
      assert.deepEqual(format('pgp').readPublicKey(armored).canonical, canonical);
      const text = Buffer.from(canonical).toString();
      assert.match(
        text,
        /^-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nx[\w+/\n]+=*\n=[\w+/]{4}\n-----END PGP PUBLIC KEY BLOCK-----$/,
      );
      assert.deepEqual(
        searchTerms.filter(({ kind }) => kind === 'email'),
        [{ kind: 'email', text: 'ed@example.com' }],
      );
      // gpg reads it as the same key.
      const list = bench.run('gpg', ['--with-colons', '--show-keys'], text).toString();
      assert.match(list, /ed@example\.com/);
    });

    it('signs what is later forged, and no forgery is taken', async () => {
      const key = format('pgp').readPublicKey(exported('ed@example.com'));
      const signature = signed('ed@example.com');
      for (const at of [0, 4, 10, signature.length - 20, signature.length - 1]) {
        await assert.rejects(async () => key.verify(flipped(signature, at), message), refused, `byte ${at}`);
      }
      await assert.rejects(async () => key.verify(signature.subarray(0, -1), message), refused);
      await assert.rejects(async () => key.verify(new Uint8Array(), message), refused);
      const inline = bench.run('gpg', ['--batch', '-u', 'ed@example.com', '--output', '-', '--clear-sign', 'artifact']);
      await assert.rejects(async () => key.verify(inline, message), refused);
    });

    it('exports private keys, which are refused', () => {
      const secret = bench.run('gpg', ['--batch', '--passphrase', '', '--export-secret-keys', 'ed@example.com']);
      assert.throws(() => format('pgp').readPublicKey(secret), /private key/);
    });
  });

  describe('minisign', () => {
    before(function () {
      needs(this, 'minisign');
      for (const name of ['mine', 'other']) {
        bench.run('minisign', ['-G', '-f', '-W', '-p', `${name}.pub`, '-s', `${name}.key`]);
      }
    });

    const signed = (...more: string[]): Buffer => {
      bench.run('minisign', [
        '-S',
        ...more,
        '-s',
        'mine.key',
        '-m',
        'artifact',
        '-x',
        'artifact.minisig',
        '-t',
        'release 1',
      ]);
      return readFileSync(bench.path('artifact.minisig'));
    };
    const key = (name: string): Buffer => readFileSync(bench.path(`${name}.pub`));

    it('signs in both of its modes', async () => {
      await checkPair('minisign', key('mine'), signed('-H'), key('other'));
      await checkPair('minisign', key('mine'), signed('-l'), key('other'));
    });

    it('writes keys in a file or as a line, and one canonical form stands for both', () => {
      const line = key('mine').toString().split('\n')[1] ?? '';
      const { canonical } = format('minisign').readPublicKey(key('mine'));
      assert.equal(Buffer.from(canonical).toString(), line);
      assert.deepEqual(format('minisign').readPublicKey(utf8(line)).canonical, canonical);
      const raw = Buffer.from(line, 'base64').subarray(10);
      const legacy = Buffer.from(format('minisign').readPublicKey(raw).canonical).toString();
      assert.deepEqual(Buffer.from(legacy, 'base64'), Buffer.concat([Buffer.from('Ed'), Buffer.alloc(8), raw]));
    });

    it('signs a comment too, which cannot be exchanged', async () => {
      const forged = signed('-H').toString().replace('release 1', 'release 2');
      const read = format('minisign').readPublicKey(key('mine'));
      await assert.rejects(async () => read.verify(utf8(forged), message), /trusted comment/);
    });

    it('logs a signature without either comment', async () => {
      const signature = signed('-H');
      const canonical = await format('minisign').readPublicKey(key('mine')).verify(signature, message);
      assert.equal(Buffer.from(canonical).toString(), `untrusted comment:\n${signature.toString().split('\n')[1]}`);
    });
  });

  it('signify signs as minisign does', async function () {
    needs(this, 'signify-openbsd');
    for (const name of ['first', 'second']) {
      bench.run('signify-openbsd', ['-G', '-n', '-p', `${name}.pub`, '-s', `${name}.sec`]);
    }
    bench.run('signify-openbsd', ['-S', '-s', 'first.sec', '-m', 'artifact', '-x', 'artifact.sig']);
    const read = (name: string): Buffer => readFileSync(bench.path(name));
    await checkPair('minisign', read('first.pub'), read('artifact.sig'), read('second.pub'));
  });

  describe('ssh-keygen -Y sign', () => {
    before(function () {
      needs(this, 'ssh-keygen', 'openssh-client');
      for (const [type, bits] of [
        ['ed25519', '256'],
        ['rsa', '2048'],
        ['ecdsa', '256'],
        ['ecdsa', '384'],
        ['ecdsa', '521'],
      ]) {
        bench.run('ssh-keygen', [
          '-q',
          '-t',
          type ?? '',
          '-b',
          bits ?? '',
          '-N',
          '',
          '-C',
          'who@example.com',
          '-f',
          `${type}-${bits}`,
        ]);
      }
      bench.run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', 'other']);
    });

    const sign = (key: string, ...more: string[]): Buffer =>
      bench.run('ssh-keygen', ['-Y', 'sign', ...more, '-n', 'file', '-f', key], message);
    const publicKey = (name: string): Buffer => readFileSync(bench.path(`${name}.pub`));

    for (const name of ['ed25519-256', 'rsa-2048', 'ecdsa-256', 'ecdsa-384', 'ecdsa-521']) {
      it(`signs with a key of ${name}`, () => checkPair('ssh', publicKey(name), sign(name), publicKey('other')));
    }

    it('signs over SHA-256 as well, which the entry keeps', async () => {
      await checkPair('ssh', publicKey('ed25519-256'), sign('ed25519-256', '-O', 'hashalg=sha256'), publicKey('other'));
    });

    it('reads the canonical signature again and finds it good', async () => {
      const canonical = await format('ssh').readPublicKey(publicKey('rsa-2048')).verify(sign('rsa-2048'), message);
      bench.file('artifact.ssh', canonical);
      bench.file('allowed', `who@example.com ${publicKey('rsa-2048')}`);
      const args = ['-Y', 'verify', '-f', 'allowed', '-I', 'who@example.com', '-n', 'file', '-s', 'artifact.ssh'];
      assert.match(bench.run('ssh-keygen', args, message).toString(), /^Good "file" signature/);
    });

    it('signs for other purposes, which are refused', async () => {
      const forGit = bench.run('ssh-keygen', ['-Y', 'sign', '-n', 'git', '-f', 'other'], message);
      await assert.rejects(
        async () => format('ssh').readPublicKey(publicKey('other')).verify(forGit, message),
        /for "git"/,
      );
    });

    it('has canonical keys without their comment', () => {
      const { canonical } = format('ssh').readPublicKey(publicKey('ed25519-256'));
      const [type, base64] = publicKey('ed25519-256').toString().split(' ');
      assert.equal(Buffer.from(canonical).toString(), `${type} ${base64}\n`);
    });
  });

  describe('openssl', () => {
    before(function () {
      needs(this, 'openssl');
      for (const [name, ...args] of [
        ['p256', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
        ['p384', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
        ['rsa', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
        ['other', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      ]) {
        bench.run('openssl', ['genpkey', ...args, '-out', `${name}.pem`]);
        bench.run('openssl', ['pkey', '-in', `${name}.pem`, '-pubout', '-out', `${name}-public.pem`]);
        const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=email:who@example.com', '-days', '2'];
        bench.run('openssl', [
          'req',
          '-x509',
          '-new',
          '-key',
          `${name}.pem`,
          ...subject,
          '-out',
          `${name}-certificate.pem`,
        ]);
      }
    });

    const read = (name: string): Buffer => readFileSync(bench.path(name));
    const sign = (name: string, digest = '-sha256'): Buffer => {
      bench.run('openssl', ['dgst', digest, '-sign', `${name}.pem`, '-out', 'artifact.raw', 'artifact']);
      return read('artifact.raw');
    };

    for (const name of ['p256', 'p384', 'rsa']) {
      it(`signs with a key of ${name}, bare or certified`, async () => {
        await checkPair('x509', read(`${name}-public.pem`), sign(name), read('other-public.pem'));
        await checkPair('x509', read(`${name}-certificate.pem`), sign(name), read('other-certificate.pem'));
      });
    }

    it("signs with a curve's own hash as well", () =>
      checkPair('x509', read('p384-public.pem'), sign('p384', '-sha384'), read('other-public.pem')));

    it('names people in certificates, by whom entries are found', () => {
      const { searchTerms } = format('x509').readPublicKey(read('p256-certificate.pem'));
      assert.ok(searchTerms.some((term) => term.kind === 'email' && term.text === 'who@example.com'));
    });

    it('makes chains, which must hold together', async () => {
      bench.file('leaf.cnf', 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n');
      bench.run('openssl', ['req', '-new', '-key', 'p256.pem', '-subj', '/CN=leaf', '-out', 'leaf.csr']);
      const by = ['-CA', 'other-certificate.pem', '-CAkey', 'other.pem', '-CAcreateserial', '-days', '2'];
      bench.run('openssl', ['x509', '-req', '-in', 'leaf.csr', ...by, '-extfile', 'leaf.cnf', '-out', 'leaf.pem']);
      const chain = Buffer.concat([read('leaf.pem'), read('other-certificate.pem')]);
      const wrong = Buffer.concat([read('leaf.pem'), read('p384-certificate.pem')]);
      await checkPair('x509', chain, sign('p256'), wrong);
      assert.deepEqual(Buffer.from(format('x509').readPublicKey(chain).canonical), chain);
    });
  });
});
