import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { browserToken } from '@signet/client/identity';
import { initInstance, type RunningInstance, startInstance } from '@signet/registry';
import { explainToken, readIssuers } from '@signet/registry/operator';
import * as sigstore from 'sigstore';
import { Glewlwyd, type Person } from './glewlwyd.ts';

const alice = { username: 'alice', password: 'correct horse', email: 'alice@acme.example', emailVerified: true };
const bob = { username: 'bob', password: 'battery staple', email: 'bob@acme.example', emailVerified: false };

describe('people who sign in at a provider of other people’s making', () => {
  let directory: string | undefined;
  let provider: Glewlwyd | undefined;
  let running: RunningInstance | undefined;

  before(async function () {
    this.timeout(60_000);
    if (!(await Glewlwyd.isInstalled())) {
      process.stderr.write('    not tested: this machine lacks glewlwyd (apt-get install glewlwyd dbconfig-sqlite3)\n');
      this.skip();
    }
    directory = await mkdtemp(join(tmpdir(), 'signet-glewlwyd-'));
    provider = await Glewlwyd.start(join(directory, 'provider'), [alice, bob]);
    const options = { directory: join(directory, 'instance'), port: 0, names: ['@acme/*'], uplink: 'none' } as const;
    const { layout } = await initInstance(options);
    await writeFile(
      layout.issuersFile,
      `oidc-issuers:\n  ${provider.issuer}: { type: email, client-id: sigstore, single-use-tokens: true }\n`,
    );
    running = await startInstance({ ...options, only: ['ca', 'log', 'tsa', 'tuf'] });
  });

  after(async () => {
    await running?.stop();
    await provider?.stop();
    if (directory !== undefined) await rm(directory, { recursive: true });
  });

  async function token(person: Person): Promise<string> {
    assert.ok(provider !== undefined);
    const { issuer } = provider;
    let page: Promise<number> | undefined;
    const found = await browserToken({
      issuer,
      openBrowser: (url) => {
        page = provider?.signIn(new URL(url), person);
      },
    });
    assert.equal(await page, 200);
    return found.reveal();
  }

  it('sign, and stock sigstore verifies with the trust root alone', async () => {
    assert.ok(running !== undefined && provider !== undefined && directory !== undefined);
    const { urls, tufRoot } = running;
    const data = Buffer.from('a release');
    const identityToken = await token(alice);
    const services = {
      fulcioURL: urls.ca,
      rekorURL: urls.logV1 ?? '',
      tsaServerURL: `${urls.tsa}/api/v1/timestamp`,
    };
    const bundle = await sigstore.sign(data, { ...services, identityToken });
    await sigstore.verify(bundle, data, {
      tufMirrorURL: urls.tuf,
      tufRootPath: tufRoot.path,
      tufCachePath: join(directory, 'cache'),
      certificateIssuer: provider.issuer,
      certificateIdentityEmail: '^alice@acme\\.example$',
    });
    // The issuer says that each token counts once.
    await assert.rejects(sigstore.sign(data, { ...services, identityToken, retry: 0 }));
  }).timeout(30_000);

  it('get nothing for an address that the provider does not vouch for', async () => {
    assert.ok(running !== undefined);
    const issuers = await readIssuers(running.instance, false);
    const explained = await explainToken(issuers, await token(bob));
    assert.deepEqual([explained.accepted, explained.reason], [false, 'email-not-verified']);
    assert.equal((await explainToken(issuers, await token(alice))).certificate?.subject.value, alice.email);
  }).timeout(30_000);
});
