import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { devNull } from 'node:os';
import { join } from 'node:path';
import { SignetError } from '@signet/primitives/formats';
import { runServer } from 'verdaccio';
import { type ActivePlugin, provideSigner } from 'verdaccio-signet';
import { defaultRegistryUrl } from './default-registry.ts';
import { makeDirectory } from './durable-files.ts';
import type { InstanceConfiguration } from './instance-file.ts';
import type { InstanceLayout } from './layout.ts';
import { makePasswordFile, makePrivate } from './private-files.ts';
import { servicesPrefix } from './public-url.ts';
import { openRegistryKey, registryKeyFiles } from './registry-key.ts';
import { sweepStorage } from './storage-sweep.ts';

/** Verdaccio does not export the type of its configuration. */
type VerdaccioConfiguration = Exclude<Parameters<typeof runServer>[0], string | undefined>;

/** Verdaccio in this process, with the plugin in it. */
export interface PackageRegistry {
  readonly handler: RequestListener;
  /** Paths below those of the services that are the plugin's. */
  readonly prefixes: readonly string[];
  /** The plugin at work. */
  readonly plugin: ActivePlugin;
}

/**
 * Starts the instance's Verdaccio inside this process, without a port of its own.
 *
 * @param options.passphrase decrypts the key by which the registry signs what it serves
 * @param options.sweep whether the last run ended by a crash, so that its remains must go first
 * @throws as {@link embedVerdaccio} and {@link openRegistryKey}
 */
export async function startPackageRegistry(
  configuration: InstanceConfiguration,
  layout: InstanceLayout,
  options: { readonly passphrase?: string | undefined; readonly sweep?: boolean } = {},
): Promise<PackageRegistry> {
  await makeDirectory(layout.registry.directory);
  await makeDirectory(layout.registry.storage);
  await makePasswordFile(layout);
  // What was there before and stays open was said at the start.
  await makePrivate(layout);
  provideSigner(signerName(layout), await openRegistryKey(layout, options.passphrase));
  if (options.sweep) await sweepStorage(layout.registry.storage);
  return embedVerdaccio(verdaccioConfiguration(configuration, layout), configuration.publicUrl);
}

/**
 * Starts Verdaccio with the plugin, or not at all.
 *
 * @param publicUrl where clients find it
 * @throws ERR_PLUGIN_INACTIVE when Verdaccio came up without the plugin, which it does when it cannot find one;
 *   ERR_PLUGIN_CONFIG when the plugin refuses its configuration
 */
export async function embedVerdaccio(
  configuration: VerdaccioConfiguration,
  publicUrl: string,
): Promise<PackageRegistry> {
  const server: Server = await runServer(configuration);
  const [application] = server.listeners('request') as [RequestListener & { locals?: Record<string, unknown> }];
  const plugin = application?.locals?.signet as ActivePlugin | undefined;
  if (application === undefined || plugin === undefined) {
    throw new SignetError(
      'ERR_PLUGIN_INACTIVE',
      'Verdaccio started without its plugin verdaccio-signet, so it would take unsigned packages; it was not put into service',
    );
  }
  return {
    handler: withPublicUrl(publicUrl, application),
    plugin,
    prefixes: ['attestations:batch', 'bundles', 'policy', 'panel', 'panel.js'].map(
      (path) => `${servicesPrefix}/v1/${path}`,
    ),
  };
}

/** Several instances may run in one process, as in tests; each signs with its own key. */
function signerName(layout: InstanceLayout): string {
  return layout.directory;
}

/** Verdaccio's configuration for an instance. Owned names never reach an uplink; all others cannot be published. */
export function verdaccioConfiguration(
  configuration: InstanceConfiguration,
  layout: InstanceLayout,
): VerdaccioConfiguration {
  const { uplink } = configuration;
  const proxied = uplink !== 'none';
  const owned = { access: '$all', publish: '$authenticated', unpublish: '$authenticated' };
  const settings = {
    // Verdaccio resolves relative paths against the folder of this file, which need not exist.
    configPath: join(layout.registry.directory, 'config.yaml'),
    storage: layout.registry.storage,
    auth: {
      htpasswd: {
        file: layout.registry.users,
        // Passwords are slow to check on purpose; Verdaccio warns of each that takes longer than this, in milliseconds.
        slow_verify_ms: 30_000,
        ...(configuration.registration === 'closed' ? { max_users: -1 } : {}),
      },
    },
    uplinks: proxied ? { npmjs: { url: uplink === 'npmjs' ? defaultRegistryUrl() : uplink.url } } : {},
    packages: {
      ...Object.fromEntries(configuration.names.map((pattern) => [pattern, { ...owned }])),
      '**': { access: '$all', publish: [], unpublish: [], ...(proxied ? { proxy: 'npmjs' } : {}) },
    },
    middlewares: {
      signet: {
        names: [...configuration.names],
        trustedRoot: layout.trust.trustedRoot,
        policy: layout.policyFile,
        auditLog: layout.registry.auditLog,
        tarballs: configuration.tarballs,
        uplinks: configuration.uplinkEvidence,
        publicUrl: configuration.publicUrl,
        advertise: configuration.advertiseEvidence,
        attestPublish: configuration.attestPublish,
        trustedPublishing: configuration.trustedPublishing,
        changes: configuration.changes,
        limits: {
          unpackedBytes: configuration.limits.unpackedBytes,
          passwordFailures: configuration.limits.passwordFailures,
        },
        witnesses: { signingConfig: layout.trust.signingConfig },
        signatures: { key: { provided: signerName(layout) }, keys: registryKeyFiles(layout).keys },
      },
      // npm asks for vulnerabilities on every install; this passes the question on.
      ...(uplink === 'npmjs' ? { audit: { enabled: true } } : {}),
    },
    max_body_size: `${configuration.limits.publishBytes}b`,
    web: { title: 'Signet' },
    // Output belongs to the command, which gets these lines as they are made (watchRegistry).
    log: { type: 'file', path: devNull, format: 'json', level: 'warn' },
    // Passwords are counted by the address that asks, behind the proxies that the log believes too.
    server: { keepAliveTimeout: 60, trustProxy: [...(configuration.log?.proxies ?? [])] },
    publish: { allow_offline: true },
  };
  return settings as unknown as VerdaccioConfiguration;
}

/**
 * Verdaccio builds tarball URLs from the Host header. The public URL is fixed, so it is what Verdaccio gets to see, and no client
 * can make it write another host into an answer.
 */
function withPublicUrl(publicUrl: string, application: RequestListener): RequestListener {
  const { host, protocol } = new URL(publicUrl);
  return (request: IncomingMessage, response: ServerResponse) => {
    request.headers.host = host;
    request.headers['x-forwarded-proto'] = protocol.slice(0, -1);
    application(request, response);
  };
}
