import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { importPublicKey, verifySignature } from '@signet/primitives/crypto';
import { type KeyDetails, utf8 } from '@signet/primitives/formats';
import { generatePrivateKey, openSigner, pkcs11Signer } from '@signet/primitives/keys';

const run = promisify(execFile);
const libraries = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so'];

/** What is missing on this machine, or undefined. */
async function missing(): Promise<string | undefined> {
  if (!libraries.some(existsSync)) return 'SoftHSM2 (Debian: apt-get install softhsm2)';
  const built = await import('pkcs11js').then(
    () => true,
    () => false,
  );
  return built ? undefined : 'pkcs11js, built (npm explore pkcs11js -- node-gyp rebuild)';
}

describe('a signer on a PKCS #11 device', () => {
  const message = utf8('message');
  let directory: string | undefined;
  const confBefore = process.env.SOFTHSM2_CONF;
  const library = libraries.find(existsSync) ?? '';
  const kinds: readonly KeyDetails[] = [
    'PKIX_ECDSA_P256_SHA_256',
    'PKIX_ECDSA_P384_SHA_384',
    'PKIX_RSA_PKCS1V15_3072_SHA256',
  ];

  before(async function () {
    const lack = await missing();
    if (lack !== undefined) {
      process.stderr.write(`    not tested with a device: this machine lacks ${lack}\n`);
      this.skip();
    }
    directory = await mkdtemp(join(tmpdir(), 'signet-pkcs11-'));
    await mkdir(join(directory, 'tokens'));
    process.env.SOFTHSM2_CONF = join(directory, 'softhsm2.conf');
    await writeFile(process.env.SOFTHSM2_CONF, `directories.tokendir = ${join(directory, 'tokens')}\n`);
    const pins = ['--so-pin', '5678', '--pin', '1234'];
    await run('softhsm2-util', ['--init-token', '--free', '--label', 'signet', ...pins]);
    for (const [index, kind] of kinds.entries()) {
      const file = join(directory, `${index}.pem`);
      await writeFile(file, generatePrivateKey(kind).export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
      const names = ['--label', kind, '--id', `a${index}`];
      await run('softhsm2-util', ['--import', file, '--token', 'signet', ...names, '--pin', '1234']);
    }
  });

  after(async () => {
    if (confBefore === undefined) delete process.env.SOFTHSM2_CONF;
    else process.env.SOFTHSM2_CONF = confBefore;
    if (directory !== undefined) await rm(directory, { recursive: true });
  });

  const key = (change: object = {}) => ({
    module: library,
    token: 'signet',
    label: 'PKIX_ECDSA_P256_SHA_256',
    pin: '1234',
    keyDetails: 'PKIX_ECDSA_P256_SHA_256' as KeyDetails,
    ...change,
  });

  for (const [index, keyDetails] of kinds.entries()) {
    it(`signs with ${keyDetails}, found by label or by id, many at once`, async () => {
      const signer = await pkcs11Signer(key({ label: keyDetails, keyDetails }));
      const byId = await pkcs11Signer(key({ label: undefined, id: `a${index}`, keyDetails }));
      assert.deepEqual(byId.publicKey.spki, signer.publicKey.spki);
      const verificationKey = importPublicKey(signer.publicKey);
      const signatures = await Promise.all(Array.from({ length: 300 }, () => signer.sign(message)));
      for (const signature of signatures) {
        assert.ok(verifySignature({ key: verificationKey, details: keyDetails, message, signature }));
      }
    });
  }

  it('is opened by a file in the place of a key, with the PIN in another', async () => {
    const path = join(directory ?? '', 'ca.key');
    const { pin, ...description } = key();
    await writeFile(path, JSON.stringify({ format: 1, type: 'signet-pkcs11-key', ...description, pinFile: './pin' }));
    await assert.rejects(openSigner(path), { code: 'ERR_KEY_FILE', message: /pinFile/ });
    await writeFile(join(directory ?? '', 'pin'), `${pin}\n`, { mode: 0o644 });
    await assert.rejects(openSigner(path), { code: 'ERR_KEY_FILE', message: /other users/ });
    await rm(join(directory ?? '', 'pin'));
    await writeFile(join(directory ?? '', 'pin'), `${pin}\n`, { mode: 0o600 });
    await (await openSigner(path)).sign(message);
  });

  it('says which device, token or key it does not find', async () => {
    for (const [change, words] of [
      [{ token: 'other' }, /is not among the tokens of the device \(signet/],
      [{ label: 'other' }, /has no private key other/],
      [{ label: undefined }, /neither label nor id/],
      [{ module: '/nowhere/libpkcs11.so' }, /cannot be loaded/],
    ] as const) {
      await assert.rejects(pkcs11Signer(key(change)), { code: 'ERR_KEY_SIGNER', message: words });
    }
    await assert.rejects(pkcs11Signer(key({ keyDetails: 'PKIX_ECDSA_P384_SHA_384' })), { code: 'ERR_KEY_UNSUPPORTED' });
    await assert.rejects(pkcs11Signer(key({ keyDetails: 'PKIX_ED25519' })), { code: 'ERR_KEY_UNSUPPORTED' });
  });
});
