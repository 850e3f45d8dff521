import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { equalBytes, parseCheckpoint, parseSignedNote, SignetError, utf8 } from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { LogShards, openTransparencyLog, rekorV2Routes, type TransparencyLog } from '@signet/services/log';
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { base64, entryRequest } from './log-requests.ts';

type Shards = LogShards<TransparencyLog>;

describe('a log with shards', () => {
  let directory: string;
  let keys: Map<number, Signer>;
  let shards: Shards;
  let app: FastifyInstance;
  let announced: number[];
  const signer = generateSigner();

  const open = async (): Promise<void> => {
    shards = await LogShards.open({
      directory,
      open: async ({ number, directory: own }) => {
        const key = keys.get(number) ?? generateSigner('PKIX_ED25519');
        keys.set(number, key);
        const origin = number === 1 ? 'log.example' : `log.example/${number}`;
        return openTransparencyLog({ directory: own, origin, signer: key });
      },
      onChange: ({ all }) => {
        announced.push(all.length);
      },
    });
    app = Fastify();
    await app.register(rekorV2Routes(shards));
  };
  const close = async (): Promise<void> => {
    await app.close();
    await shards.close();
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-shards-'));
    keys = new Map();
    announced = [];
    await open();
  });

  afterEach(async () => {
    await close();
    await rm(directory, { recursive: true, force: true });
  });

  const send = async (request: object, prefix = ''): Promise<LightMyRequestResponse> =>
    app.inject({ method: 'POST', url: `${prefix}/api/v2/log/entries`, payload: JSON.stringify(request) });
  const submit = async (message: string, prefix = ''): Promise<LightMyRequestResponse> =>
    send(await entryRequest(message, signer), prefix);
  const search = async (more: object = {}): Promise<{ entries: { logIndex: string }[]; next: string | null }> => {
    const content = base64(
      utf8(`-----BEGIN PUBLIC KEY-----\n${base64(signer.publicKey.spki)}\n-----END PUBLIC KEY-----\n`),
    );
    const answer = await app.inject({
      method: 'POST',
      url: '/api/v2/index/retrieve',
      payload: JSON.stringify({ publicKey: { content }, ...more }),
    });
    assert.equal(answer.statusCode, 200, answer.body);
    return answer.json();
  };

  it('goes on in a new tree with a new key, and the old one takes nothing more', async () => {
    const request = await entryRequest('one', signer);
    assert.equal((await send(request)).statusCode, 201);
    const old = shards.active;
    const fresh = await shards.rotate();
    assert.equal(fresh.number, 2);
    assert.ok(!equalBytes(fresh.log.publicKey.spki, old.log.publicKey.spki));
    const refused = await submit('two');
    assert.equal(refused.statusCode, 405);
    assert.equal(
      refused.json().message,
      'This log has been frozen, please switch to the latest log. Shard 2, at log.example/2, takes entries now: ' +
        'fetch the signing config again, and submit there',
    );
    assert.equal(refused.headers.link, '<//log.example/2>; rel="latest-version"');
    assert.equal(refused.headers.allow, 'GET, HEAD');
    assert.equal((await submit('two', '/2')).statusCode, 201);
    // What landed before is answered as ever, so that a client that asks again comes to its end.
    assert.equal((await send(request)).statusCode, 201);
    assert.deepEqual([old.log.size, fresh.log.size], [1n, 1n]);
    assert.equal((await submit('three', '/3')).statusCode, 404);
  });

  it('names no other shard where none takes entries', async () => {
    await shards.active.log.freeze();
    const refused = await submit('late');
    assert.equal(refused.statusCode, 405);
    assert.equal(refused.json().message, 'This log has been frozen, please switch to the latest log.');
    assert.equal(refused.headers.link, undefined);
  });

  it('serves every shard below its own address, and says which there are', async () => {
    await submit('one');
    await shards.rotate();
    await submit('two', '/2');
    for (const [prefix, origin] of [
      ['', 'log.example'],
      ['/1', 'log.example'],
      ['/2', 'log.example/2'],
    ]) {
      for (const below of ['', '/api/v2']) {
        const checkpoint = await app.inject(`${prefix}${below}/checkpoint`);
        assert.equal(parseCheckpoint(parseSignedNote(checkpoint.body).text).origin, origin);
        assert.equal((await app.inject(`${prefix}${below}/tile/entries/000.p/1`)).statusCode, 200);
      }
      assert.equal((await app.inject(`${prefix}/api/v2/log/entries/0`)).json().logIndex, '0');
    }
    const { shards: list, readers } = (await app.inject('/api/v2/log')).json();
    assert.equal(readers, 'public');
    assert.deepEqual(
      list.map(({ number, path, treeSize, frozenAt }: Record<string, unknown>) => [
        number,
        path,
        treeSize,
        typeof frozenAt,
      ]),
      [
        [1, '', '1', 'string'],
        [2, '/2', '1', 'undefined'],
      ],
    );
  });

  it('searches all shards, a page at a time', async () => {
    for (const message of ['a', 'b', 'c']) await submit(message);
    await shards.rotate();
    for (const message of ['d', 'e']) await submit(message, '/2');
    assert.deepEqual(
      (await search()).entries.map(({ logIndex }) => logIndex),
      ['0', '1', '2', '0', '1'],
    );
    for (const limit of [1, 2, 3, 4, 5]) {
      const all: string[] = [];
      let from: string | null | undefined;
      while (from !== null) {
        const page = await search({ limit, ...(from === undefined ? {} : { from }) });
        all.push(...page.entries.map(({ logIndex }) => logIndex));
        from = page.next;
      }
      assert.deepEqual(all, ['0', '1', '2', '0', '1'], `limit ${limit}`);
    }
  });

  it('counts entries through all shards', async () => {
    for (const message of ['a', 'b', 'c']) await shards.write(({ log }) => log.append(utf8(message)));
    await shards.rotate();
    await shards.write(({ log }) => log.append(utf8('d')));
    const [first, second] = shards.all;
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(shards.virtualIndex(second, 0n), 3n);
    for (const [virtual, number, index] of [
      [0n, 1, 0n],
      [2n, 1, 2n],
      [3n, 2, 0n],
    ] as const) {
      const place = shards.locate(virtual);
      assert.deepEqual([place?.shard.number, place?.index], [number, index]);
    }
    assert.equal(shards.locate(4n), undefined);
    assert.equal(shards.locate(-1n), undefined);
  });

  it('loses and refuses nothing that is written during rotations', async () => {
    const written: Promise<unknown>[] = [];
    for (let i = 0; i < 60; i++) {
      written.push(shards.write(({ log }) => log.append(utf8(`entry ${i}`))));
      if (i % 20 === 10) void shards.rotate();
      if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(written);
    await shards.rotate();
    assert.equal(
      shards.all.reduce((sum, { log }) => sum + log.size, 0n),
      60n,
    );
    assert.deepEqual(announced, [2, 3, 4, 5]);
  });

  it('lets the old shard take entries for a while when told so', async () => {
    await shards.rotate(60_000);
    assert.equal((await submit('old')).statusCode, 201);
    assert.equal((await submit('new', '/2')).statusCode, 201);
    await close();
    await open();
    assert.equal((await submit('old, later')).statusCode, 201);
    const file = join(directory, 'shards.json');
    const list = JSON.parse(await readFile(file, 'utf8'));
    list.shards[0].frozenAt = new Date(Date.now() - 1000).toISOString();
    await close();
    await writeFile(file, JSON.stringify(list));
    await open();
    assert.equal((await submit('too late')).statusCode, 405);
  });

  it('knows its shards again after a restart, with those frozen that were', async () => {
    await submit('one');
    await shards.rotate();
    await submit('two', '/2');
    await close();
    await open();
    assert.deepEqual(
      shards.all.map(({ number, log, frozenAt }) => [number, log.size, frozenAt !== undefined]),
      [
        [1, 1n, true],
        [2, 1n, false],
      ],
    );
    assert.equal((await submit('three')).statusCode, 405);
    assert.equal((await submit('three', '/2')).statusCode, 201);
  });

  it('finishes a rotation that a crash cut off before it was written down', async () => {
    await submit('one');
    const { log } = await shards.rotate();
    const key = log.publicKey;
    await close();
    await rm(join(directory, 'shards.json'));
    await open();
    assert.equal(shards.all.length, 1);
    assert.equal((await submit('two')).statusCode, 201);
    assert.ok(equalBytes((await shards.rotate()).log.publicKey.spki, key.spki));
  });

  for (const [what, text, code] of [
    ['of a newer version', '{"format":2,"shards":[]}', 'ERR_LOG_FORMAT'],
    ['without a shard', '{"format":1,"shards":[]}', 'ERR_LOG_CORRUPT'],
    ['with a gap', '{"format":1,"shards":[{"number":2,"openedAt":"2026-01-01T00:00:00Z"}]}', 'ERR_LOG_CORRUPT'],
    ['without a date', '{"format":1,"shards":[{"number":1}]}', 'ERR_LOG_CORRUPT'],
    ['that is a number', '5', 'ERR_LOG_CORRUPT'],
  ] as const) {
    it(`refuses a list of shards ${what}`, async () => {
      await close();
      await writeFile(join(directory, 'shards.json'), text);
      await assert.rejects(open(), (error) => error instanceof SignetError && error.code === code);
      await rm(join(directory, 'shards.json'));
      await open();
    });
  }
});
