import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { readPrivateKeyPem, toCosignPem } from '@signet/client/sign';
import { parsePem, toPem, utf8 } from '@signet/primitives/formats';

const passphrase = 'correct horse';
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = (key: KeyObject) => createPublicKey(key).export({ format: 'der', type: 'spki' }).toString('hex');

describe('a private key in a file', () => {
  it('is read from PKCS#8, plain and encrypted, from SEC 1 and from PKCS#1', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const ed25519 = generateKeyPairSync('ed25519').privateKey;
    for (const [key, text] of [
      [privateKey, privateKey.export({ format: 'pem', type: 'pkcs8' })],
      [privateKey, privateKey.export({ format: 'pem', type: 'sec1' })],
      [rsa, rsa.export({ format: 'pem', type: 'pkcs1' })],
      [ed25519, ed25519.export({ format: 'pem', type: 'pkcs8' })],
      [privateKey, privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase })],
    ] as const) {
      assert.equal(spki(await readPrivateKeyPem(String(text), { passphrase })), spki(key));
    }
  });

  it('is read and written as cosign keeps it', async () => {
    const text = await toCosignPem(privateKey, passphrase);
    assert.match(text, /^-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n/);
    assert.equal(spki(await readPrivateKeyPem(text, { passphrase })), spki(privateKey));
    const earlier = text.replaceAll('SIGSTORE', 'COSIGN');
    assert.equal(spki(await readPrivateKeyPem(earlier, { passphrase })), spki(privateKey));
    const [block] = parsePem(text);
    const { kdf, cipher } = JSON.parse(Buffer.from(block?.bytes ?? []).toString());
    assert.deepEqual([kdf.name, kdf.params, cipher.name], ['scrypt', { N: 65536, r: 8, p: 1 }, 'nacl/secretbox']);
  });

  it('is in the box that NaCl makes, tag before text', () => {
    // The beginning of NaCl's own vector for crypto_secretbox_xsalsa20poly1305 (Bernstein, "Cryptography in NaCl", §10).
    const key = Buffer.from('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389', 'hex');
    const nonce = Buffer.from('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37', 'hex');
    const message = Buffer.from('be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffc', 'hex');
    const box = Buffer.from(xsalsa20poly1305(key, nonce).encrypt(message)).toString('hex');
    assert.equal(box.length, 2 * (16 + message.length));
    assert.equal(box.slice(32), '8e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a');
  });

  it('stays closed without the passphrase, with a wrong one, and when it was changed', async () => {
    const cosign = await toCosignPem(privateKey, passphrase);
    const pkcs8 = String(privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase }));
    for (const text of [cosign, pkcs8]) {
      await assert.rejects(readPrivateKeyPem(text), { code: 'ERR_KEY_FILE', message: /SIGNET_PASSPHRASE_FILE/ });
      await assert.rejects(readPrivateKeyPem(text, { passphrase: 'wrong' }), {
        code: 'ERR_KEY_FILE',
        message: /passphrase is wrong/,
      });
    }
  });

  it('is refused when it asks for too much, is unknown, or is none', async () => {
    const [block] = parsePem(await toCosignPem(privateKey, passphrase));
    const value = JSON.parse(Buffer.from(block?.bytes ?? []).toString());
    const changed = (change: object) =>
      toPem('ENCRYPTED SIGSTORE PRIVATE KEY', utf8(JSON.stringify({ ...value, ...change })));
    const greedy = changed({ kdf: { ...value.kdf, params: { N: 2 ** 30, r: 8, p: 1 } } });
    await assert.rejects(readPrivateKeyPem(greedy, { passphrase }), { code: 'ERR_KEY_FILE', message: /512 MiB/ });
    for (const change of [
      { kdf: 7 },
      { cipher: { name: 'none', nonce: '' } },
      { ciphertext: 1 },
      { kdf: { ...value.kdf, params: { N: -1 } } },
    ]) {
      await assert.rejects(readPrivateKeyPem(changed(change), { passphrase }), { code: 'ERR_KEY_FILE' });
    }
    await assert.rejects(readPrivateKeyPem('no key'), { code: 'ERR_KEY_FILE' });
    await assert.rejects(readPrivateKeyPem(toPem('CERTIFICATE', new Uint8Array(3))), {
      code: 'ERR_KEY_FILE',
      message: /CERTIFICATE/,
    });
  });
});
