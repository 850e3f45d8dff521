import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { generatePrivateKey } from '@signet/primitives/keys';
import { after, before, describe, it } from 'mocha';
import { Instance } from '../scene/instance.ts';
import { Workshop } from '../scene/workshop.ts';

const execute = promisify(execFile);
const library = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so'].find(
  existsSync,
);

describe('an author whose key is in SoftHSM2', function () {
  this.timeout(120_000);
  let workshop: Workshop;
  let instance: Instance;
  let env: Record<string, string>;
  let uri: string;

  before(async function () {
    // The binding is an optional peer and is built on demand only.
    const built = await import('pkcs11js' as string).then(
      () => true,
      () => false,
    );
    if (library === undefined || !built) {
      process.stderr.write(
        '    not tested: this machine lacks SoftHSM2 (apt-get install softhsm2) or pkcs11js, built\n',
      );
      this.skip();
    }
    workshop = await Workshop.open();
    instance = await Instance.create(workshop);
    await mkdir(workshop.path('tokens'));
    env = { SOFTHSM2_CONF: workshop.path('softhsm2.conf') };
    await writeFile(workshop.path('softhsm2.conf'), `directories.tokendir = ${workshop.path('tokens')}\n`);
    const softhsm = (...args: string[]) => execute('softhsm2-util', args, { env: { ...process.env, ...env } });
    await softhsm('--init-token', '--free', '--label', 'release', '--so-pin', '5678', '--pin', '1234');
    const pem = generatePrivateKey('PKIX_ECDSA_P384_SHA_384').export({ format: 'pem', type: 'pkcs8' });
    await writeFile(workshop.path('key.pem'), pem, { mode: 0o600 });
    await softhsm(
      '--import',
      workshop.path('key.pem'),
      '--token',
      'release',
      '--label',
      'npm',
      '--id',
      'a1',
      '--pin',
      '1234',
    );
    await rm(workshop.path('key.pem'));
    await writeFile(workshop.path('pin'), '1234\n', { mode: 0o600 });
    uri = `pkcs11:token=release;object=npm?module-path=${library}&pin-source=pin&algorithm=ecdsa-p384`;
    await writeFile(workshop.path('notes.txt'), 'hello\n');
  });
  after(async () => {
    await instance?.stop();
    await workshop?.close();
  });

  it('signs by the key’s URI, and consumers verify with its public half', async () => {
    const trusted = ['--trusted-root', instance.urls.trustedRoot];
    const exported = await workshop.signet(['key', 'export', uri, '--out', 'npm.pub'], { env });
    assert.equal(exported.code, 0, exported.stderr);
    const signed = await workshop.signet(
      ['sign', 'notes.txt', '--key', uri, '--registry', instance.urls.registry, ...trusted],
      { env },
    );
    assert.equal(signed.code, 0, signed.stderr);
    const verified = await workshop.signet(['verify', 'notes.txt', '--key', 'npm.pub', ...trusted]);
    assert.equal(verified.code, 0, verified.stderr);
  });

  it('signs a file that is too large to be held whole, since the device is given its digest', async () => {
    const file = await open(workshop.path('large'), 'w');
    await file.truncate(300 * 1024 * 1024);
    await file.close();
    const trusted = ['--trusted-root', instance.urls.trustedRoot];
    const sign = ['sign', 'large', '--key', uri, '--registry', instance.urls.registry, ...trusted];
    const signed = await workshop.signet(sign, { env });
    assert.equal(signed.code, 0, signed.stderr);
    const verified = await workshop.signet(['verify', 'large', '--key', 'npm.pub', ...trusted]);
    assert.equal(verified.code, 0, verified.stderr);
  });

  it('is refused where the token has no such key, or the PIN is wrong', async () => {
    const places = ['--registry', instance.urls.registry, '--trusted-root', instance.urls.trustedRoot, '--force'];
    await writeFile(workshop.path('wrong'), '9999\n', { mode: 0o600 });
    for (const wrong of [
      uri.replace('object=npm', 'object=other'),
      uri.replace('pin-source=pin', 'pin-source=wrong'),
    ]) {
      const { code, stderr } = await workshop.signet(['sign', 'notes.txt', '--key', wrong, ...places], { env });
      assert.notEqual(code, 0);
      assert.match(stderr, /ERR_KEY_SIGNER/);
    }
  });
});
