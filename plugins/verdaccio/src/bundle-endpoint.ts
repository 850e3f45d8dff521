import { parseIntegrity, parsePurl, toPurl, type VerifiedAttestation } from '@signet/client/npm';
import { describeBundle } from '@signet/client/policy';
import { fromHex, parseBundle, parseStatement, SignetError, toBase64, utf8 } from '@signet/primitives/formats';
import type { AuditLog } from './audit-log.ts';
import type { ClaimsMaker } from './claims.ts';
import type { PluginConfiguration } from './configuration.ts';
import { pathOf } from './endpoint.ts';
import type { Evidence, Release } from './evidence.ts';
import { bundleFileName, isBundleOf } from './evidence-names.ts';
import type { EvidenceReader } from './evidence-reader.ts';
import type { NameLock } from './name-lock.ts';
import type { PendingBundles } from './pending-bundles.ts';
import { assertAllowed } from './permission.ts';
import { asRefusal, Refusal } from './refusal.ts';
import type { EvidenceStorage } from './storage.ts';
import type { Auth, Logger, Next, Request, Response } from './verdaccio-host.ts';

const path = '/-/signet/v1/bundles';

/** As many bundles as one version can have: clients refuse documents with more than 64. */
const maximumBundles = 32;

/** What the endpoint works with. */
export interface BundleEndpointParts {
  readonly configuration: PluginConfiguration;
  readonly auth: Auth;
  readonly storage: EvidenceStorage;
  readonly evidence: Evidence;
  readonly reader: EvidenceReader;
  readonly pending: PendingBundles;
  readonly claims: ClaimsMaker;
  readonly audit: AuditLog;
  readonly logger: Logger;
  readonly lock: NameLock;
  /** Called with the name after something was stored beside one of its versions. */
  readonly onAttached: (name: string) => void;
}

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * Takes evidence by itself: `POST /-/signet/v1/bundles`, the body a Sigstore bundle. Before its package is published it waits for
 * exactly the bytes that it speaks of; afterwards it is stored beside them. The user must be allowed to publish the package, and
 * the signer must be one whom a requirement of the policy names.
 */
export class BundleEndpoint {
  readonly #parts: BundleEndpointParts;

  constructor(parts: BundleEndpointParts) {
    this.#parts = parts;
  }

  readonly handle = (request: Request, response: Response, next: Next): void => {
    if (request.method !== 'POST' || pathOf(request) !== path) {
      next();
      return;
    }
    this.#take(request).then(
      ({ status, body }) => response.status(status).json({ format: 1, ...body }),
      (error) => next(asRefusal(error)),
    );
  };

  async #take(request: Request): Promise<Answer> {
    const { auth, configuration, evidence, pending, audit } = this.#parts;
    const text = JSON.stringify(request.body ?? null);
    if (text.length > configuration.limits.bundleBytes) {
      throw new Refusal(413, 'ERR_INPUT_TOO_LARGE', `a bundle has at most ${configuration.limits.bundleBytes} bytes`);
    }
    const release = subjectOf(request.body);
    const { name, version, integrity } = release;
    await assertAllowed(auth, 'publish', request, name);
    const user = request.remote_user?.name;
    const note = { action: 'attach', package: name, version, user, integrity } as const;
    let attestation: VerifiedAttestation;
    try {
      if (!configuration.names.has(name)) {
        throw new Refusal(403, 'ERR_PUBLISH_FORBIDDEN', `${name} is not a name that this registry owns`);
      }
      attestation = await evidence.admit(release, request.body);
    } catch (error) {
      const refusal = asRefusal(error);
      if (refusal instanceof Refusal) {
        const { status, code, message: reason } = refusal;
        audit.append({ decision: 'refused', ...note, status, code, reason });
      }
      throw refusal;
    }
    const purl = toPurl(name, version);
    const answer = (await this.#attach(release, attestation, utf8(text))) ?? {
      status: 202,
      body: { state: 'waiting', purl, expires: (await pending.add(purl, integrity, request.body)).toISOString() },
    };
    audit.append({ decision: 'accepted', ...note, evidence: [describeBundle(attestation.verified)] });
    return answer;
  }

  /** Stores the bundle beside its version. @returns undefined when there is no such version yet */
  async #attach(release: Release, attestation: VerifiedAttestation, bytes: Uint8Array): Promise<Answer | undefined> {
    const { storage, reader, claims, lock, onAttached } = this.#parts;
    const { name, version, integrity } = release;
    const unlock = await lock.acquire(name);
    try {
      const stored = await storage.readPackage(name);
      const known = stored?.versions.get(version);
      if (stored === undefined || known === undefined) return undefined;
      if (known.integrity !== integrity) {
        const problem = `${name}@${version} is published with other bytes than this evidence is about`;
        throw new Refusal(422, 'ERR_ATTESTATION_SUBJECT', problem);
      }
      const base = name.slice(name.indexOf('/') + 1);
      const file = bundleFileName(base, version, bytes);
      const body = { state: 'attached', purl: toPurl(name, version), file };
      const others = stored.files.filter((candidate) => isBundleOf(candidate, base, version));
      if (others.includes(file)) return { status: 200, body };
      if (others.length >= maximumBundles) {
        throw new Refusal(409, 'ERR_REQUEST', `${name}@${version} has ${others.length} bundles, more it cannot have`);
      }
      const before = (await reader.read(name, version))?.attestations ?? [];
      // The file first and its name after it: clients are told of nothing that cannot be read. What a crash leaves between the
      // two is overwritten by the next attempt, being the same bytes.
      await storage.writeFile(name, file, bytes);
      await storage.announceFiles(name, new Map([[file, undefined]]));
      const types = [...before, attestation].map(({ predicateType }) => predicateType);
      const attestations = claims.attestations(release, types);
      if (attestations !== undefined) await storage.updateClaims(name, new Map([[version, { attestations }]]));
      onAttached(name);
      return { status: 201, body };
    } finally {
      unlock();
    }
  }
}

/**
 * What a bundle says it is about, believed only until it is verified.
 *
 * @throws ERR_ATTESTATION_SUBJECT, and what reading a bundle throws
 */
function subjectOf(body: unknown): Release {
  const { content } = parseBundle(body);
  const statement = content.kind === 'dsse' ? parseStatement(content.envelope.payload) : undefined;
  const [subject, second] = statement?.subject ?? [];
  if (subject === undefined || second !== undefined || typeof subject.name !== 'string') {
    throw new SignetError(
      'ERR_ATTESTATION_SUBJECT',
      'the bundle must hold a statement about exactly one package version',
    );
  }
  const { name, version } = parsePurl(subject.name);
  const sha512 = Object.hasOwn(subject.digest, 'sha512') ? subject.digest.sha512 : undefined;
  if (sha512 === undefined) throw new SignetError('ERR_ATTESTATION_SUBJECT', 'the statement names no sha512');
  const integrity = `sha512-${toBase64(fromHex(sha512, 'sha512'))}`;
  parseIntegrity(integrity);
  return { name, version, integrity };
}
