import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toBase64, toPem, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { readIssuedIdentities } from '@signet/services/ca';
import {
  emailClaims,
  freePort,
  initInstance,
  mintToken,
  type RunningInstance,
  readDevelopmentKeys,
  startInstance,
} from '../src/index.ts';

const author = 'alice@example.com';

describe('what an instance remembers of its certificates', () => {
  let directory: string;
  let running: RunningInstance;

  const start = async () => {
    running = await startInstance({ directory, devIdentity: true, only: ['ca'] });
  };

  before(async () => {
    directory = join(await mkdtemp(join(tmpdir(), 'signet-issuance-')), 'instance');
    const port = await freePort('127.0.0.1');
    const { layout } = await initInstance({ directory, port, devIdentity: true, uplink: 'none' });
    const issuers = await readFile(layout.issuersFile, 'utf8');
    await writeFile(layout.issuersFile, issuers.replace(/^ {4}type: email$/m, '$&\n    single-use-tokens: true'));
    await start();
  });

  after(async () => {
    await running.stop();
    await rm(join(directory, '..'), { recursive: true });
  });

  async function request(token: string): Promise<number> {
    const signer = generateSigner();
    const answer = await fetch(`${running.urls.ca}/api/v2/signingCert`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        credentials: { oidcIdentityToken: token },
        publicKeyRequest: {
          publicKey: { algorithm: 'ECDSA', content: toPem('PUBLIC KEY', signer.publicKey.spki) },
          proofOfPossession: toBase64(await signer.sign(utf8(author))),
        },
      }),
    });
    return answer.status;
  }

  const token = async () =>
    mintToken(await readDevelopmentKeys(running.instance.layout), running.urls.oidc, emailClaims(author));

  it('lets a token be used once, also over a restart, and knows who got how many', async () => {
    const first = await token();
    assert.deepEqual([await request(first), await request(first)], [200, 400]);
    await running.stop();
    await start();
    assert.deepEqual([await request(first), await request(await token())], [400, 200]);
    await running.stop();
    const [issued, ...others] = readIssuedIdentities(running.instance.layout.state.issued);
    assert.deepEqual(others, []);
    assert.deepEqual([issued?.subject, issued?.issuer, issued?.certificates], [author, running.urls.oidc, 2]);
    assert.ok(issued && issued.first < issued.last);
    await start();
  });
});
