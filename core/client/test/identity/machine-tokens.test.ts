import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ambientToken, chooseSource } from '@signet/client/identity';
import { concat } from '@signet/primitives/formats';
import { after, afterEach, before, describe, it } from 'mocha';
import { signAwsRequest } from '../../src/identity/aws-signature.ts';
import { protobufField, protobufFields } from '../../src/identity/protobuf.ts';
import { unsignedToken } from './tokens.ts';

describe('a job of AWS', () => {
  let server: Server;
  let origin: string;
  let seen: { method: string; url: string; headers: Record<string, unknown>; body: string }[] = [];
  let answer = (_url: string): { status?: number; body: string } => ({ body: '' });

  before(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
        const { status = 200, body: said } = answer(request.url ?? '');
        response.writeHead(status).end(said);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  afterEach(() => {
    seen = [];
  });

  const token = unsignedToken({ iss: 'https://abc.tokens.sts.global.api.aws', sub: 'arn:aws:iam::1:role/release' });
  const xml = `<GetWebIdentityTokenResponse><GetWebIdentityTokenResult><WebIdentityToken>${token}</WebIdentityToken></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>`;
  const env = () => ({
    CODEBUILD_BUILD_ID: 'build:1',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret-of-the-role',
    AWS_SESSION_TOKEN: 'session-of-the-role',
    AWS_ENDPOINT_URL_STS: origin,
  });

  it('signs requests as AWS’s own example has it', () => {
    const headers = signAwsRequest(
      {
        method: 'GET',
        url: new URL('https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08'),
        headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
        body: '',
        region: 'us-east-1',
        service: 'iam',
        now: new Date('2015-08-30T12:36:00Z'),
      },
      { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
    );
    assert.match(
      headers.authorization ?? '',
      /SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7$/,
    );
  });

  it('asks the token service for the audience, with the credentials of its role', async () => {
    answer = () => ({ body: xml });
    const found = await ambientToken({ env: env(), audience: 'acme-ca' });
    assert.equal(found.source, 'AWS');
    assert.equal(found.token.subject, 'arn:aws:iam::1:role/release');
    const [request] = seen;
    const asked = new URLSearchParams(request?.body);
    assert.deepEqual([asked.get('Action'), asked.get('Audience.member.1')], ['GetWebIdentityToken', 'acme-ca']);
    assert.equal(request?.headers['x-amz-security-token'], 'session-of-the-role');
    assert.match(
      String(request?.headers.authorization),
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-central-1\/sts\/aws4_request/,
    );
    assert.ok(!JSON.stringify(seen).includes('secret-of-the-role'));
  });

  it('gets its credentials from the container’s endpoint', async () => {
    const credentials = { AccessKeyId: 'AKIDCONTAINER', SecretAccessKey: 'x', Token: 'session' };
    answer = (url) => ({ body: url === '/credentials' ? JSON.stringify(credentials) : xml });
    const { AWS_ACCESS_KEY_ID: _id, AWS_SECRET_ACCESS_KEY: _secret, ...rest } = env();
    const container = {
      ...rest,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${origin}/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'container-token',
    };
    await ambientToken({ env: container, audience: 'sigstore' });
    assert.equal(seen[0]?.headers.authorization, 'container-token');
    assert.match(String(seen[1]?.headers.authorization), /AKIDCONTAINER/);
    const afar = { ...container, AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://evil.example/credentials' };
    await assert.rejects(ambientToken({ env: afar, audience: 'sigstore' }), { code: 'ERR_IDENTITY_PROVIDER' });
  });

  it('is told in AWS’s words why it gets none, and never its credentials', async () => {
    answer = () => ({ status: 403, body: '<Error><Code>AccessDenied</Code></Error>' });
    await assert.rejects(ambientToken({ env: env(), audience: 'sigstore' }), (error: Error) => {
      assert.doesNotMatch(error.message, /of-the-role/);
      return 'code' in error && error.code === 'ERR_HTTP_STATUS';
    });
    answer = () => ({ body: '<none/>' });
    await assert.rejects(ambientToken({ env: env(), audience: 'sigstore' }), { code: 'ERR_IDENTITY_PROVIDER' });
  });

  it('is not taken for one because a person has credentials', () => {
    const { CODEBUILD_BUILD_ID: _build, ...person } = env();
    const { source, skipped } = chooseSource(person);
    assert.equal(source, undefined);
    assert.match(
      skipped.find((one) => one.source === 'AWS')?.reason ?? '',
      /not a build, function or container of AWS/,
    );
  });
});

describe('a workload with a SPIFFE agent', () => {
  let server: Http2Server;
  let folder: string;
  let socket: string;
  let agent: (stream: ServerHttp2Stream, headers: Record<string, unknown>, message: Uint8Array) => void;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-spiffe-'));
    socket = join(folder, 'agent.sock');
    server = createHttp2Server();
    server.on('stream', (stream, headers) => {
      const chunks: Uint8Array[] = [];
      stream.on('data', (chunk: Uint8Array) => chunks.push(chunk));
      stream.on('end', () => agent(stream, headers, Buffer.concat(chunks)));
    });
    server.listen(socket);
    await once(server, 'listening');
  });
  after(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });

  const token = unsignedToken({ iss: 'https://spire.example', sub: 'spiffe://example/ci/release' });
  const framed = (message: Uint8Array) => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    return concat(prefix, message);
  };
  const reply = (stream: ServerHttp2Stream, body: Uint8Array, status = '0', said = '') => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status, 'grpc-message': said }));
    stream.end(body);
  };
  const env = () => ({ SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` });

  it('gets the JWT-SVID for the audience', async () => {
    let asked: readonly string[] = [];
    agent = (stream, headers, message) => {
      assert.equal(headers[':path'], '/SpiffeWorkloadAPI/FetchJWTSVID');
      assert.equal(headers['workload.spiffe.io'], 'true');
      asked = protobufFields(message.subarray(5), 1).map((one) => Buffer.from(one).toString());
      const svid = concat(protobufField(1, 'spiffe://example/ci/release'), protobufField(2, token));
      reply(stream, framed(protobufField(1, svid)));
    };
    const found = await ambientToken({ env: env(), audience: 'sigstore' });
    assert.deepEqual(asked, ['sigstore']);
    assert.deepEqual([found.source, found.token.subject], ['SPIFFE', 'spiffe://example/ci/release']);
  });

  it('is told why it gets none', async () => {
    agent = (stream) => reply(stream, new Uint8Array(), '7', 'no identity%20issued');
    await assert.rejects(ambientToken({ env: env(), audience: 'sigstore' }), {
      code: 'ERR_IDENTITY_PROVIDER',
      message: /status 7\): no identity issued/,
    });
    agent = (stream) => reply(stream, framed(new Uint8Array()));
    await assert.rejects(ambientToken({ env: env(), audience: 'sigstore' }), /without a JWT-SVID/);
    agent = (stream) => reply(stream, Buffer.from([1, 2, 3]));
    await assert.rejects(ambientToken({ env: env(), audience: 'sigstore' }), /malformed/);
    agent = (stream) => reply(stream, Buffer.alloc(300 * 1024));
    await assert.rejects(ambientToken({ env: env(), audience: 'sigstore' }), /too large/);
    const absent = { SPIFFE_ENDPOINT_SOCKET: `unix://${join(folder, 'absent.sock')}` };
    await assert.rejects(ambientToken({ env: absent, audience: 'sigstore' }), { code: 'ERR_IDENTITY_PROVIDER' });
  });

  it('is asked where the variable says, and nowhere else', () => {
    const reason = (value: string) =>
      chooseSource({ SPIFFE_ENDPOINT_SOCKET: value }).skipped.find((one) => one.source === 'SPIFFE')?.reason;
    assert.equal(chooseSource({ SPIFFE_ENDPOINT_SOCKET: 'tcp://127.0.0.1:8081' }).source?.name, 'SPIFFE');
    assert.match(reason('tcp://agent.example:8081') ?? '', /neither unix/);
    assert.match(reason('/run/agent.sock') ?? '', /neither unix/);
  });
});

describe('a protobuf message', () => {
  it('is read field by field, others skipped', () => {
    const message = concat(
      new Uint8Array([0x08, 0xff, 0x01]),
      protobufField(2, 'two'),
      new Uint8Array([0x1d, 1, 2, 3, 4]),
      protobufField(2, 'x'.repeat(300)),
    );
    assert.deepEqual(
      protobufFields(message, 2).map(({ length }) => length),
      [3, 300],
    );
    assert.deepEqual(protobufFields(message, 9), []);
  });

  it('is refused where it is cut off or of an unknown kind', () => {
    for (const bytes of [[0x12, 5, 1], [0x12], [0x0b], [0x09, 1], [0x80, 0x80, 0x80, 0x80, 0x80, 0x80]]) {
      assert.throws(() => protobufFields(new Uint8Array(bytes), 2), { code: 'ERR_ENCODING' });
    }
  });
});
