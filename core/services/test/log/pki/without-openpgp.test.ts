import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createMessage, generateKey, readPrivateKey, sign } from 'openpgp';
import { base64, hashedRekord, makeKey } from '../rekor-v1/proposals.ts';

describe('a log without the package openpgp', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-no-openpgp-'));
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function answersTo(proposals: readonly object[]): Promise<Record<string, unknown>[]> {
    const program = fileURLToPath(new URL('without-openpgp.ts', import.meta.url));
    const child = spawn(process.execPath, ['--conditions=@signet/source', program, directory], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end(proposals.map((proposal) => `${JSON.stringify(proposal)}\n`).join(''));
    let text = '';
    for await (const chunk of child.stdout) text += chunk;
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  }

  it('answers OpenPGP signatures with 501 and why, and takes everything else', async () => {
    const { privateKey, publicKey } = await generateKey({ userIDs: [{ email: 'a@example.com' }] });
    const message = await createMessage({ text: 'hello' });
    const signingKeys = await readPrivateKey({ armoredKey: privateKey });
    const signature = await sign({ message, signingKeys, detached: true });
    const spec = {
      data: { content: base64('hello') },
      signature: { format: 'pgp', content: base64(String(signature)), publicKey: { content: base64(publicKey) } },
    };
    const [pgp, x509] = await answersTo([
      { apiVersion: '0.0.1', kind: 'rekord', spec },
      hashedRekord('hello', makeKey()),
    ]);
    assert.equal(pgp?.status, 501);
    assert.match(String(pgp?.message), /has not installed the package "openpgp"/);
    assert.equal(x509?.status, 201);
  });
});
