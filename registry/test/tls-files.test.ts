import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toPem } from '@signet/primitives/formats';
import { signerFromPrivateKey } from '@signet/primitives/keys';
import { createAuthority } from '@signet/services/ca';
import { formatInstanceFile, parseInstanceFile } from '../src/instance-file.ts';
import { readTlsFiles, type TlsMaterial, watchTlsFiles } from '../src/tls-files.ts';

async function makeCertificate(): Promise<{ cert: string; key: string }> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const rootSigner = signerFromPrivateKey(privateKey);
  const { root } = await createAuthority({ name: 'acme', rootSigner, intermediateSigner: rootSigner });
  return {
    cert: toPem('CERTIFICATE', root),
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
}

describe('files for HTTPS', () => {
  let directory: string;
  let files: { certificate: string; key: string };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-tls-'));
    files = { certificate: join(directory, 'tls.pem'), key: join(directory, 'tls.key') };
  });

  after(() => rm(directory, { recursive: true }));

  it('are read when they belong together, and refused in words otherwise', async () => {
    const [one, other] = [await makeCertificate(), await makeCertificate()];
    const refused = async (cert: string, key: string, message: RegExp) => {
      await writeFile(files.certificate, cert);
      await writeFile(files.key, key);
      await assert.rejects(readTlsFiles(files), { code: 'ERR_INSTANCE_CONFIG', message });
    };
    await refused(one.cert, other.key, /is not for the key/);
    await refused('nonsense', one.key, /tls\.pem does not hold a certificate/);
    await refused(one.cert, 'nonsense', /tls\.key does not hold an unencrypted private key/);
    await rm(files.key);
    await assert.rejects(readTlsFiles(files), { code: 'ERR_INSTANCE_CONFIG', message: /tls\.key cannot be read/ });
    await writeFile(files.key, one.key);
    await writeFile(files.certificate, one.cert);
    assert.equal((await readTlsFiles(files)).cert, one.cert);
  });

  it('that were renewed come into use, once both have been', async () => {
    const [one, other] = [await makeCertificate(), await makeCertificate()];
    await writeFile(files.certificate, one.cert);
    await writeFile(files.key, one.key);
    const problem = Promise.withResolvers<string>();
    const change = Promise.withResolvers<TlsMaterial>();
    const stop = watchTlsFiles(files, change.resolve, problem.resolve, 10);
    try {
      // The first look is at what is in use.
      await new Promise((resolve) => setTimeout(resolve, 50));
      await writeFile(files.certificate, other.cert);
      assert.match(await problem.promise, /is not for the key .*the certificate from before stays in use/);
      await writeFile(files.key, other.key);
      assert.equal((await change.promise).cert, other.cert);
    } finally {
      stop();
    }
  });

  it('stand in instance.yaml, with a public URL of https alone', () => {
    const configuration = parseInstanceFile(
      'version: 1\npublicUrl: https://npm.acme.example\nlisten: { host: "::", port: 443 }\ncreated: 2026-01-01T00:00:00Z\n' +
        'names: ["@acme/*"]\ntls: { certificate: tls.pem, key: /etc/tls.key }\n',
    );
    assert.deepEqual(configuration.tls, { certificate: 'tls.pem', key: '/etc/tls.key' });
    assert.deepEqual(parseInstanceFile(formatInstanceFile(configuration)), configuration);
    const { tls: _, ...without } = configuration;
    assert.deepEqual(parseInstanceFile(formatInstanceFile(without)), without);
    for (const [from, to] of [
      ['https://npm', 'http://npm'],
      ['key: "/etc/tls.key"', 'key: ""'],
      ['key: "/etc/tls.key"', 'keys: "/etc/tls.key"'],
    ] as const) {
      const text = formatInstanceFile(configuration).replace(from, to);
      assert.throws(() => parseInstanceFile(text), { code: 'ERR_INSTANCE_CONFIG' }, to);
    }
  });
});
