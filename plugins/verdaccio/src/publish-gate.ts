import { type PublishDocument, parsePublishDocument, toPurl } from '@signet/client/npm';
import { describeBundle } from '@signet/client/policy';
import { utf8 } from '@signet/primitives/formats';
import type { AuditLog } from './audit-log.ts';
import type { ClaimsMaker } from './claims.ts';
import type { PluginConfiguration } from './configuration.ts';
import { pathOf } from './endpoint.ts';
import type { Evidence, Examined, Release } from './evidence.ts';
import { bundleFileName, isBundleOf } from './evidence-names.ts';
import { checkManifest } from './manifest-check.ts';
import type { NameLock } from './name-lock.ts';
import type { PackageRecords } from './package-records.ts';
import type { PendingBundles } from './pending-bundles.ts';
import { assertAllowed } from './permission.ts';
import { asRefusal, Refusal } from './refusal.ts';
import type { RefusalLog } from './refusal-log.ts';
import type { ApprovedPublish, EvidenceStorage, RegistryClaims } from './storage.ts';
import type { Auth, Logger, Next, Request, Response } from './verdaccio-host.ts';

/** How long a name stays locked after a client hung up while Verdaccio was still writing, milliseconds. */
const abandonedAfter = 60_000;

/** What the gate works with. */
export interface GateParts {
  readonly configuration: PluginConfiguration;
  readonly auth: Auth;
  readonly storage: EvidenceStorage;
  readonly evidence: Evidence;
  readonly pending: PendingBundles;
  readonly records: PackageRecords;
  readonly claims: ClaimsMaker;
  readonly audit: AuditLog;
  readonly logger: Logger;
  readonly refusals: RefusalLog;
  /** Names that are being written to in this process. */
  readonly lock: NameLock;
  /** Called once Verdaccio has answered a publish that passed the gate, before the client hears of it. */
  readonly onAnswered: (release: Release, stored: boolean) => void;
}

/** What was admitted: the evidence, and what the registry says of the version. */
interface Admitted extends Examined {
  readonly claims: RegistryClaims;
  /** The version's manifest as it is to be stored, without the claims. */
  readonly manifest: Record<string, unknown>;
  /** Whether bundles had come before it. */
  readonly hadWaiting: boolean;
}

/**
 * Stands before Verdaccio's publish handler. It looks at the body, never at the URL: whatever carries attachments is a
 * publish, because Verdaccio takes them on several routes (`/name`, `/name/-rev/x`, …).
 *
 * Order of writes: the names of the files in the package document, bundles and tarball, then (Verdaccio's) version and tag in one
 * rename of the package document. Only the last makes anything visible, so a crash before it leaves files that nobody is
 * led to, which the next publish of the same version removes; a crash after it leaves everything.
 */
export class PublishGate {
  readonly #parts: GateParts;
  readonly #approved = new Map<string, ApprovedPublish>();

  constructor(parts: GateParts) {
    this.#parts = parts;
    parts.storage.guard((name) => this.#approved.get(name));
  }

  /** The middleware: passes on what is no publish, and publishes that may be stored. */
  readonly handle = (request: Request, response: Response, next: Next): void => {
    if (isRawUpload(request)) {
      next(new Refusal(403, 'ERR_PUBLISH_FORBIDDEN', 'Tarballs are not taken alone; use npm publish'));
      return;
    }
    if (!carriesAttachments(request)) {
      next();
      return;
    }
    this.#publish(request, response).then(
      () => next(),
      (error) => {
        const refusal = asRefusal(error);
        this.#noteRefusal(request, refusal);
        next(refusal);
      },
    );
  };

  async #publish(request: Request, response: Response): Promise<void> {
    const { auth, configuration, audit } = this.#parts;
    const name = declaredName(request.body);
    // First: nobody has the right to it, so that Verdaccio would speak of the user where the name is at fault.
    if (!configuration.names.has(name)) {
      throw new Refusal(
        403,
        'ERR_PUBLISH_FORBIDDEN',
        `this registry owns only ${configuration.names.patterns.join(', ') || 'no names'}, you tried ${name}`,
      );
    }
    await assertAllowed(auth, 'publish', request, name);
    checkTarget(request, name);
    const document = parsePublishDocument(request.body, { bundle: configuration.limits.bundleBytes });
    const release = await this.#parts.lock.acquire(name);
    let admitted: Admitted;
    try {
      admitted = await this.#admit(document, request.remote_user?.name);
      const { attestations, rules, warning } = admitted;
      audit.append({
        decision: 'accepted',
        action: 'publish',
        package: name,
        version: document.version,
        user: request.remote_user?.name,
        integrity: document.integrity,
        evidence: attestations.map(({ verified }) => describeBundle(verified)),
        rules,
        ...(warning === undefined ? {} : { reason: warning }),
      });
    } catch (error) {
      this.#approved.delete(name);
      release();
      throw error;
    }
    rewriteForVerdaccio(request, document, admitted);
    afterAnswer(response, () => {
      this.#approved.delete(name);
      const stored = response.statusCode === 201;
      this.#parts.onAnswered({ name, version: document.version, integrity: document.integrity }, stored);
      release();
      if (stored && admitted.hadWaiting) this.#forgetPending(document);
    });
  }

  /** Checks everything, then writes tarball and evidence and lets exactly this version through to the storage. */
  async #admit(document: PublishDocument, user: string | undefined): Promise<Admitted> {
    const { configuration, storage, evidence, claims, pending, records, logger } = this.#parts;
    const { name, version, integrity, bundle, bundleText } = document;
    const checking = checkManifest(document, configuration.limits);
    // What is there already is spoken of first.
    checking.catch(() => undefined);
    const [stored, { removed, owner }, waiting] = await Promise.all([
      storage.readPackage(name),
      records.read(name),
      pending.of(toPurl(name, version), integrity),
    ]);
    if (stored?.versions.has(version)) {
      throw new Refusal(409, 'ERR_VERSION_EXISTS', `${name}@${version} is published already and cannot be replaced`);
    }
    if (Object.hasOwn(removed, version) && removed[version] !== integrity) {
      throw new Refusal(
        409,
        'ERR_VERSION_EXISTS',
        `${name}@${version} was unpublished and can come back only with the bytes that it had; publish another version`,
      );
    }
    const manifest = await checking;
    // What came along and what came before count alike. The text that came along is kept as it is.
    const texts = new Set(waiting.map((value) => JSON.stringify(value)));
    if (bundleText !== undefined) texts.add(bundleText);
    const bundles = bundle === undefined ? waiting : [...waiting, bundle];
    const examined = await evidence.examine({ name, version, integrity }, bundles, configuration.publish);
    if (examined.warning !== undefined) {
      logger.warn({ reason: examined.warning }, 'taken all the same (publish: warn): @{reason}');
    }
    const types = examined.attestations.map(({ predicateType }) => predicateType);
    const said = await claims.of({ name, version, integrity }, types);

    const base = document.tarballName.slice(0, -`-${version}.tgz`.length);
    const bundleFiles = new Map([...texts].map((text) => [bundleFileName(base, version, utf8(text)), utf8(text)]));
    if (owner === undefined && user !== undefined) await records.claim(name, user);
    if (stored === undefined) await storage.ensurePackage(name);
    // The version does not exist and nobody else is writing it: what bears its name is left from a crash.
    const isLeft = (file: string) => file === document.tarballName || isBundleOf(file, base, version);
    for (const file of stored?.files.filter(isLeft) ?? []) await storage.removeFile(name, file);
    const { shasum } = manifest.dist as { readonly shasum: string };
    const announced = [...bundleFiles.keys()].map((file) => [file, undefined] as const);
    await storage.announceFiles(name, new Map([...announced, [document.tarballName, shasum]]));
    await Promise.all([
      ...[...bundleFiles].map(([file, bytes]) => storage.writeFile(name, file, bytes)),
      storage.writeFile(name, document.tarballName, document.tarball, { replace: true }),
    ]);
    this.#approved.set(name, {
      name,
      version,
      tarballName: document.tarballName,
      integrity: document.integrity,
      tags: document.tags,
    });
    return { ...examined, claims: said, manifest, hadWaiting: waiting.length > 0 };
  }

  /** What waited has been stored; if it cannot be removed it expires by itself. */
  #forgetPending({ name, version, integrity }: PublishDocument): void {
    const { pending, logger } = this.#parts;
    pending.clear(toPurl(name, version), integrity).catch((error) => {
      logger.warn({ reason: String(error) }, 'bundles that were used stay until they expire: @{reason}');
    });
  }

  #noteRefusal(request: Request, refusal: unknown): void {
    const { audit, logger, refusals } = this.#parts;
    const { name, version } = declared(request.body);
    const status = refusal instanceof Error && 'status' in refusal ? Number(refusal.status) : 500;
    const ownCode = refusal instanceof Refusal ? refusal.code : undefined;
    const record = {
      package: name ?? 'a package without a name',
      version: version ?? '?',
      user: request.remote_user?.name,
      status,
      // Verdaccio's own refusals are about the user's rights.
      code: ownCode ?? (status < 500 ? 'ERR_PUBLISH_FORBIDDEN' : 'ERR_INTERNAL'),
      reason: refusal instanceof Error ? refusal.message : String(refusal),
    };
    refusals.refused(request, record, record, 'refused @{package}@@{version} by @{user}: @{reason}');
    try {
      audit.append({ decision: 'refused', action: 'publish', ...record });
    } catch (error) {
      // It is refused all the same; only the note of it is missing.
      logger.error({ reason: String(error) }, 'the audit log cannot be written: @{reason}');
    }
  }
}

/** Verdaccio 6 has `PUT /:package/-/:file/*`, which takes bytes without a document. */
function isRawUpload(request: Request): boolean {
  if (request.method !== 'PUT' && request.method !== 'POST') return false;
  const path = pathOf(request);
  return !path.startsWith('/-/') && /\/(?:-|%2d)\//i.test(path);
}

function carriesAttachments(request: Request): boolean {
  if (request.method === 'GET' || request.method === 'HEAD' || request.method === 'DELETE') return false;
  const { body } = request;
  if (typeof body !== 'object' || body === null || !('_attachments' in body)) return false;
  const attachments = body._attachments;
  // `{}` comes with deprecations and unpublishing; anything else is a publish, or nonsense for the parser to refuse.
  if (attachments === undefined || attachments === null) return false;
  return typeof attachments !== 'object' || Array.isArray(attachments) || Object.keys(attachments).length > 0;
}

function declaredName(body: unknown): string {
  const { name } = declared(body);
  if (name !== undefined && name !== '') return name;
  throw new Refusal(422, 'ERR_PUBLISH_DOCUMENT', 'The publish document has no name');
}

/** What a document says it is, believed by nobody. */
function declared(body: unknown): { readonly name?: string; readonly version?: string } {
  const { name, versions } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const [version] = typeof versions === 'object' && versions !== null ? Object.keys(versions) : [];
  return { ...(typeof name === 'string' ? { name } : {}), ...(version === undefined ? {} : { version }) };
}

/** One way to publish: PUT to the package's own address. A revision in the URL would unpublish what the body leaves out. */
function checkTarget(request: Request, name: string): void {
  let path: string | undefined;
  try {
    path = decodeURIComponent(pathOf(request));
  } catch {
    path = undefined;
  }
  if (request.method === 'PUT' && path === `/${name}`) return;
  throw new Refusal(400, 'ERR_PUBLISH_DOCUMENT', `A package is published by PUT to /${encodeURIComponent(name)} alone`);
}

/**
 * Leaves what stock Verdaccio takes: one attachment, and the manifest that was checked. What the client claims about signatures
 * Verdaccio would store and serve as if it were the registry's own; the registry's own takes its place.
 */
function rewriteForVerdaccio(request: Request, document: PublishDocument, { claims, manifest }: Admitted): void {
  const { name, version, tags, tarballName } = document;
  request.body = {
    _id: name,
    name,
    'dist-tags': Object.fromEntries(tags.map((tag) => [tag, version])),
    versions: { [version]: { ...manifest, dist: { ...(manifest.dist as object), ...claims } } },
    // Its bytes are stored, so that they need not be decoded once more.
    _attachments: { [tarballName]: { data: '' } },
  };
  request.url = `/${encodeURIComponent(name)}`;
}

/**
 * Calls `done` once Verdaccio has answered, which it does after its last write. A client that hangs up does not end the
 * writing, so that alone does not count, but a lost answer must not lock the name for ever.
 */
function afterAnswer(response: Response, done: () => void): void {
  let called = false;
  const once = () => {
    if (called) return;
    called = true;
    done();
  };
  const end = response.end;
  response.end = function (this: Response, ...parts: Parameters<typeof end>) {
    once();
    return end.apply(this, parts);
  } as typeof end;
  response.once('close', () => setTimeout(once, abandonedAfter).unref());
}
