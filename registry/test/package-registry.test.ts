import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSigner } from '@signet/primitives/keys';
import { provideSigner } from 'verdaccio-signet';
import { freePort, type Instance, initInstance } from '../src/index.ts';
import { embedVerdaccio, verdaccioConfiguration } from '../src/package-registry.ts';

describe('Verdaccio inside an instance', () => {
  let directory: string;
  let instance: Instance;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-verdaccio-'));
    const port = await freePort('127.0.0.1');
    instance = await initInstance({ directory: join(directory, 'i'), port, names: ['@example/*'], uplink: 'none' });
  });

  before(async () => {
    provideSigner(instance.layout.directory, generateSigner());
    await mkdir(instance.layout.registry.directory, { recursive: true });
  });

  after(() => rm(directory, { recursive: true }));

  function configuration(change: Record<string, unknown>) {
    return { ...verdaccioConfiguration(instance.configuration, instance.layout), ...change };
  }

  const plugin = (change: Record<string, unknown>) => {
    const { middlewares } = configuration({}) as unknown as { middlewares: { signet: Record<string, unknown> } };
    return configuration({ middlewares: { ...middlewares, signet: { ...middlewares.signet, ...change } } });
  };

  it('finds the same plugin by require() and by import()', async () => {
    const required = createRequire(import.meta.url)('verdaccio-signet');
    const imported = await import('verdaccio-signet');
    assert.equal(typeof required.default, 'function');
    assert.equal(required.default, imported.default);
  });

  it('is not put into service without the plugin', async () => {
    const { publicUrl } = instance.configuration;
    // Verdaccio logs that it cannot find the plugin, and starts without it.
    const without = configuration({ serverSettings: { pluginPrefix: 'nobody-has-this' } });
    await assert.rejects(embedVerdaccio(without, publicUrl), { code: 'ERR_PLUGIN_INACTIVE' });
    await assert.rejects(embedVerdaccio(configuration({ middlewares: {} }), publicUrl), {
      code: 'ERR_PLUGIN_INACTIVE',
    });
  });

  it('does not start with a plugin whose configuration is wrong', async () => {
    const broken = join(directory, 'broken');
    await writeFile(broken, '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"');
    for (const change of [
      { names: ['**'] },
      { names: '@example/*' },
      { names: undefined },
      { policy: undefined },
      { policy: join(directory, 'nowhere.yaml') },
      { policy: broken },
      { trustedRoot: join(directory, 'nowhere.json') },
      { trustedRoot: broken },
      { enabled: false },
      { unknown: 1 },
      { limits: { bundleBytes: '1mb' } },
      { limits: { files: 1 } },
      { limits: { verdictSeconds: 0 } },
      { publish: 'sometimes' },
      { tarballs: false },
      { advertise: 'yes' },
      { advertise: true, publicUrl: undefined },
      { publicUrl: 'ftp://registry.example/' },
      { signatures: {} },
      { signatures: { key: { provided: 'nobody' }, keys: join(directory, 'keys.json') } },
      { signatures: { key: broken, keys: join(directory, 'keys.json') } },
      { signatures: { key: join(directory, 'new.pem'), keys: broken } },
    ]) {
      await assert.rejects(
        embedVerdaccio(plugin(change), instance.configuration.publicUrl),
        { code: 'ERR_PLUGIN_CONFIG' },
        JSON.stringify(change),
      );
    }
  });

  it('sends owned names to no uplink, and lets nobody publish others', () => {
    const proxied = { ...instance.configuration, uplink: { url: 'https://registry.example/' } };
    const { packages } = verdaccioConfiguration(proxied, instance.layout) as unknown as {
      packages: Record<string, { proxy?: string; publish: unknown }>;
    };
    assert.deepEqual(Object.keys(packages), ['@example/*', '**']);
    assert.equal(packages['@example/*']?.proxy, undefined);
    assert.equal(packages['**']?.proxy, 'npmjs');
    assert.deepEqual(packages['**']?.publish, []);
  });
});
