import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { signStatement } from '@signet/client/sign';
import { TrustMaterial } from '@signet/client/trust';
import { statementV1 } from '@signet/primitives/formats';
import { generatePrivateKey } from '@signet/primitives/keys';
import { emailClaims, mintToken, type RunningInstance, readDevelopmentKeys, startInstance } from '@signet/registry';

const run = promisify(execFile);
const library = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so'].find(
  existsSync,
);
const keyDetails = 'PKIX_ECDSA_P384_SHA_384';

describe('an instance whose authority keeps its key in SoftHSM2', () => {
  let directory: string | undefined;
  let running: RunningInstance | undefined;
  const { SOFTHSM2_CONF: configured } = process.env;

  before(async function () {
    // The binding is an optional peer and is built on demand only.
    const built = await import('pkcs11js' as string).then(
      () => true,
      () => false,
    );
    if (library === undefined || !built) {
      process.stderr.write(
        '    not tested: this machine lacks SoftHSM2 (apt-get install softhsm2) or pkcs11js, built (npm explore pkcs11js -- node-gyp rebuild)\n',
      );
      this.skip();
    }
    directory = await mkdtemp(join(tmpdir(), 'signet-softhsm-'));
    await mkdir(join(directory, 'tokens'));
    process.env.SOFTHSM2_CONF = join(directory, 'softhsm2.conf');
    await writeFile(process.env.SOFTHSM2_CONF, `directories.tokendir = ${join(directory, 'tokens')}\n`);
    await run('softhsm2-util', ['--init-token', '--free', '--label', 'signet', '--so-pin', '5678', '--pin', '1234']);
    const file = join(directory, 'key.pem');
    await writeFile(file, generatePrivateKey(keyDetails).export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
    await run('softhsm2-util', ['--import', file, '--token', 'signet', '--label', 'ca', '--id', 'a1', '--pin', '1234']);
    await rm(file);
    await writeFile(join(directory, 'pin'), '1234\n', { mode: 0o600 });
  });

  after(async () => {
    await running?.stop();
    if (configured === undefined) delete process.env.SOFTHSM2_CONF;
    else process.env.SOFTHSM2_CONF = configured;
    if (directory !== undefined) await rm(directory, { recursive: true });
  });

  it('issues certificates that clients accept', async () => {
    assert.ok(directory !== undefined && library !== undefined);
    // A library reads its configuration once in a process, and other tests have it loaded: a copy is another library.
    const module = join(directory, 'libsofthsm2.so');
    await copyFile(library, module);
    const description = {
      format: 1,
      type: 'signet-pkcs11-key',
      module,
      token: 'signet',
      label: 'ca',
      keyDetails,
    };
    await writeFile(join(directory, 'ca.json'), JSON.stringify({ ...description, pinFile: join(directory, 'pin') }));
    running = await startInstance({
      directory: join(directory, 'instance'),
      port: 0,
      names: ['@example/*'],
      devIdentity: true,
      uplink: 'none',
      only: ['ca', 'log', 'tsa', 'tuf'],
      keyFiles: { 'ca-intermediate': join(directory, 'ca.json') },
    });
    const { urls, instance } = running;
    assert.doesNotMatch(await readFile(instance.layout.keys.caIntermediate, 'utf8'), /privateKey/);
    const trust = TrustMaterial.fromTrustedRoot(await readFile(instance.layout.trust.trustedRoot, 'utf8'));
    const { verified } = await signStatement({
      statement: statementV1({
        subject: [{ name: 'pkg:npm/%40example/x@1.0.0', digest: { sha512: 'ab'.repeat(64) } }],
        predicateType: 'https://example.com/release/v1',
        predicate: {},
      }),
      identityToken: mintToken(await readDevelopmentKeys(instance.layout), urls.oidc, emailClaims('alice@example.com')),
      services: { caUrl: urls.ca, tsaUrl: `${urls.tsa}/api/v1/timestamp`, logUrl: urls.log },
      trust,
    });
    assert.equal(verified.signer.kind, 'certificate');
  });
});
