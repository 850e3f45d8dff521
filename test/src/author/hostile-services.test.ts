import assert from 'node:assert/strict';
import { type IdentityToken, IdentityToken as Token } from '@signet/client/identity';
import { SigningSession } from '@signet/client/sign';
import { parseStatement, statementV1, utf8 } from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import { after, afterEach, before, describe, it } from 'mocha';
import { AuthorScene, alice } from './author-scene.ts';
import { type Answer, type Tamper, TamperingProxy } from './tampering-proxy.ts';

const noRetry = { retry: { attempts: 1, budget: 0, firstDelay: 0 } };

describe('signing with services that do not do what they should', () => {
  let scene: AuthorScene;
  let proxy: TamperingProxy;
  let token: IdentityToken;

  before(async () => {
    scene = await AuthorScene.open();
    proxy = await TamperingProxy.open(scene.registry);
    token = await scene.token();
  });
  after(async () => {
    await proxy.close();
    await scene.close();
  });
  afterEach(() => {
    proxy.tamper = (passing) => passing.forward();
    proxy.seen.length = 0;
  });

  const statement = statementV1({
    subject: [{ name: 'pkg:npm/%40example/lib@1.0.0', digest: { sha512: '00'.repeat(64) } }],
    predicateType: 'https://example.com/predicate',
    predicate: {},
  });

  async function sign(
    options: {
      signer?: Signer;
      retry?: { attempts: number; budget: number; firstDelay: number };
      signal?: AbortSignal;
    } = {},
  ) {
    const { ca, tsa, log } = scene.instance.urls;
    const { retry = noRetry.retry, ...rest } = options;
    const session = await SigningSession.open({
      identityToken: token,
      trust: scene.trust,
      services: { caUrl: proxy.through(ca), tsaUrls: [proxy.through(tsa)], logUrls: [proxy.through(log)] },
      http: { retry },
      ...rest,
    });
    return await session.signStatement(statement);
  }

  /** Changes only answers of one endpoint. */
  const at =
    (path: string, change: (answer: Answer, passing: Parameters<Tamper>[0]) => Answer | Promise<Answer>): Tamper =>
    async (passing) => {
      const answer = await passing.forward();
      return passing.path.endsWith(path) ? await change(answer, passing) : answer;
    };
  const json = (answer: Answer, change: (value: Record<string, never>) => unknown): Answer => ({
    ...answer,
    body: Buffer.from(JSON.stringify(change(JSON.parse(answer.body.toString())))),
  });
  const ca = '/api/v2/signingCert';
  const tsa = '/api/v1/timestamp';
  const log = '/api/v2/log/entries';

  it('signs when they do', async () => {
    const { verified } = await sign();
    assert.equal(verified.signer.kind === 'certificate' && verified.signer.subject.value, alice);
    assert.deepEqual(parseStatement(utf8(JSON.stringify(statement))), verified.statement);
    assert.equal(verified.logEntries.length, 1);
  });

  it('refuses a certificate for another key', async () => {
    let other: Answer | undefined;
    proxy.tamper = at(ca, (answer) => {
      other = answer;
      return answer;
    });
    await sign();
    proxy.tamper = at(ca, (answer) => other ?? answer);
    await assert.rejects(sign(), { code: 'ERR_CA_KEY_MISMATCH' });
    assert.ok(!proxy.seen.slice(4).some((path) => path.endsWith(log)), 'nothing may be logged');
  });

  it('refuses a certificate in another name', async () => {
    const signer = generateSigner();
    const mallory = await scene.token('mallory@example.com');
    proxy.tamper = async (passing) => {
      if (!passing.path.endsWith(ca)) return await passing.forward();
      const body = JSON.parse(passing.body.toString());
      body.credentials.oidcIdentityToken = mallory.reveal();
      body.publicKeyRequest.proofOfPossession = Buffer.from(await signer.sign(utf8('mallory@example.com'))).toString(
        'base64',
      );
      return await passing.forward({ body: JSON.stringify(body) });
    };
    await assert.rejects(sign({ signer }), {
      code: 'ERR_CA_IDENTITY_MISMATCH',
      expected: alice,
      found: 'mallory@example.com',
    });
  });

  it('refuses a certificate of an authority that is not trusted', async () => {
    const stranger = await AuthorScene.open();
    try {
      const signer = generateSigner();
      const foreign = await stranger.token();
      await assert.rejects(
        SigningSession.open({ identityToken: foreign, trust: scene.trust, services: stranger.services, signer }),
        { code: 'ERR_CERT_UNTRUSTED' },
      );
    } finally {
      await stranger.close();
    }
  });

  it('refuses certificates that are none, or have no embedded timestamp', async () => {
    const answers: readonly unknown[] = [
      {},
      { signedCertificateEmbeddedSct: { chain: { certificates: [] } } },
      {
        signedCertificateEmbeddedSct: {
          chain: { certificates: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'] },
        },
      },
      { signedCertificateDetachedSct: { chain: { certificates: ['x'] } } },
    ];
    for (const wrong of answers) {
      proxy.tamper = at(ca, (answer) => json(answer, () => wrong));
      await assert.rejects(sign(), { code: 'ERR_CA_RESPONSE' }, JSON.stringify(wrong));
    }
    proxy.tamper = at(ca, (answer) => ({ ...answer, body: answer.body.subarray(0, 100) }));
    await assert.rejects(sign(), { code: 'ERR_CA_RESPONSE' });
  });

  it('refuses a timestamp over other bytes, of another request, and none at all', async () => {
    let earlier: Buffer | undefined;
    proxy.tamper = at(tsa, (answer) => {
      earlier = answer.body;
      return answer;
    });
    await sign();
    proxy.tamper = at(tsa, (answer) => ({ ...answer, body: earlier ?? answer.body }));
    await assert.rejects(sign(), { code: 'ERR_TSA_MISMATCH', message: /other bytes/ });
    // The same imprint with another nonce: an answer that was recorded.
    proxy.tamper = async (passing) => {
      if (!passing.path.endsWith(tsa)) return await passing.forward();
      const body = Buffer.from(passing.body);
      // The nonce is the INTEGER before the BOOLEAN certReq (01 01 ff) at the end.
      body[body.length - 4] = (body[body.length - 4] ?? 0) ^ 1;
      return await passing.forward({ body });
    };
    await assert.rejects(sign(), { code: 'ERR_TSA_MISMATCH', message: /nonce/ });
    for (const body of [
      Buffer.alloc(0),
      Buffer.from('3003020102', 'hex'),
      (earlier ?? Buffer.alloc(0)).subarray(0, 60),
    ]) {
      proxy.tamper = at(tsa, (answer) => ({ ...answer, body }));
      await assert.rejects(sign(), { code: 'ERR_TSA_RESPONSE' });
    }
    assert.equal(proxy.seen.filter((path) => path.endsWith(log)).length, 1, 'nothing but the first may be logged');
  });

  it('refuses another entry than the one it submitted', async () => {
    let other: Answer | undefined;
    proxy.tamper = at(log, (answer) => {
      other = answer;
      return answer;
    });
    await sign();
    proxy.tamper = at(log, (answer) => other ?? answer);
    await assert.rejects(sign(), { code: 'ERR_LOG_RESPONSE_MISMATCH' });
  });

  it('refuses an entry without a proof, with a wrong proof, and with a wrong checkpoint', async () => {
    const changes: readonly (readonly [string, (entry: Record<string, Record<string, unknown>>) => void])[] = [
      ['ERR_LOG_RESPONSE', (entry) => Reflect.deleteProperty(entry, 'inclusionProof')],
      [
        'ERR_INCLUSION_PROOF',
        (entry) => {
          if (entry.inclusionProof) entry.inclusionProof.hashes = [];
        },
      ],
      [
        'ERR_CHECKPOINT_SIGNATURE',
        (entry) => {
          const checkpoint = entry.inclusionProof?.checkpoint as { envelope: string };
          checkpoint.envelope = checkpoint.envelope
            .replace(/[A-Za-z0-9+/]{8}==\n$/, 'AAAAAAA=\n')
            .replace(/.{20}(=*)\n$/, 'AAAAAAAAAAAAAAAAAAAA$1\n');
        },
      ],
    ];
    for (const [code, change] of changes) {
      proxy.tamper = at(log, (answer) =>
        json(answer, (entry) => {
          change(entry);
          return entry;
        }),
      );
      await assert.rejects(sign(), { code }, code);
    }
  });

  it('takes a duplicate that comes with the entry as success', async () => {
    proxy.tamper = at(log, (answer) => ({ ...answer, status: 409 }));
    assert.equal((await sign()).verified.logEntries.length, 1);
    proxy.tamper = at(log, (answer) => ({
      ...answer,
      status: 409,
      body: Buffer.from('{"code":6,"message":"an equivalent entry exists"}'),
    }));
    await assert.rejects(sign(), { code: 'ERR_HTTP_STATUS', message: /an equivalent entry exists/ });
  });

  it('tries again after failures that pass, and says so when they do not', async () => {
    let failures = 2;
    proxy.tamper = async (passing, response) => {
      if (failures-- > 0) {
        if (failures === 1) return { status: 503, headers: {}, body: Buffer.from('busy') };
        response.destroy();
        return undefined;
      }
      return await passing.forward();
    };
    const retry = { attempts: 3, budget: 10_000, firstDelay: 1 };
    assert.ok((await sign({ retry })).verified);
    proxy.tamper = async () => ({ status: 503, headers: {}, body: Buffer.from('{"message":"down for maintenance"}') });
    await assert.rejects(sign({ retry }), { code: 'ERR_HTTP_STATUS', message: /503: down for maintenance/ });
    proxy.tamper = async (_passing, response) => void response.destroy();
    await assert.rejects(sign({ retry }), { code: 'ERR_NETWORK' });
  });

  it('does not repeat what was refused', async () => {
    proxy.tamper = at(ca, () => ({ status: 400, headers: {}, body: Buffer.from('{"code":3,"message":"no"}') }));
    await assert.rejects(sign({ retry: { attempts: 5, budget: 10_000, firstDelay: 1 } }), { code: 'ERR_CA_REFUSED' });
    assert.equal(proxy.seen.filter((path) => path.endsWith(ca)).length, 1);
  });

  it('never repeats the token that a service quotes', async () => {
    proxy.tamper = at(ca, () => ({
      status: 400,
      headers: {},
      body: Buffer.from(
        JSON.stringify({
          code: 3,
          message: `bad token ${token.reveal()}`,
          details: [{ reason: `saw ${token.reveal()}` }],
        }),
      ),
    }));
    const error = await sign().then(
      () => assert.fail('must be refused'),
      (thrown: unknown) => thrown,
    );
    const [, claims = '', signature = ''] = token.reveal().split('.');
    for (const secret of [claims, signature])
      assert.ok(!JSON.stringify([error, String(error), (error as Error).stack]).includes(secret));
  });

  it('stops reading an answer that does not end', async () => {
    for (const path of [ca, tsa, log]) {
      proxy.tamper = async (passing, response) => {
        if (!passing.path.endsWith(path)) return await passing.forward();
        response.writeHead(200);
        const chunk = Buffer.alloc(64 * 1024, 0x20);
        const pour = () => {
          while (!response.destroyed && response.write(chunk));
        };
        response.on('drain', pour);
        pour();
        return undefined;
      };
      await assert.rejects(sign(), { code: 'ERR_RESPONSE_TOO_LARGE' }, path);
    }
  });

  it('ends at once when it is interrupted while a service is silent', async () => {
    const stop = new AbortController();
    const reason = new Error('interrupted');
    proxy.tamper = async (passing) => {
      if (!passing.path.endsWith(log)) return await passing.forward();
      stop.abort(reason);
      return undefined;
    };
    await assert.rejects(sign({ signal: stop.signal }), reason);
  });

  it('follows no redirect to another origin', async () => {
    proxy.tamper = at(ca, () => ({
      status: 307,
      headers: { location: `${scene.registry}-/signet/ca${ca}` },
      body: Buffer.alloc(0),
    }));
    await assert.rejects(sign(), { code: 'ERR_HTTP_REDIRECT' });
  });

  it('sends no token that has expired or is for another audience', async () => {
    const claims = JSON.parse(Buffer.from(token.reveal().split('.')[1] ?? '', 'base64url').toString());
    const remade = (change: object) =>
      Token.parse(
        [
          'eyJhbGciOiJFUzI1NiJ9',
          Buffer.from(JSON.stringify({ ...claims, ...change })).toString('base64url'),
          'AAAA',
        ].join('.'),
      );
    const { ca: caUrl } = scene.instance.urls;
    const services = { caUrl: proxy.through(caUrl), tsaUrls: [], logUrls: [] };
    for (const [change, code] of [
      [{ exp: 1 }, 'ERR_IDENTITY_TOKEN_EXPIRED'],
      [{ aud: 'npm:registry.example' }, 'ERR_IDENTITY_TOKEN_AUDIENCE'],
      [{ iss: 'https://elsewhere.example' }, 'ERR_CA_REFUSED'],
    ] as const) {
      await assert.rejects(SigningSession.open({ identityToken: remade(change), trust: scene.trust, services }), {
        code,
      });
    }
    assert.ok(!proxy.seen.some((path) => path.startsWith('POST')), 'no token may be sent');
  });
});
