import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ambientToken, chooseSource, explicitToken } from '@signet/client/identity';
import { after, before, describe, it } from 'mocha';
import { unsignedToken } from './tokens.ts';

describe('sources of identity tokens', () => {
  let server: Server;
  let url: string;
  let answer: (request: { url: string; authorization: string }) => { status: number; body: string };

  before((done) => {
    server = createServer((request, response) => {
      const { status, body } = answer({ url: request.url ?? '', authorization: request.headers.authorization ?? '' });
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
    server.listen(0, '127.0.0.1', () => {
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token?api-version=2.0`;
      done();
    });
  });
  after((done) => {
    server.close(done);
  });

  const github = () => ({
    GITHUB_ACTIONS: 'true',
    ACTIONS_ID_TOKEN_REQUEST_URL: url,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'request-secret',
  });

  it('asks GitHub Actions for the audience with the job’s own credential', async () => {
    const seen: string[] = [];
    answer = (request) => {
      seen.push(request.url, request.authorization);
      return { status: 200, body: JSON.stringify({ value: unsignedToken({ sub: 'repo:acme/lib' }) }) };
    };
    const found = await ambientToken({ env: github(), audience: 'acme-ca' });
    assert.deepEqual(seen, ['/token?api-version=2.0&audience=acme-ca', 'Bearer request-secret']);
    assert.equal(found.token.subject, 'repo:acme/lib');
    assert.equal(found.source, 'GitHub Actions');
  });

  it('does not fall back to another identity when the chosen source fails', async () => {
    answer = () => ({ status: 403, body: '{"message":"no permission for Bearer request-secret-123456"}' });
    await assert.rejects(
      ambientToken({ env: github(), audience: 'sigstore' }),
      (error: Error & { code?: string }) =>
        error.code === 'ERR_HTTP_STATUS' && !error.message.includes('request-secret-'),
    );
    answer = () => ({ status: 200, body: '{"count":0}' });
    await assert.rejects(ambientToken({ env: github(), audience: 'sigstore' }), { code: 'ERR_IDENTITY_PROVIDER' });
  });

  it('prefers the token that was set on purpose', async () => {
    const found = await ambientToken({
      env: { ...github(), SIGSTORE_ID_TOKEN: unsignedToken() },
      audience: 'sigstore',
    });
    assert.equal(found.source, 'SIGSTORE_ID_TOKEN');
  });

  it('says of every source why it offers nothing, and which line a workflow lacks', async () => {
    await assert.rejects(ambientToken({ env: { GITHUB_ACTIONS: 'true' }, audience: 'sigstore' }), {
      code: 'ERR_IDENTITY_TOKEN_MISSING',
      message: /SIGSTORE_ID_TOKEN is not set.*permissions: \{ id-token: write \}/,
    });
    assert.equal(chooseSource({}).skipped.length, 2);
  });

  it('reads a token file, and names the file that is missing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'signet-'));
    try {
      await writeFile(join(folder, 'token'), `${unsignedToken()}\n`);
      assert.equal((await explicitToken({ file: 'token', cwd: folder })).subject, 'subject-1');
      await assert.rejects(explicitToken({ file: 'absent', cwd: folder }), {
        code: 'ERR_CONFIGURATION',
        message: /absent/,
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
