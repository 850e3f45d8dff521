import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importPublicKey, verifySignature } from '@signet/primitives/crypto';
import { equalBytes, type KeyDetails, SignetError } from '@signet/primitives/formats';
import { createKeyFile, generateSigner, openKeyFile } from '@signet/primitives/keys';

const keyFileError = (words: RegExp) => (error: unknown) =>
  error instanceof SignetError && error.code === 'ERR_KEY_FILE' && words.test(error.message);

describe('key files', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-keys-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const message = new TextEncoder().encode('message');

  for (const details of [
    'PKIX_ECDSA_P256_SHA_256',
    'PKIX_ECDSA_P384_SHA_384',
    'PKIX_ED25519',
    'PKIX_RSA_PSS_2048_SHA256',
  ] as const) {
    it(`keeps a ${details} key that signs as before after it is opened again`, async () => {
      const path = join(directory, 'key.json');
      const created = await createKeyFile(path, details);
      const opened = await openKeyFile(path);
      assert.equal(opened.keyDetails, details satisfies KeyDetails);
      assert.ok(equalBytes(opened.publicKey.spki, created.publicKey.spki));
      const signature = await opened.sign(message);
      assert.ok(verifySignature({ key: importPublicKey(created.publicKey), details, message, signature }));
      const aside = await (await openKeyFile(path, { aside: true })).sign(message);
      assert.ok(verifySignature({ key: importPublicKey(created.publicKey), details, message, signature: aside }));
    });
  }

  it('writes mode 0600, leaves no other file, and never overwrites', async () => {
    const path = join(directory, 'key.json');
    await createKeyFile(path, 'PKIX_ED25519');
    const before = await readFile(path, 'utf8');
    if (process.platform !== 'win32') assert.equal((await stat(path)).mode & 0o777, 0o600);
    await assert.rejects(createKeyFile(path, 'PKIX_ED25519'), keyFileError(/never overwritten/));
    assert.equal(await readFile(path, 'utf8'), before);
    assert.deepEqual(await readdir(directory), ['key.json']);
  });

  it('encrypts with a passphrase and opens with no other', async () => {
    const path = join(directory, 'key.json');
    const created = await createKeyFile(path, 'PKIX_ECDSA_P256_SHA_256', { passphrase: 'correct horse' });
    const text = await readFile(path, 'utf8');
    assert.doesNotMatch(text, /correct horse/);
    const opened = await openKeyFile(path, { passphrase: 'correct horse' });
    assert.ok(equalBytes(opened.publicKey.spki, created.publicKey.spki));
    await assert.rejects(openKeyFile(path, { passphrase: 'wrong' }), keyFileError(/passphrase is wrong/));
    await assert.rejects(openKeyFile(path), keyFileError(/encrypted/));
    const file = JSON.parse(text);
    const flipped = Buffer.from(file.privateKey, 'base64');
    flipped[3] = (flipped[3] ?? 0) ^ 1;
    await writeFile(path, JSON.stringify({ ...file, privateKey: flipped.toString('base64') }));
    await assert.rejects(openKeyFile(path, { passphrase: 'correct horse' }), keyFileError(/changed/));
    await writeFile(path, JSON.stringify({ ...file, encryption: { ...file.encryption, cost: 2 ** 30 } }));
    await assert.rejects(openKeyFile(path, { passphrase: 'correct horse' }), keyFileError(/512 MiB/));
  });

  it('refuses files that others may read, that are missing, foreign or of a newer format', async () => {
    const path = join(directory, 'key.json');
    await assert.rejects(openKeyFile(path), keyFileError(/cannot be read/));
    await writeFile(path, '{"type":"signet-private-key","format":2}', { mode: 0o600 });
    await assert.rejects(openKeyFile(path), keyFileError(/update Signet/));
    await writeFile(path, 'null');
    await assert.rejects(openKeyFile(path), keyFileError(/not a private key/));
    await writeFile(path, '{');
    await assert.rejects(openKeyFile(path), keyFileError(/not JSON/));
    if (process.platform === 'win32') return;
    await chmod(path, 0o644);
    await assert.rejects(openKeyFile(path), keyFileError(/chmod 600/));
  });
});

describe('generateSigner', () => {
  it('makes a P-256 key by default', () => {
    assert.equal(generateSigner().keyDetails, 'PKIX_ECDSA_P256_SHA_256');
  });
});
