import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { preAuthenticationEncoding, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';
import { LogShards, openTransparencyLog, rekorV2Routes, type TransparencyLog } from '@signet/services/log';
import { Ajv2020 } from 'ajv/dist/2020.js';
import Fastify, { type FastifyInstance } from 'fastify';
import { base64, entryRequest } from './log-requests.ts';

interface Media {
  readonly schema: object;
}
interface OperationObject {
  readonly operationId: string;
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Media>> }>>;
}
type Document = { readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>> };

describe("the log's OpenAPI document", () => {
  let directory: string;
  let shards: LogShards<TransparencyLog>;
  let app: FastifyInstance;
  let document: Document;
  const ajv = new Ajv2020({ strict: true, strictTypes: false, validateFormats: false });
  const signer = generateSigner();

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-openapi-'));
    shards = await LogShards.open({
      directory,
      open: ({ directory: own, number }) =>
        openTransparencyLog({
          directory: own,
          origin: `log.example/${number}`,
          signer: generateSigner('PKIX_ED25519'),
        }),
    });
    app = Fastify();
    await app.register(rekorV2Routes(shards, { limits: { address: { perSecond: 1, burst: 100 } } }), {
      prefix: '/-/signet/log',
    });
    document = (await app.inject('/-/signet/log/openapi.json')).json();
  });

  after(async () => {
    await app.close();
    await shards.close();
    await rm(directory, { recursive: true, force: true });
  });

  const operation = (path: string, method = 'get'): OperationObject => {
    const found = document.paths[path]?.[method];
    assert.ok(found !== undefined, `${method} ${path} is not documented`);
    return found;
  };

  function assertValid(schema: object | undefined, value: unknown, what: string): void {
    assert.ok(schema !== undefined, what);
    const validate = ajv.compile(schema);
    assert.ok(validate(value), `${what}: ${ajv.errorsText(validate.errors)}`);
  }

  /** Sends a request and compares both with the document. */
  async function ask(path: string, template: string, body?: object, status?: number): Promise<unknown> {
    const method = body === undefined ? 'GET' : 'POST';
    const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
    const { requestBody, responses } = operation(template, method.toLowerCase());
    const answer = await app.inject({ method, url: `/-/signet/log${path}`, ...payload });
    assert.equal(
      answer.statusCode,
      status ?? (body === undefined || !path.includes('entries') ? 200 : 201),
      answer.body,
    );
    if (body !== undefined && status === undefined) {
      assertValid(requestBody?.content['application/json']?.schema, body, `request of ${template}`);
    }
    const content = responses[answer.statusCode]?.content ?? {};
    const [type = ''] = String(answer.headers['content-type']).split(';');
    assert.ok(type in content, `${template} answers ${type}, documented are ${Object.keys(content)}`);
    const value: unknown = type === 'application/json' ? answer.json() : answer.body;
    assertValid(content[type]?.schema, value, `answer of ${template}`);
    return value;
  }

  it('has every operation, with a name of its own', () => {
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
    const names = operations.map(({ operationId }) => operationId);
    assert.equal(new Set(names.filter((name) => !/^(?:checkpoint|tile)/.test(name))).size, names.length - 8);
    assert.deepEqual(
      Object.keys(document.paths)
        .filter((path) => !path.startsWith('/{shard}'))
        .sort(),
      [
        '/api/v2/checkpoint',
        '/api/v2/consistency/{oldSize}/{newSize}',
        '/api/v2/index/retrieve',
        '/api/v2/log',
        '/api/v2/log/entries',
        '/api/v2/log/entries/{index}',
        '/api/v2/proof/{index}',
        '/api/v2/tile/{path}',
        '/checkpoint',
        '/healthz',
        '/metrics',
        '/tile/{path}',
      ],
    );
  });

  it('fits what is sent and answered', async () => {
    await ask('/api/v2/log/entries', '/api/v2/log/entries', await entryRequest('a', signer));
    const payload = utf8('{}');
    const sig = await signer.sign(preAuthenticationEncoding('text/plain', payload));
    const envelope = { payload: base64(payload), payloadType: 'text/plain', signatures: [{ sig: base64(sig) }] };
    const verifiers = [{ publicKey: { rawBytes: base64(signer.publicKey.spki) }, keyDetails: 5 }];
    await ask('/api/v2/log/entries', '/api/v2/log/entries', { dsseRequestV002: { envelope, verifiers } });
    await shards.rotate();
    await ask('/2/api/v2/log/entries', '/{shard}/api/v2/log/entries', await entryRequest('b', signer));
    await ask('/api/v2/log/entries', '/api/v2/log/entries', await entryRequest('c', signer), 405);
    await ask('/api/v2/log/entries', '/api/v2/log/entries', {}, 400);
    for (const [path, template] of [
      ['/api/v2/log', '/api/v2/log'],
      ['/api/v2/log/entries/0', '/api/v2/log/entries/{index}'],
      ['/2/api/v2/log/entries/0', '/{shard}/api/v2/log/entries/{index}'],
      ['/api/v2/proof/1', '/api/v2/proof/{index}'],
      ['/api/v2/consistency/1/2', '/api/v2/consistency/{oldSize}/{newSize}'],
      ['/checkpoint', '/checkpoint'],
      ['/2/api/v2/checkpoint', '/{shard}/api/v2/checkpoint'],
      ['/tile/0/000.p/2', '/tile/{path}'],
      ['/healthz', '/healthz'],
      ['/metrics', '/metrics'],
    ] as const) {
      await ask(path, template);
    }
    await ask('/api/v2/log/entries/7', '/api/v2/log/entries/{index}', undefined, 404);
    const hash = createHash('sha256').update('a').digest('hex');
    const query = { hash, operator: 'and', limit: 1, claims: { sourceRepositoryIdentifier: '1' }, purl: 'pkg:npm/a@1' };
    await ask('/api/v2/index/retrieve', '/api/v2/index/retrieve', query);
    await ask('/api/v2/index/retrieve', '/api/v2/index/retrieve', { hash });
    await ask('/api/v2/index/retrieve', '/api/v2/index/retrieve', { limit: 5 }, 400);
  });
});
