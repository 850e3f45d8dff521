import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importPublicKey, verifySignature } from '@signet/primitives/crypto';
import { toPem, utf8 } from '@signet/primitives/formats';
import {
  externalCommandSigner,
  generatePrivateKey,
  openSigner,
  type Signer,
  signerFromPrivateKey,
} from '@signet/primitives/keys';

const details = 'PKIX_ECDSA_P256_SHA_256';
const message = utf8('message');

describe('a signer in another program', () => {
  let directory: string;
  let own: Signer;
  let script: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-external-'));
    const key = generatePrivateKey(details);
    own = signerFromPrivateKey(key, details);
    await writeFile(join(directory, 'key.pem'), key.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
    script = join(directory, 'sign.mjs');
    await writeFile(
      script,
      `import { createHash, sign } from 'node:crypto';
      import { readFileSync, writeFileSync } from 'node:fs';
      import { text } from 'node:stream/consumers';
      const input = await text(process.stdin);
      const request = JSON.parse(input);
      if (input.split('\\n').length !== 2 || request.format !== 1 || request.operation !== 'sign') process.exit(9);
      const message = Buffer.from(request.message, 'base64');
      if (createHash('sha256').update(message).digest('base64') !== request.digest.value) process.exit(8);
      const key = readFileSync(${JSON.stringify(join(directory, 'key.pem'))});
      const dsaEncoding = process.argv[2] === 'p1363' ? 'ieee-p1363' : 'der';
      const signature = sign('sha256', message, { key, dsaEncoding }).toString('base64');
      const answers = {
        der: { signature },
        p1363: { signature, encoding: 'p1363' },
        refused: { error: 'the quota is used up' },
        wrong: { signature: sign('sha256', Buffer.from('other'), key).toString('base64') },
        empty: {},
        strange: { signature, encoding: 'jws' },
        unencoded: { signature: '%' },
      };
      const mode = process.argv[2] ?? 'der';
      if (mode === 'hang') setInterval(() => undefined, 1000);
      else if (mode === 'flood') process.stdout.write('x'.repeat(200_000));
      else if (mode === 'talk') process.stdout.write('Enter PIN:');
      else if (mode === 'fail') { process.stderr.write('no connection'); process.exitCode = 3; }
      else process.stdout.write(JSON.stringify(answers[mode]));`,
    );
  });

  after(() => rm(directory, { recursive: true }));

  const signer = (...words: string[]) =>
    externalCommandSigner({
      command: [process.execPath, script, ...words],
      publicKey: own.publicKey,
      keyDetails: details,
      timeout: words[0] === 'hang' ? 300 : 20_000,
    });

  for (const encoding of ['der', 'p1363']) {
    it(`gives signatures that verify, from ${encoding}`, async () => {
      const signature = await signer(encoding).sign(message);
      assert.ok(verifySignature({ key: importPublicKey(own.publicKey), details, message, signature }));
    });
  }

  for (const [mode, words] of [
    ['refused', /refuses: the quota is used up/],
    ['wrong', /does not verify/],
    ['empty', /without a signature/],
    ['strange', /neither der nor p1363/],
    ['unencoded', /not base64/],
    ['hang', /within 0\.3 s/],
    ['flood', /more than 65536 bytes/],
    ['talk', /one JSON object/],
    ['fail', /ended with 3: no connection/],
  ] as const) {
    it(`that is ${mode} is an error that says so`, async () => {
      await assert.rejects(signer(mode).sign(message), { code: 'ERR_KEY_SIGNER', message: words });
    });
  }

  it('that is not there is an error', async () => {
    const command = [join(directory, 'none')];
    const absent = externalCommandSigner({ command, publicKey: own.publicKey, keyDetails: details });
    await assert.rejects(absent.sign(message), { code: 'ERR_KEY_SIGNER', message: /cannot be started/ });
    assert.throws(() => externalCommandSigner({ command: [], publicKey: own.publicKey, keyDetails: details }), {
      code: 'ERR_KEY_SIGNER',
    });
    assert.throws(() => externalCommandSigner({ command, publicKey: own.publicKey, keyDetails: 'PKIX_ED25519' }), {
      code: 'ERR_KEY_UNSUPPORTED',
    });
  });

  it('is opened by a file in the place of a key', async () => {
    const path = join(directory, 'ca.key');
    const description = {
      format: 1,
      type: 'signet-external-key',
      keyDetails: details,
      publicKey: toPem('PUBLIC KEY', own.publicKey.spki),
      command: [process.execPath, script],
      timeout: 20,
    };
    await writeFile(path, JSON.stringify(description));
    const opened = await openSigner(path);
    assert.deepEqual(opened.publicKey.spki, own.publicKey.spki);
    await opened.sign(message);
    for (const change of [
      { format: 2 },
      { keyDetails: 'ROT13' },
      { publicKey: await readFile(join(directory, 'key.pem'), 'utf8') },
      { command: ['x', 1] },
      { timeout: -1 },
      { shell: true },
      { publicKey: undefined },
    ]) {
      await writeFile(path, JSON.stringify({ ...description, ...change }));
      await assert.rejects(openSigner(path), { code: 'ERR_KEY_FILE' }, JSON.stringify(change));
    }
    await writeFile(path, '[]', { mode: 0o600 });
    await assert.rejects(openSigner(path), { code: 'ERR_KEY_FILE' });
    await assert.rejects(openSigner(join(directory, 'none')), { code: 'ERR_KEY_FILE' });
  });
});
