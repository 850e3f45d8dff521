import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { Instance } from '../scene/instance.ts';
import { run } from '../scene/processes.ts';
import { Workshop } from '../scene/workshop.ts';

describe('openssl against a Signet instance', () => {
  let workshop: Workshop;
  let instance: Instance;
  const openssl = (...args: string[]) => run('openssl', args, workshop.options());

  before(async function () {
    workshop = await Workshop.open();
    const version = await openssl('version').catch(() => undefined);
    if (version?.code !== 0) {
      console.log('      skipped: there is no openssl on this machine');
      this.skip();
    }
    instance = await Instance.create(workshop);
  });
  after(async () => {
    await instance?.stop();
    await workshop?.close();
  });

  it('accepts the certificate chain that the authority issues', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const email = 'bob@example.com';
    const response = await fetch(`${instance.urls.ca}/api/v2/signingCert`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        credentials: { oidcIdentityToken: await instance.token(email) },
        publicKeyRequest: {
          publicKey: { algorithm: 'ECDSA', content: publicKey.export({ format: 'pem', type: 'spki' }) },
          proofOfPossession: sign('sha256', Buffer.from(email), privateKey).toString('base64'),
        },
      }),
    });
    assert.equal(response.status, 200);
    const body = (await response.json()) as { signedCertificateEmbeddedSct: { chain: { certificates: string[] } } };
    const [leaf = '', intermediate = '', root = ''] = body.signedCertificateEmbeddedSct.chain.certificates;
    await writeFile(workshop.path('leaf.pem'), leaf);
    await writeFile(workshop.path('intermediate.pem'), intermediate);
    await writeFile(workshop.path('root.pem'), root);
    // `-purpose any`: OpenSSL knows code signing as a purpose only from 3.2 on; the text below shows it.
    const verified = await openssl(
      'verify',
      '-x509_strict',
      '-purpose',
      'any',
      '-CAfile',
      'root.pem',
      '-untrusted',
      'intermediate.pem',
      'leaf.pem',
    );
    assert.equal(verified.code, 0, verified.stderr);
    const { stdout } = await openssl('x509', '-in', 'leaf.pem', '-noout', '-text');
    for (const expected of [
      'X509v3 Key Usage: critical',
      'Code Signing',
      `email:${email}`,
      'CT Precertificate SCTs',
      'Signed Certificate Timestamp',
    ]) {
      assert.ok(stdout.includes(expected), `${expected} in\n${stdout}`);
    }
  });

  for (const hash of ['sha256', 'sha384', 'sha512']) {
    it(`accepts a timestamp over a ${hash} digest, and refuses it for other data`, async () => {
      await writeFile(workshop.path('data'), `stamp this ${hash}`);
      await writeFile(workshop.path('other'), 'not this');
      assert.equal(
        (await openssl('ts', '-query', '-data', 'data', `-${hash}`, '-cert', '-out', 'request.tsq')).code,
        0,
      );
      const response = await fetch(`${instance.urls.tsa}/api/v1/timestamp`, {
        method: 'POST',
        headers: { 'content-type': 'application/timestamp-query' },
        body: await readFile(workshop.path('request.tsq')),
      });
      assert.equal(response.status, 200);
      await writeFile(workshop.path('response.tsr'), Buffer.from(await response.arrayBuffer()));
      const chain = await (await fetch(`${instance.urls.tsa}/api/v1/timestamp/certchain`)).text();
      await writeFile(workshop.path('tsa.pem'), chain);
      const check = (data: string) =>
        openssl('ts', '-verify', '-data', data, '-in', 'response.tsr', '-CAfile', 'tsa.pem');
      const verified = await check('data');
      assert.equal(verified.code, 0, verified.stderr);
      assert.notEqual((await check('other')).code, 0);
      const { stdout } = await openssl('ts', '-reply', '-in', 'response.tsr', '-text');
      const digest = createHash(hash).update(`stamp this ${hash}`).digest('hex');
      const dumped = stdout.replaceAll(/^ {4}[0-9a-f]{4} - (.{47}) .*$/gm, '$1').replaceAll(/[\s-]/g, '');
      assert.ok(dumped.includes(digest), stdout);
    });
  }
});
