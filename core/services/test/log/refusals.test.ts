// Errors that a log has beyond those of a single request, as both APIs answer them.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSigner } from '@signet/primitives/keys';
import {
  type BatchLimits,
  openTransparencyLog,
  type RekorV1Options,
  RekorV1Tree,
  rekorV1Routes,
  rekorV2Routes,
} from '@signet/services/log';
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { entryRequest } from './log-requests.ts';
import { hashedRekord, makeKey } from './rekor-v1/proposals.ts';

interface Served {
  readonly app: FastifyInstance;
  submit(message: string): Promise<LightMyRequestResponse>;
  search(): Promise<LightMyRequestResponse>;
  freeze(): Promise<void>;
}

interface Options {
  readonly batch?: BatchLimits;
  readonly search?: boolean;
  readonly limits?: NonNullable<RekorV1Options['limits']>;
  readonly maximumRequestSize?: number;
  readonly readTokens?: readonly string[];
}

const hash = '0'.repeat(64);

describe('what a log refuses', () => {
  let directory: string;
  let closing: (() => Promise<void>)[];
  const signer = generateSigner();
  const key = makeKey();

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-refusals-'));
    closing = [];
  });

  afterEach(async () => {
    for (const close of closing.reverse()) await close();
    await rm(directory, { recursive: true, force: true });
  });

  // Signatures differ each time, and so would the entries.
  const requests = new Map<string, Promise<object>>();
  const request = (api: 'v1' | 'v2', message: string): Promise<object> => {
    const name = `${api} ${message}`;
    const made = async (): Promise<object> =>
      api === 'v1' ? hashedRekord(message, key) : await entryRequest(message, signer);
    const found = requests.get(name) ?? made();
    requests.set(name, found);
    return found;
  };
  const post = (app: FastifyInstance, url: string, payload: object): Promise<LightMyRequestResponse> =>
    app.inject({ method: 'POST', url, payload });

  const serve: Readonly<Record<'v1' | 'v2', (options: Options) => Promise<Served>>> = {
    async v1({ batch, search, ...routes }) {
      const tree = await RekorV1Tree.open({
        directory,
        host: 'log.example',
        signer: generateSigner('PKIX_ECDSA_P256_SHA_256'),
        ...(batch === undefined ? {} : { batch }),
        ...(search === undefined ? {} : { search }),
      });
      closing.push(() => tree.close());
      const app = Fastify();
      await app.register(rekorV1Routes(tree, { workers: 0, ...routes }));
      closing.push(() => app.close());
      return {
        app,
        submit: async (message) => post(app, '/api/v1/log/entries', await request('v1', message)),
        search: () => post(app, '/api/v1/index/retrieve', { hash }),
        freeze: () => tree.freeze(),
      };
    },
    async v2({ batch, search, ...routes }) {
      const log = await openTransparencyLog({
        directory,
        origin: 'log.example',
        signer: generateSigner('PKIX_ED25519'),
        ...(batch === undefined ? {} : { batch }),
        ...(search === undefined ? {} : { search }),
      });
      closing.push(() => log.close());
      const app = Fastify();
      await app.register(rekorV2Routes(log, { workers: 0, ...routes }));
      closing.push(() => app.close());
      return {
        app,
        submit: async (message) => post(app, '/api/v2/log/entries', await request('v2', message)),
        search: () => post(app, '/api/v2/index/retrieve', { hash }),
        freeze: () => log.freeze(),
      };
    },
  };

  for (const api of ['v1', 'v2'] as const) {
    describe(`by the ${api} API`, () => {
      it('entries beyond the queue for the disk, with 503 and its length', async () => {
        const { submit } = await serve[api]({ batch: { maximumEntries: 1, maximumWaiting: 2 } });
        const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => submit(`entry ${i}`)));
        const refused = answers.filter(({ statusCode }) => statusCode !== 201);
        assert.ok(refused.length > 0);
        for (const answer of refused) {
          assert.equal(answer.statusCode, 503);
          assert.equal(answer.headers['retry-after'], '1');
          assert.match(answer.json().message, /^2 entries are waiting to be logged; try again later$/);
        }
        // Whoever comes again is taken.
        for (let i = 0; i < answers.length; i++) assert.equal((await submit(`entry ${i}`)).statusCode, 201);
      });

      it('entries beyond the size of the log, with 503, and answers for those that it has', async () => {
        const { submit } = await serve[api]({ batch: { maximumSize: 2 } });
        for (const message of ['one', 'two', 'one']) assert.equal((await submit(message)).statusCode, 201);
        const full = await submit('three');
        assert.equal(full.statusCode, 503);
        assert.equal(full.json().message, 'the log holds 2 entries; open a new shard');
      });

      it('new entries once it is frozen, with 405, and answers for those that it has', async () => {
        const { submit, freeze } = await serve[api]({});
        assert.equal((await submit('one')).statusCode, 201);
        await freeze();
        const refused = await submit('two');
        assert.equal(refused.statusCode, 405);
        assert.match(refused.json().message, /^This log has been frozen, please switch to the latest log\.$/);
        assert.equal((await submit('one')).statusCode, 201);
      });

      it('searches without an index that can be used, with 503, and goes on logging', async () => {
        const { submit, search } = await serve[api]({ search: false });
        assert.equal((await submit('one')).statusCode, 201);
        const refused = await search();
        assert.equal(refused.statusCode, 503);
        assert.equal(refused.json().message, 'this log keeps no search index');
        assert.equal((await submit('two')).statusCode, 201);
      });

      it('entries and searches beyond a rate, with 429 and when to come again', async () => {
        for (const what of ['address', 'search'] as const) {
          const { submit, search } = await serve[api]({ limits: { [what]: { perSecond: 0.1, burst: 1 } } });
          const ask = what === 'search' ? search : () => submit('one');
          assert.ok((await ask()).statusCode < 300);
          const refused = await ask();
          assert.equal(refused.statusCode, 429);
          assert.equal(refused.headers['retry-after'], '10');
          assert.match(refused.json().message, /allowed are 0.1 a second and 1 at once; try again in 10 s$/);
          for (const close of closing.splice(0).reverse()) await close();
          await rm(directory, { recursive: true, force: true });
        }
      });

      it('requests that are too large, with 413, the limit and their size', async () => {
        const { app } = await serve[api]({ maximumRequestSize: 1000 });
        const answer = await post(app, `/api/${api}/log/entries`, { spec: 'x'.repeat(2000) });
        assert.equal(answer.statusCode, 413);
        assert.match(answer.json().message, /\b1000\b.*\b2011\b/);
      });

      it('readers without a token, with 401 and how to send one', async () => {
        const { app, submit } = await serve[api]({ readTokens: ['a-token-of-some-length'] });
        assert.equal((await submit('one')).statusCode, 201);
        const path = api === 'v1' ? '/api/v1/log' : '/api/v2/log';
        const refused = await app.inject(path);
        assert.equal(refused.statusCode, 401);
        assert.equal(refused.headers['www-authenticate'], 'Bearer');
        assert.match(refused.json().message, /Authorization: Bearer TOKEN/);
        const known = await app.inject({ url: path, headers: { authorization: 'Bearer a-token-of-some-length' } });
        assert.equal(known.statusCode, 200);
      });

      it('lets web pages read, errors too, and tells browsers so beforehand', async () => {
        const { app } = await serve[api]({});
        const path = api === 'v1' ? '/api/v1/log/entries?logIndex=7' : '/api/v2/log/entries/7';
        const missing = await app.inject(path);
        assert.equal(missing.statusCode, 404);
        assert.equal(missing.headers['access-control-allow-origin'], '*');
        const asked = await app.inject({ method: 'OPTIONS', url: path });
        assert.equal(asked.statusCode, 204);
        assert.equal(asked.headers['access-control-allow-origin'], '*');
        assert.match(String(asked.headers['access-control-allow-headers']), /authorization/);
      });
    });
  }
});
