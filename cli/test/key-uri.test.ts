import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pkcs11KeyOf } from '../src/key-uri.ts';
import { algorithms } from '../src/signer.ts';

describe('a pkcs11: URI', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-uri-'));
    await writeFile(join(folder, 'pin'), '1234\n', { mode: 0o600 });
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });

  const keyOf = (uri: string) => pkcs11KeyOf(uri, folder, algorithms);

  it('names a key on a device, its library, the file with its PIN and its algorithm', async () => {
    const uri =
      'pkcs11:token=my%20token;object=release;id=%a1%0F?module-path=/lib/p11.so&pin-source=file:pin&algorithm=ecdsa-p384';
    assert.deepEqual(await keyOf(uri), {
      module: '/lib/p11.so',
      token: 'my token',
      label: 'release',
      id: 'a10f',
      pin: '1234',
      keyDetails: 'PKIX_ECDSA_P384_SHA_384',
    });
    const short = await keyOf('pkcs11:token=t;object=o?module-path=/lib/p11.so');
    assert.equal(short.keyDetails, 'PKIX_ECDSA_P256_SHA_256');
    assert.equal(short.pin, undefined);
  });

  for (const [what, uri, words] of [
    ['a PIN in it', 'pkcs11:token=t;object=o?module-path=/l&pin-value=1234', /only you can read/],
    ['no library', 'pkcs11:token=t;object=o', /module-path/],
    ['no key', 'pkcs11:token=t?module-path=/l', /object=NAME/],
    [
      'an attribute that chooses among devices in another way',
      'pkcs11:token=t;object=o;serial=1?module-path=/l',
      /serial/,
    ],
    ['an attribute twice', 'pkcs11:token=t;token=u;object=o?module-path=/l', /twice/],
    ['half an escape', 'pkcs11:token=t;id=%4?module-path=/l', /hexadecimal/],
    ['an unknown algorithm', 'pkcs11:token=t;object=o?module-path=/l&algorithm=dsa', /dsa/],
  ] as const) {
    it(`is refused with ${what}`, async () => {
      await assert.rejects(keyOf(uri), { code: 'ERR_USAGE', message: words });
    });
  }

  it('is refused where others can read the PIN', async function () {
    if (process.platform === 'win32') this.skip();
    await chmod(join(folder, 'pin'), 0o644);
    await assert.rejects(keyOf('pkcs11:token=t;object=o?module-path=/l&pin-source=pin'), {
      code: 'ERR_KEY_FILE',
      message: /chmod 600/,
    });
  });
});
