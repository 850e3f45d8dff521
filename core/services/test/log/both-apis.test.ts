// What Rekor's two APIs promise alike, asked of a real server with two shards of each log.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { der, fulcioExtensions, oids, toPem } from '@signet/primitives/formats';
import { signerFromPrivateKey } from '@signet/primitives/keys';
import { type RunningLog, rotateLog, serveLog } from '@signet/services/log';
import { base64, dsse, envelope } from './rekor-v1/proposals.ts';
import { codeSigning, extension, makeAuthority, type TestAuthority } from './test-certificates.ts';

type Api = 'v1' | 'v2';

interface Signed {
  readonly algorithm: 'sha256' | 'sha384' | 'sha512';
  readonly hex: string;
  readonly certificate: Uint8Array;
  readonly signature: Uint8Array;
  readonly keyDetails: string;
}

/** What tells one signature from another. */
interface About {
  readonly email: string;
  readonly job: number;
}

const curves = {
  sha256: ['P-256', 'PKIX_ECDSA_P256_SHA_256'],
  sha384: ['P-384', 'PKIX_ECDSA_P384_SHA_384'],
  sha512: ['P-521', 'PKIX_ECDSA_P521_SHA_512'],
} as const;

describe('both APIs of a log with two shards each', () => {
  let directory: string;
  let running: RunningLog;
  let authority: TestAuthority;
  const signed: Signed[] = [];

  /** Claims of which each job has its own. */
  const claimsOf = (job: number) => ({
    sourceRepositoryUri: `https://github.com/acme/package-${job}`,
    sourceRepositoryIdentifier: `10${job}`,
    sourceRepositoryOwnerIdentifier: `20${job}`,
    sourceRepositoryDigest: `${job}`.repeat(40),
    buildSignerUri: `https://github.com/acme/package-${job}/.github/workflows/release.yml@refs/heads/main`,
    buildConfigUri: `https://github.com/acme/package-${job}/.github/workflows/build.yml@refs/heads/main`,
  });

  async function signArtifact(artifact: string, algorithm: Signed['algorithm'], about: About): Promise<Signed> {
    const [namedCurve, keyDetails] = curves[algorithm];
    const { privateKey } = generateKeyPairSync('ec', { namedCurve });
    const workflow = der.tlv(0x86, Buffer.from(`https://ci.example/job/${about.job}`));
    const names = der.sequence(der.tlv(0x81, Buffer.from(about.email)), workflow);
    const claims = fulcioExtensions({ issuer: `https://issuer-${about.job}.example`, ...claimsOf(about.job) });
    const subject = extension(oids.subjectAlternativeName, names);
    const certificate = await authority.issue([codeSigning, subject, ...claims], signerFromPrivateKey(privateKey));
    const hex = createHash(algorithm).update(artifact).digest('hex');
    return { algorithm, hex, certificate, signature: sign(algorithm, Buffer.from(artifact), privateKey), keyDetails };
  }

  const ask = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${running.port}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });

  const requestOf: Readonly<Record<Api, (entry: Signed) => object>> = {
    v1: ({ algorithm, hex, certificate, signature }) => ({
      apiVersion: '0.0.1',
      kind: 'hashedrekord',
      spec: {
        data: { hash: { algorithm, value: hex } },
        signature: {
          content: base64(signature),
          publicKey: { content: base64(toPem('CERTIFICATE', certificate)) },
        },
      },
    }),
    v2: ({ hex, certificate, signature, keyDetails }) => ({
      hashedRekordRequestV002: {
        digest: Buffer.from(hex, 'hex').toString('base64'),
        signature: {
          content: base64(signature),
          verifier: { keyDetails, x509Certificate: { rawBytes: base64(certificate) } },
        },
      },
    }),
  };

  const submit = (api: Api, shard: number, entry: Signed, purl?: string): Promise<Response> => {
    const base = api === 'v1' ? '/log-v1' : shard === 1 ? '' : `/${shard}`;
    const headers: Record<string, string> = purl === undefined ? {} : { 'signet-package-url': purl };
    return ask(`${base}/api/${api}/log/entries`, requestOf[api](entry), headers);
  };

  interface Page {
    readonly digests: string[];
    readonly next: unknown;
  }

  const search: Readonly<Record<Api, (query: object) => Promise<Page>>> = {
    async v1(query) {
      const answer = await ask('/log-v1/api/v1/index/retrieve', query);
      assert.equal(answer.status, 200, await answer.clone().text());
      const digests: string[] = [];
      for (const id of (await answer.json()) as string[]) {
        const entries = await ask('/log-v1/api/v1/log/entries/retrieve', { entryUUIDs: [id] });
        const [[found] = []] = ((await entries.json()) as Record<string, { body: string }>[]).map(Object.values);
        const { spec } = JSON.parse(Buffer.from(found?.body ?? '', 'base64').toString());
        digests.push(spec.data?.hash.value ?? 'an envelope');
      }
      const next = answer.headers.get('signet-next');
      return { digests, next: next === null ? null : Number(next) };
    },
    async v2(query) {
      const answer = await ask('/api/v2/index/retrieve', query);
      assert.equal(answer.status, 200, await answer.clone().text());
      const { entries, next } = (await answer.json()) as { entries: { canonicalizedBody: string }[]; next: unknown };
      const digests = entries.map(({ canonicalizedBody }) => {
        const { spec } = JSON.parse(Buffer.from(canonicalizedBody, 'base64').toString());
        return Buffer.from(spec.hashedRekordV002.data.digest, 'base64').toString('hex');
      });
      return { digests, next };
    },
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-both-'));
    authority = await makeAuthority();
    running = await serveLog({ directory, port: 0 });
    signed.push(
      await signArtifact('one', 'sha256', { email: 'alice@example.com', job: 1 }),
      await signArtifact('two', 'sha384', { email: 'bob@example.com', job: 2 }),
      await signArtifact('three', 'sha512', { email: 'alice@example.com', job: 3 }),
      await signArtifact('four', 'sha256', { email: 'bob@example.com', job: 1 }),
    );
    for (const [i, entry] of signed.entries()) {
      const shard = i < 2 ? 1 : 2;
      if (i === 2) for (const api of ['v1', 'v2'] as const) await rotateLog({ directory, api, overlapSeconds: 0 });
      for (const api of ['v1', 'v2'] as const) {
        const answer = await submit(api, shard, entry, `pkg:npm/package@1.0.${i % 2}`);
        assert.equal(answer.status, 201, await answer.text());
      }
    }
  });

  after(async () => {
    await running.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Digests of the entries with these numbers. */
  const of = (...numbers: number[]): (string | undefined)[] => numbers.map((number) => signed[number]?.hex);

  for (const api of ['v1', 'v2'] as const) {
    describe(api, () => {
      const find = async (query: object): Promise<string[]> => (await search[api](query)).digests;

      it('finds by each kind of key, in the old shard and the new', async () => {
        for (const [i, { hex, algorithm, certificate }] of signed.entries()) {
          assert.deepEqual(await find({ hash: hex }), [hex]);
          assert.deepEqual(await find({ hash: `${algorithm}:${hex}` }), [hex]);
          const content = base64(toPem('CERTIFICATE', certificate));
          assert.deepEqual(await find({ publicKey: { format: 'x509', content } }), [hex], `key ${i}`);
        }
        assert.deepEqual(await find({ email: 'ALICE@example.com' }), of(0, 2));
        assert.deepEqual(await find({ subject: 'bob@example.com' }), of(1, 3));
        assert.deepEqual(await find({ subject: 'https://ci.example/job/1' }), of(0, 3));
        assert.deepEqual(await find({ issuer: 'https://issuer-1.example' }), of(0, 3));
        assert.deepEqual(await find({ purl: 'pkg:npm/package@1.0.1' }), of(1, 3));
        for (const [name, value] of Object.entries(claimsOf(1))) {
          assert.deepEqual(await find({ claims: { [name]: value } }), of(0, 3), name);
        }
        assert.deepEqual(await find({ claims: claimsOf(3) }), of(2));
        assert.deepEqual(await find({ email: 'nobody@example.com' }), []);
      });

      it('finds what matches any key, or all of them', async () => {
        const query = { email: 'alice@example.com', issuer: 'https://issuer-1.example' };
        assert.deepEqual(await find(query), of(0, 2, 3));
        assert.deepEqual(await find({ ...query, operator: 'or' }), of(0, 2, 3));
        assert.deepEqual(await find({ ...query, operator: 'and' }), of(0));
        assert.deepEqual(await find({ ...query, operator: 'and', purl: 'pkg:npm/package@1.0.1' }), []);
      });

      it('gives results a page at a time, over the border between the shards', async () => {
        const query = { purl: 'pkg:npm/package@1.0.0', email: 'bob@example.com' };
        for (const limit of [1, 2, 3]) {
          const digests: string[] = [];
          for (let from: unknown = null, pages = 0; pages === 0 || from !== null; pages++) {
            const page = await search[api]({ ...query, limit, ...(from === null ? {} : { from }) });
            assert.ok(page.digests.length <= limit && pages < 10);
            digests.push(...page.digests);
            from = page.next;
          }
          assert.deepEqual(digests, of(0, 1, 2, 3), `${limit} at a time`);
        }
      });

      it('gives one place to what comes many times at once, also after a restart', async () => {
        const again = await signArtifact(`again, ${api}`, 'sha256', { email: 'carol@example.com', job: 4 });
        const indices = new Set<unknown>();
        const many = async (): Promise<void> => {
          for (const answer of await Promise.all(Array.from({ length: 40 }, () => submit(api, 2, again)))) {
            assert.equal(answer.status, 201, await answer.clone().text());
            const json = (await answer.json()) as Record<string, unknown>;
            indices.add(api === 'v2' ? json.logIndex : Object.keys(json).join());
          }
        };
        await many();
        await running.close();
        running = await serveLog({ directory, port: 0 });
        await many();
        assert.equal(indices.size, 1);
        assert.deepEqual(await find({ email: 'carol@example.com' }), [again.hex]);
        // What is in the frozen shard is answered from there, and not logged anew.
        const [old] = signed;
        assert.ok(old !== undefined);
        assert.equal((await submit(api, 1, old)).status, 201);
        assert.deepEqual(await find({ hash: old.hex }), [old.hex]);
      });
    });
  }

  it('v1 finds what a statement is about by SHA-1 too', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = { privateKey, pem: String(publicKey.export({ format: 'pem', type: 'spki' })) };
    const sha1 = createHash('sha1').update('old').digest('hex');
    const statement = JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'old.tgz', digest: { sha1 } }],
      predicateType: 'https://example.com/old',
      predicate: {},
    });
    const answer = await ask('/log-v1/api/v1/log/entries', dsse(envelope(statement, [key]), [key]));
    assert.equal(answer.status, 201, await answer.text());
    assert.deepEqual((await search.v1({ hash: sha1 })).digests, ['an envelope']);
    assert.deepEqual((await search.v1({ hash: `sha1:${sha1}` })).digests, ['an envelope']);
  });
});
