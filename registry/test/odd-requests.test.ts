import assert from 'node:assert/strict';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { type Parcel, TestRegistry } from './support/registry.ts';
import { ServerProcess } from './support/server-process.ts';

interface Odd {
  readonly method?: string;
  /** As it is sent, whatever it is. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const scoped = '/@example%2fodd';
const long = 'a'.repeat(6000);

const strangePaths = [
  '/%',
  '/%zz',
  '/%00',
  '/%ff%fe',
  '/%e2%80%ae',
  '//',
  '/../../etc/passwd',
  '/..%2f..%2fetc%2fpasswd',
  '/%252e%252e%252f',
  '/\\..\\..',
  '/__proto__',
  '/constructor',
  '/__proto__/-/__proto__-1.0.0.tgz',
  '/@__proto__%2fx',
  '/@example%2f__proto__',
  '/@example%2f',
  '/@%2f',
  '/@',
  `/${long}`,
  `/@example%2f${long}`,
  `${scoped}/${long}`,
  `${scoped}/1.0.0?a[b]=c`,
  `${scoped}/__proto__`,
  `${scoped}/%`,
  `${scoped}/-/odd-1.0.0.tgz/`,
  `${scoped}/-/..%2f..%2fpackage.json`,
  `${scoped}/-/package.json`,
  `${scoped}/-/%00.tgz`,
  `${scoped}/-/${long}.tgz`,
  '/-/npm/v1/attestations/%',
  '/-/npm/v1/attestations/@',
  '/-/npm/v1/attestations/__proto__@1.0.0',
  '/-/npm/v1/attestations/@example%2fodd@constructor',
  `/-/npm/v1/attestations/${long}@1.0.0`,
  '/-/npm/v1/keys/x',
  '/-/package/%/visibility',
  '/-/package/__proto__/visibility',
  '/-/package/@example%2fodd/dist-tags/__proto__',
  '/-/package/@example%2fnothing/dist-tags',
  '/-/signet/v1/panel?name=__proto__&version=%00',
  '/-/signet/v1/panel?name=%',
  '/-/signet/v1/nothing',
  '/-/v1/search?text=%&size=x&from=-1',
  '/-/v1/search?text[]=a',
  `/-/v1/search?text=${long}`,
  '/-/verdaccio/data/packages?x[]=1',
  '/-/verdaccio/data/sidebar/__proto__',
  '/-/verdaccio/data/sidebar/@example/odd?v=__proto__',
  '/-/verdaccio/data/package/readme/@example/odd?v[]=1',
  '/-/web/detail/__proto__',
  '/-/static/..%2f..%2fpackage.json',
  '/-/static/%00',
  '/-/user/org.couchdb.user:__proto__',
  '/-/user/token/%',
  '/-/npm/v1/tokens',
  '/-/npm/v1/user',
  '/-/whoami?x=%',
  '/-/_debug',
  '/-/all?startkey=%00',
  '/-/signet/ca/api/v2/%',
  '/-/signet/log/api/v2/%00',
  '/-/signet/tuf/..%2f..%2f',
  '/-/signet/oidc/authorize?response_type[]=x',
];

const strangeBodies = [
  '',
  'null',
  '[]',
  '"text"',
  '1e400',
  '{',
  '{"__proto__":{"name":"x"}}',
  '{"constructor":{"prototype":{}}}',
  '{"name":{"toString":1},"versions":[]}',
  '{"name":"@example/odd","versions":{"__proto__":{}},"_attachments":{"__proto__":{}}}',
  '{"name":"@example/odd","versions":{"1.0.0":null},"_attachments":{"x.tgz":null}}',
  '{"name":"@example/odd","versions":{"9.9.9":{}},"_attachments":{"odd-9.9.9.tgz":{"data":"%%%"}}}',
  `{"name":"${long}"}`,
  '{"packages":[{"name":"__proto__","version":"1.0.0"},7]}',
  '{"mediaType":"x","dsseEnvelope":{"payload":7}}',
  '{"password":{"old":[],"new":{}}}',
  '\ud800',
];

const strangeTargets = [
  ['PUT', scoped],
  ['PUT', `${scoped}/-rev/x`],
  ['POST', '/-/signet/v1/bundles'],
  ['POST', '/-/signet/v1/attestations:batch'],
  ['PUT', '/-/user/org.couchdb.user:x'],
  ['POST', '/-/npm/v1/user'],
  ['POST', '/-/npm/v1/tokens'],
  ['POST', '/-/npm/v1/oidc/token/exchange/package/@example%2fodd'],
  ['POST', '/-/verdaccio/sec/login'],
  ['PUT', '/-/package/@example%2fodd/dist-tags/next'],
  ['POST', '/-/signet/ca/api/v2/signingCert'],
  ['POST', '/-/signet/log/api/v2/log/entries'],
  ['POST', '/-/signet/tsa/api/v1/timestamp'],
] as const;

const strangeHeaders: readonly Readonly<Record<string, string>>[] = [
  { authorization: 'Bearer' },
  { authorization: 'Bearer %00' },
  { authorization: `Basic ${Buffer.from('__proto__:x').toString('base64')}` },
  { authorization: `Basic ${Buffer.from([0xff, 0xfe, 0x3a, 0x00]).toString('base64')}` },
  { authorization: 'Basic !!!' },
  { accept: ';;;' },
  { 'accept-encoding': 'gzip;q=x, *;q=2' },
  { 'if-none-match': '"\\' },
  { range: 'bytes=9-1' },
  { host: '' },
  { host: '[::' },
  { host: 'a b' },
  { 'x-forwarded-proto': 'javascript' },
  { 'x-forwarded-for': '%00, ,,' },
  { 'content-type': 'application/json; charset=%00' },
];

describe('odd requests', () => {
  let registry: TestRegistry;
  let server: ServerProcess;
  let parcel: Parcel;
  let token: string;

  before(async () => {
    registry = await TestRegistry.start();
    parcel = await registry.parcel('@example/odd');
    assert.equal((await registry.put(parcel)).status, 201);
    token = await registry.npmToken('alice');
    await registry.running.stop();
    server = await ServerProcess.start(registry);
  });

  after(async () => {
    await server?.kill('SIGTERM');
    await registry?.remove();
  });

  /** Sends bytes as they are: fetch would put them in order first. */
  function send({ method = 'GET', path, headers = {}, body }: Odd): Promise<{ status: number; text: string }> {
    const { hostname, port } = new URL(registry.url);
    return new Promise((resolve, reject) => {
      const json = body === undefined ? {} : { 'content-type': 'application/json' };
      const options = { hostname, port, method, path, headers: { ...json, ...headers }, agent: false };
      const asked = request(options, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          const head = JSON.stringify(answer.headers);
          resolve({ status: answer.statusCode ?? 0, text: `${head}\n${Buffer.concat(chunks).toString('utf8')}` });
        });
        answer.on('error', reject);
      });
      asked.setTimeout(20_000, () => asked.destroy(new Error(`no answer to ${method} ${path.slice(0, 100)}`)));
      asked.on('error', reject);
      asked.end(body);
    });
  }

  async function assertPlain(odd: Odd) {
    const what = JSON.stringify(odd).slice(0, 300);
    const { status, text } = await send(odd);
    assert.ok(server.isRunning, `${what} ended the server: ${server.errors.slice(-2000)}`);
    assert.notEqual(status, 500, `${what}: ${text.slice(0, 300)}`);
    // A stack names the lines of files; a path begins where the registry or its programs lie.
    assert.doesNotMatch(text, /\n\s+at |\.[cm]?[jt]s:\d+|node:internal|node_modules/, what);
    for (const place of [registry.directory, tmpdir(), process.cwd(), process.execPath]) {
      assert.ok(!text.includes(place), `${what}: ${text.slice(0, 500)}`);
    }
  }

  const credentials = () => [{}, { authorization: `Bearer ${token}` }];

  it('for strange addresses are answered without a stack or a path of the machine', async () => {
    for (const headers of credentials()) {
      for (const path of strangePaths) {
        for (const method of ['GET', 'DELETE']) await assertPlain({ method, path, headers });
      }
    }
  }).timeout(120_000);

  it('with strange bodies are answered so too, wherever they go', async () => {
    for (const headers of credentials()) {
      for (const [method, path] of strangeTargets) {
        for (const body of strangeBodies) await assertPlain({ method, path, body, headers });
      }
    }
  }).timeout(120_000);

  it('with strange headers are answered so too', async () => {
    for (const headers of strangeHeaders) {
      for (const path of [scoped, `${scoped}/-/odd-1.0.0.tgz`, '/-/whoami', '/-/v1/search?text=odd', '/']) {
        await assertPlain({ path, headers });
      }
      await assertPlain({ method: 'PUT', path: scoped, body: '{}', headers });
    }
  }).timeout(120_000);

  it('leave everything as it was', async () => {
    const { status, text } = await send({ path: `${scoped}/-/odd-1.0.0.tgz` });
    assert.equal(status, 200, text);
    const versions = (await registry.fetch(scoped)).json<{ versions: object }>().versions;
    assert.deepEqual(Object.keys(versions), ['1.0.0']);
    assert.equal((await registry.attestations('@example%2fodd@1.0.0')).status, 200);
    assert.doesNotMatch(server.errors, /escaped: /);
  });
});
