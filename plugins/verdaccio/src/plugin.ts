import { SignetError } from '@signet/primitives/formats';
import { watchAccounts } from './accounts.ts';
import { AttestationEndpoint } from './attestations.ts';
import { AuditLog } from './audit-log.ts';
import { Background } from './background.ts';
import { BatchEndpoint } from './batch.ts';
import { bodyShape } from './body-shape.ts';
import { BundleEndpoint } from './bundle-endpoint.ts';
import { ChangeGate } from './change-gate.ts';
import { ClaimsMaker } from './claims.ts';
import { type PluginConfiguration, parseConfiguration } from './configuration.ts';
import { doubledPrefix, ownAddresses, withoutPrefix } from './endpoint.ts';
import { entrance } from './entrance.ts';
import { Evidence, type Release } from './evidence.ts';
import { isBundleOf } from './evidence-names.ts';
import { EvidenceReader } from './evidence-reader.ts';
import { keyEndpoint, visibilityEndpoint } from './key-endpoint.ts';
import { installLastLine } from './last-line.ts';
import { type PackagePatterns, rememberMatches } from './matched-packages.ts';
import { NameLock } from './name-lock.ts';
import { PackageRecords } from './package-records.ts';
import { PanelEndpoint, panelElement } from './panel-endpoint.ts';
import { PasswordChecks } from './password-checks.ts';
import type { TrustsProxy } from './password-failures.ts';
import { PendingBundles } from './pending-bundles.ts';
import { policyEndpoint } from './policy-endpoint.ts';
import { PublishGate } from './publish-gate.ts';
import { RefusalLog } from './refusal-log.ts';
import { RegistrySigner } from './registry-signer.ts';
import { RegistryStatements, type RegistryStatementsParts } from './registry-statements.ts';
import { RequestGuard } from './request-guard.ts';
import { RuleFiles } from './rules.ts';
import type { ServedKey } from './served-keys.ts';
import type { EvidenceStorage } from './storage.ts';
import { StoredVersions } from './stored-versions.ts';
import { TarballGate } from './tarball-gate.ts';
import { TrustedPublishing } from './trusted-publishing.ts';
import { mergeKeys } from './uplink-keys.ts';
import { openUplinks } from './uplinks.ts';
import type { App, Auth, Logger, Middleware, Request, Storage } from './verdaccio-host.ts';
import { Verdaccio6Storage } from './verdaccio6-storage.ts';

/** Verdaccio's options for a plugin. */
export interface PluginOptions {
  readonly config: PackagePatterns & {
    readonly configPath?: string;
    readonly self_path?: string;
    readonly middlewares?: Readonly<Record<string, unknown>>;
    /** Verdaccio's own, shared by every process over one storage. */
    readonly secret?: string;
    readonly max_body_size?: string | number;
    web?: { enable?: boolean; scriptsBodyAfter?: string[] };
  };
  readonly logger: Logger;
}

/** What the plugin leaves in `app.locals.signet` once it stands; whoever embeds Verdaccio can ask for it. */
export interface ActivePlugin {
  readonly names: readonly string[];
  /** What is stored, for reports and for signing what is not signed yet. */
  readonly stored: StoredVersions;
  /** Resolves when what was to be done in the background so far is done. */
  idle(): Promise<void>;
  /** Ends what runs in the background and waits for it. */
  close(): Promise<void>;
}

/**
 * The middleware plugin. Verdaccio goes on without a plugin whose constructor throws, so everything that can fail is done in
 * `register_middlewares`, where a throw stops the server (ARCHITECTURE.md, decision 15).
 */
export default class SignetPlugin {
  readonly #options: PluginOptions;

  constructor(_merged: unknown, options: PluginOptions) {
    this.#options = options;
  }

  /** Called by Verdaccio after its body parser and its token check, before its own routes. */
  register_middlewares(app: App, auth: Auth, verdaccioStorage: Storage): void {
    const { config, logger } = this.#options;
    const configuration = parseConfiguration(config.middlewares?.signet, config.configPath ?? config.self_path ?? '');
    const rules = RuleFiles.open(configuration, logger);
    rememberMatches(config);
    const audit = new AuditLog(configuration.auditLog);
    const storage = new Verdaccio6Storage(verdaccioStorage, configuration.limits.lockMilliseconds);
    const { names, limits, advertise, publicUrl, signatures } = configuration;
    const signer = signatures === undefined ? undefined : RegistrySigner.open(signatures);
    const evidence = new Evidence(rules, () => signer?.keys() ?? noKeys);
    const reader = new EvidenceReader(storage, limits.bundleBytes, logger);
    const tarballs = new TarballGate({
      names,
      storage,
      evidence,
      reader,
      enforcement: configuration.tarballs,
      lifetime: limits.verdictSeconds * 1000,
      logger,
    });
    const uplinks = openUplinks({ configuration, auth, storage, verdaccioStorage, rules, logger });
    const trustsProxy = app.get('trust proxy fn');
    const trusts = typeof trustsProxy === 'function' ? (trustsProxy as TrustsProxy) : () => false;
    const refusals = new RefusalLog(logger, trusts);
    const shared = {
      configuration,
      auth,
      storage,
      evidence,
      reader,
      records: new PackageRecords(storage),
      pending: new PendingBundles(storage, limits.pendingSeconds * 1000, logger),
      claims: new ClaimsMaker(signer, advertise ? publicUrl : undefined),
      audit,
      logger,
      refusals,
      lock: new NameLock((name) => storage.lock(name)),
    };
    const forget = (name: string) => {
      tarballs.forget(name);
      reader.forget(name);
    };
    if (!installLastLine()) logger.warn({}, 'somebody else handles uncaught exceptions in this process');
    new PasswordChecks(auth, limits, trusts, logger);
    watchAccounts(auth, audit);
    removeBundlesWithTarballs(storage, forget);
    new ChangeGate({ ...shared, rules: configuration.changes });
    const prefix = publicUrl === undefined ? '/' : new URL(publicUrl).pathname;
    const middlewares: Middleware[] = [bodyShape, withoutPrefix(prefix)];
    const { trustedPublishing: publishers } = configuration;
    let publishTokenFor = (_request: Request): string | undefined => undefined;
    if (publishers.length > 0 && publicUrl !== undefined) {
      const audience = `npm:${new URL(publicUrl).hostname}`;
      const trusted = new TrustedPublishing({ publishers, audience, secret: secretOf(config.secret), audit });
      TrustedPublishing.limit(auth);
      middlewares.push(trusted.handle);
      publishTokenFor = (request) => trusted.tokenFor(request);
    }
    const bodyBytes = bytesOf(config.max_body_size);
    new RequestGuard({
      auth,
      logger,
      refusals,
      anonymousBytes: limits.anonymousBytes,
      bodyBytes,
      publishTokenFor,
    }).install(app);
    const background = new Background(logger);
    const statements = ownStatements({ ...shared, signer, rules, onAttached: forget });
    const onAnswered = (release: Release, isStored: boolean) => {
      forget(release.name);
      if (!isStored || statements === undefined || !configuration.attestPublish) return;
      background.run((signal) => statements.attestPublish(release, signal));
    };
    middlewares.push(new PublishGate({ ...shared, onAnswered }).handle);
    const pinned = uplinks?.keys ?? [];
    const endpoints = [
      ...(uplinks === undefined ? [] : [uplinks.endpoint]),
      new AttestationEndpoint({ names, auth, reader }).handle,
      new BatchEndpoint({ names, auth, reader, proxied: uplinks?.evidenceOf }).handle,
      new BundleEndpoint({ ...shared, onAttached: forget }).handle,
      visibilityEndpoint(auth),
      ...(configuration.panel ? [new PanelEndpoint({ ...shared, names, proofOf: uplinks?.proofOf }).handle] : []),
      ...(signer === undefined && pinned.length === 0
        ? []
        : [keyEndpoint(() => mergeKeys(signer?.keys() ?? noKeys, pinned))]),
      ...(statements === undefined ? [] : [policyEndpoint(statements, logger)]),
    ];
    middlewares.push(ownAddresses(endpoints));
    const concernsCredentials = publishers.length > 0;
    app.use(entrance({ logger, refusals, middlewares, concernsCredentials, prefix: doubledPrefix(prefix) }));
    if (configuration.panel) addToPage(config);
    const stored = new StoredVersions({ ...shared, names, signer, onChanged: forget });
    // npm calls a version without a signature an attack as soon as the registry has keys at all.
    if (signer !== undefined) background.run((signal) => stored.backfill({ thorough: false, signal }));
    if (statements !== undefined && configuration.attestPublish) {
      background.run(async (signal) => {
        for await (const release of stored.unattested(signal)) await statements.attestPublish(release, signal);
      });
    }
    const active: ActivePlugin = {
      names: names.patterns,
      stored,
      idle: () => background.idle(),
      close: async () => {
        refusals.flush();
        await background.close();
      },
    };
    app.locals.signet = active;
  }
}

/** Verdaccio reads the list when it renders its page. */
function addToPage(config: PluginOptions['config']): void {
  config.web ??= {};
  config.web.scriptsBodyAfter = [...(config.web.scriptsBodyAfter ?? []), panelElement];
}

const units: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

/** Verdaccio's way of writing sizes: `10mb`, which is its default too. */
function bytesOf(size: string | number = '10mb'): number {
  const [, number, unit = 'b'] = /^\s*(\d+(?:\.\d+)?)\s*([kmg]?b)?\s*$/i.exec(String(size)) ?? [];
  const factor = units[unit.toLowerCase()];
  if (number !== undefined && factor !== undefined) return Math.floor(Number(number) * factor);
  throw new SignetError('ERR_PLUGIN_CONFIG', `max_body_size must be a size as 10mb, found ${JSON.stringify(size)}`);
}

function secretOf(secret: string | undefined): string {
  if (secret !== undefined && secret.length >= 16) return secret;
  throw new SignetError(
    'ERR_PLUGIN_CONFIG',
    'signet.trustedPublishing needs a secret of Verdaccio, 16 letters at least',
  );
}

const noKeys: readonly ServedKey[] = [];

function ownStatements(
  parts: Omit<RegistryStatementsParts, 'signer' | 'witnesses' | 'registry'> & {
    readonly configuration: PluginConfiguration;
    readonly signer: RegistrySigner | undefined;
  },
): RegistryStatements | undefined {
  const { signer, configuration } = parts;
  const { witnesses, publicUrl } = configuration;
  if (signer === undefined || witnesses === undefined || publicUrl === undefined) return undefined;
  return new RegistryStatements({ ...parts, signer, witnesses, registry: publicUrl });
}

/** Unpublishing a whole package removes every registered file; unpublishing one version removes its tarball alone. */
function removeBundlesWithTarballs(storage: EvidenceStorage, forget: (name: string) => void): void {
  storage.onTarballRemoved(async (name, file) => {
    forget(name);
    if (!file.endsWith('.tgz')) return;
    const base = name.slice(name.indexOf('/') + 1);
    const version = file.slice(base.length + 1, -'.tgz'.length);
    const stored = await storage.readPackage(name);
    for (const bundle of stored?.files ?? []) {
      if (isBundleOf(bundle, base, version)) await storage.removeFile(name, bundle);
    }
  });
}
