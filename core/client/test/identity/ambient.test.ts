import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ambientToken, chooseSource, explicitToken, projectedTokenAt } from '@signet/client/identity';
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
    // Only a machine of Google Cloud or a pod with a token has an identity without any variable.
    const { skipped } = chooseSource({ GITLAB_CI: 'true' });
    assert.match(skipped.find(({ source }) => source === 'GitLab CI')?.reason ?? '', /id_tokens: \{ SIGSTORE_ID_TOKEN/);
    assert.match(skipped.find(({ source }) => source === 'Buildkite')?.reason ?? '', /not a Buildkite job/);
  });

  it('asks Forgejo as it is asked, and names the line that its workflows need', async () => {
    const env = { ...github(), GITHUB_ACTIONS: 'true', FORGEJO_ACTIONS: 'true' };
    answer = () => ({ status: 200, body: JSON.stringify({ value: unsignedToken() }) });
    assert.equal((await ambientToken({ env, audience: 'sigstore' })).source, 'Forgejo Actions');
    const { skipped } = chooseSource({ GITHUB_ACTIONS: 'true', FORGEJO_ACTIONS: 'true' });
    const reasons = new Map(skipped.map(({ source, reason }) => [source, reason]));
    assert.equal(reasons.get('GitHub Actions'), 'this is not a GitHub Actions job');
    assert.match(reasons.get('Forgejo Actions') ?? '', /enable-openid-connect: true/);
  });

  it('takes GitLab’s and Jenkins’ tokens where they are put, and names the line that puts them there', async () => {
    for (const [env, source, line] of [
      [{ GITLAB_CI: 'true' }, 'GitLab CI', /id_tokens: \{ SIGSTORE_ID_TOKEN: \{ aud: sigstore \} \}/],
      [{ JENKINS_URL: 'https://ci.example/' }, 'Jenkins', /credential with audience sigstore to SIGSTORE_ID_TOKEN/],
    ] as const) {
      const { skipped } = chooseSource(env);
      assert.match(skipped.find((one) => one.source === source)?.reason ?? '', line);
      const token = unsignedToken();
      const found = await ambientToken({ env: { ...env, SIGSTORE_ID_TOKEN: token }, audience: 'sigstore' });
      assert.equal(found.token.reveal(), token);
    }
  });

  it('asks Buildkite’s agent API for the audience', async () => {
    const seen: string[] = [];
    answer = (request) => {
      seen.push(request.url, request.authorization);
      return { status: 200, body: JSON.stringify({ token: unsignedToken({ sub: 'organization:acme' }) }) };
    };
    const env = {
      BUILDKITE_AGENT_ACCESS_TOKEN: 'agent',
      BUILDKITE_JOB_ID: 'job/1',
      BUILDKITE_AGENT_ENDPOINT: new URL('/v3/', url).href,
    };
    const found = await ambientToken({ env, audience: 'acme-ca' });
    assert.deepEqual(seen, ['/v3/jobs/job%2F1/oidc/tokens', 'Token agent']);
    assert.deepEqual([found.source, found.token.subject], ['Buildkite', 'organization:acme']);
  });

  it('asks Azure Pipelines with the system access token, and names the line that passes it on', async () => {
    const seen: string[] = [];
    answer = (request) => {
      seen.push(request.url, request.authorization);
      return { status: 200, body: JSON.stringify({ oidcToken: unsignedToken({ sub: 'sc://acme' }) }) };
    };
    const env = { SYSTEM_OIDCREQUESTURI: new URL('/oidctoken?x=1', url).href, SYSTEM_ACCESSTOKEN: 'access' };
    assert.equal((await ambientToken({ env, audience: 'sigstore' })).token.subject, 'sc://acme');
    assert.deepEqual(seen, ['/oidctoken?x=1&api-version=7.1-preview.1', 'Bearer access']);
    await assert.rejects(ambientToken({ env: { ...env, SYSTEM_ACCESSTOKEN: undefined }, audience: 'sigstore' }), {
      message: /SYSTEM_ACCESSTOKEN: \$\(System\.AccessToken\)/,
    });
  });

  it('asks Google’s metadata server for the whole token', async () => {
    answer = (request) => ({
      status:
        request.url === '/computeMetadata/v1/instance/service-accounts/default/identity?audience=sigstore&format=full'
          ? 200
          : 404,
      body: `${unsignedToken({ email: 'ci@acme.iam.example' })}\n`,
    });
    const found = await ambientToken({ env: { GCE_METADATA_HOST: new URL(url).host }, audience: 'sigstore' });
    assert.equal(found.token.email, 'ci@acme.iam.example');
  });

  it('takes the variables of platforms that set them', async () => {
    for (const [env, source] of [
      [{ BITBUCKET_BUILD_NUMBER: '1', BITBUCKET_STEP_OIDC_TOKEN: unsignedToken() }, 'Bitbucket Pipelines'],
      [{ CF_BUILD_ID: '1', ID_TOKEN: unsignedToken() }, 'Codefresh'],
    ] as const) {
      assert.equal((await ambientToken({ env, audience: 'sigstore' })).source, source);
    }
    // The same variable outside of the platform is somebody else's.
    assert.notEqual(chooseSource({ ID_TOKEN: unsignedToken() }).source?.name, 'Codefresh');
  });

  it('has CircleCI’s own program make the token, without a shell', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'signet-'));
    try {
      const program = join(folder, 'circleci');
      const token = unsignedToken({ sub: 'org/acme' });
      await writeFile(
        program,
        `#!${process.execPath}\nconst [a, b, c, d, e] = process.argv.slice(2);\n` +
          `process.stdout.write([a, b, c, d].join(' ') === 'run oidc get --claims' && JSON.parse(e).aud === 'a";exit 1' ? '${token}' : '');\n`,
        { mode: 0o755 },
      );
      const found = await ambientToken({ env: { CIRCLECI: 'true', PATH: folder }, audience: 'a";exit 1' });
      assert.equal(found.token.subject, 'org/acme');
      await writeFile(program, `#!${process.execPath}\nconsole.log('${token}'); process.exit(3);\n`);
      await assert.rejects(
        ambientToken({ env: { CIRCLECI: 'true', PATH: folder }, audience: 'x' }),
        (error: Error & { code?: string }) => {
          return error.code === 'ERR_IDENTITY_PROVIDER' && !error.message.includes(token.slice(0, 20));
        },
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('reads a projected token anew each time', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'signet-'));
    try {
      const source = projectedTokenAt(join(folder, 'oidc-token'));
      assert.match(source.unavailable({}) ?? '', /oidc-token/);
      for (const sub of ['first', 'second']) {
        await writeFile(join(folder, 'oidc-token'), unsignedToken({ sub }));
        assert.equal((await ambientToken({ env: {}, audience: 'sigstore' }, [source])).token.subject, sub);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
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
