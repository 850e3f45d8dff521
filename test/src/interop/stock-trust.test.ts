import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRegistryKeys } from '@signet/client/npm';
import { openKeyFile } from '@signet/primitives/keys';
import {
  beginRotation,
  emailClaims,
  githubClaims,
  mintToken,
  type RunningInstance,
  readDevelopmentKeys,
  readRotations,
  startInstance,
} from '@signet/registry';
import { initTUF } from '@sigstore/tuf';
import * as sigstore from 'sigstore';

const author = 'alice@example.com';
const artifact = Buffer.from('an artifact');

describe('stock sigstore with the trust root of an instance', () => {
  let directory: string;
  let running: RunningInstance;

  before(async function () {
    this.timeout(30_000);
    directory = await mkdtemp(join(tmpdir(), 'signet-stock-trust-'));
    running = await startInstance({
      directory: join(directory, 'instance'),
      port: 0,
      names: ['@example/*'],
      devIdentity: true,
      uplink: 'none',
      only: ['ca', 'log', 'tsa', 'tuf'],
    });
  });

  after(async () => {
    await running?.stop();
    await rm(directory, { recursive: true });
  });

  async function sign(issuer: string, claims: Record<string, unknown>): Promise<sigstore.Bundle> {
    const { urls, instance } = running;
    const keys = await readDevelopmentKeys(instance.layout);
    return sigstore.sign(artifact, {
      fulcioURL: urls.ca,
      rekorURL: urls.logV1 ?? '',
      tsaServerURL: `${urls.tsa}/api/v1/timestamp`,
      identityToken: mintToken(keys, issuer, claims),
    });
  }

  /** With mirror and root alone, and what the client makes of them in a cache of its own. */
  const verify = (bundle: sigstore.Bundle, expected: sigstore.VerifyOptions, cache = 'cache', data = artifact) =>
    sigstore.verify(bundle, data, {
      tufMirrorURL: running.urls.tuf,
      tufRootPath: running.tufRoot.path,
      tufCachePath: join(directory, cache),
      ctLogThreshold: 1,
      tlogThreshold: 1,
      ...expected,
    });

  it('finds the keys of the registry where npm looks for those of its own', async () => {
    const { layout, urls } = running.instance;
    const client = await initTUF({
      mirrorURL: running.urls.tuf,
      rootPath: running.tufRoot.path,
      cachePath: join(directory, 'keys-cache'),
    });
    const { keys } = JSON.parse(await client.getTarget(`${new URL(urls.publicUrl).host}/keys.json`));
    const signer = await openKeyFile(join(layout.keys.directory, 'registry.key'));
    const id = `SHA256:${createHash('sha256').update(signer.publicKey.spki).digest('base64').replace('=', '')}`;
    assert.deepEqual(
      keys.map(({ keyId, keyUsage }: Record<string, unknown>) => [keyId, keyUsage]),
      [
        [id, 'npm:signatures'],
        [id, 'npm:attestations'],
      ],
    );
    const [key] = parseRegistryKeys({ keys });
    assert.deepEqual(key?.publicKey, new Uint8Array(signer.publicKey.spki));
  }).timeout(30_000);

  it('signs as a person and verifies', async () => {
    const certificateIssuer = running.urls.oidc;
    const bundle = await sign(certificateIssuer, emailClaims(author));
    await verify(bundle, { certificateIssuer, certificateIdentityEmail: '^alice@example\\.com$' });
    await assert.rejects(
      verify(bundle, { certificateIssuer, certificateIdentityEmail: '^mallory@example\\.com$' }),
      /identity/i,
    );
    await assert.rejects(
      verify(bundle, { certificateIssuer, certificateIdentityEmail: author }, 'cache', Buffer.from('another')),
    );
  }).timeout(30_000);

  it('signs as a CI job and verifies, its extensions too', async () => {
    const certificateIssuer = running.urls.ciIssuer;
    const claims = githubClaims({ repository: 'acme/widgets' });
    const bundle = await sign(certificateIssuer, claims);
    const certificateIdentityURI = `https://github.com/${String(claims.job_workflow_ref)}`;
    // A raw extension is compared with its bytes; those from .8 on are UTF8String (notes on P7).
    const utf8String = (text: string) => `\u000c${String.fromCharCode(text.length)}${text}`;
    await verify(bundle, {
      certificateIssuer,
      certificateIdentityURI,
      certificateOIDs: {
        '1.3.6.1.4.1.57264.1.5': 'acme/widgets',
        '1.3.6.1.4.1.57264.1.12': utf8String('https://github.com/acme/widgets'),
      },
    });
    await assert.rejects(
      verify(bundle, {
        certificateIssuer,
        certificateIdentityURI,
        certificateOIDs: { '1.3.6.1.4.1.57264.1.5': 'acme/other' },
      }),
    );
  }).timeout(30_000);

  it('goes on over a rotation of the authority, its timestamps and both logs of certificates and entries', async () => {
    const certificateIssuer = running.urls.oidc;
    const expected = { certificateIssuer, certificateIdentityEmail: author };
    const before = await sign(certificateIssuer, emailClaims(author));
    await verify(before, expected, 'long-lived');
    for (const service of ['ca', 'tsa', 'ctlog', 'log-v1'] as const) {
      await beginRotation(running.instance, service, { leadSeconds: 0 });
    }
    while ((await readRotations(running.instance)).length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    const after = await sign(certificateIssuer, emailClaims(author));
    for (const bundle of [before, after]) {
      await verify(bundle, expected, 'long-lived');
      await verify(bundle, expected, 'fresh');
    }
  }).timeout(60_000);
});
