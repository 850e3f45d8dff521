import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSigner } from '@signet/primitives/keys';
import { RekorV1Tree, rekorV1Routes } from '@signet/services/log';
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { stringify } from 'yaml';
import { hashedRekord, makeKey } from './proposals.ts';

const entries = '/api/v1/log/entries';

describe("YAML, which Rekor's v1 API takes as well as JSON", () => {
  let directory: string;
  let tree: RekorV1Tree;
  let app: FastifyInstance;
  const key = makeKey();

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-yaml-'));
    const signer = generateSigner('PKIX_ECDSA_P256_SHA_256');
    tree = await RekorV1Tree.open({ directory, host: 'log.example', signer });
    app = Fastify();
    await app.register(rekorV1Routes(tree, { workers: 0 }));
  });

  afterEach(async () => {
    await app.close();
    await tree.close();
    await rm(directory, { recursive: true, force: true });
  });

  const post = (url: string, payload: string, type = 'application/yaml'): Promise<LightMyRequestResponse> =>
    app.inject({ method: 'POST', url, headers: { 'content-type': type }, payload });

  it('makes the same entry', async () => {
    const proposal = hashedRekord('hello', key);
    const yaml = await post(entries, stringify(proposal));
    assert.equal(yaml.statusCode, 201, yaml.body);
    const json = await post(entries, JSON.stringify(proposal), 'application/json');
    assert.deepEqual(Object.keys(json.json()), Object.keys(yaml.json()));
    assert.equal(tree.size, 1n);
    for (const type of ['application/x-yaml', 'Application/YAML; charset=utf-8']) {
      assert.equal((await post(entries, stringify(proposal), type)).statusCode, 201, type);
    }
  });

  it('is taken by the other requests with a body, too', async () => {
    const [id] = Object.keys((await post(entries, stringify(hashedRekord('hello', key)))).json());
    const retrieved = await post(`${entries}/retrieve`, 'logIndexes:\n  - 0\n');
    assert.deepEqual(retrieved.json().flatMap(Object.keys), [id]);
    const { hash } = (hashedRekord('hello', key).spec as { data: { hash: { value: string } } }).data;
    const found = await post('/api/v1/index/retrieve', `hash: sha256:${hash.value}\n`);
    assert.deepEqual(found.json(), [id]);
  });

  for (const [what, text, problem] of [
    ['no YAML', 'a: [', /the YAML cannot be read/],
    ['a repeated key', 'kind: a\nkind: b\n', /the YAML cannot be read/],
    ['an alias, of which a few lines would make gigabytes', 'a: &a [1]\nb: [*a, *a]\n', /the YAML cannot be read/],
    ['a tag of another language', 'a: !!js/function "x"\n', /the YAML cannot be read/],
    ['nesting without end', '['.repeat(200_000), /the YAML cannot be read/],
    ['deep nesting', `${'['.repeat(5000)}${']'.repeat(5000)}`, /./],
    ['nothing', '', /the entry is not an object/],
    ['several documents', 'a: 1\n---\nb: 2\n', /the YAML cannot be read/],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const answer = await post(entries, text);
      assert.equal(answer.statusCode, 400, answer.body);
      assert.equal(answer.json().code, 400);
      assert.match(answer.json().message, problem);
    });
  }

  it('is refused when it is longer than people write, with limit and size', async () => {
    const answer = await post(entries, `a: ${'x'.repeat(300_000)}\n`);
    assert.equal(answer.statusCode, 413);
    assert.match(answer.json().message, /Limit of YAML set to 262144; this one has 300004 bytes/);
  });
});
