import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPublishDocument, parseIntegrity, sha512Integrity, toPurl } from '@signet/client/npm';
import { signStatement } from '@signet/client/sign';
import { TrustMaterial } from '@signet/client/trust';
import { statementV1, toHex } from '@signet/primitives/formats';
import {
  createNpmToken,
  emailClaims,
  mintToken,
  type RunningInstance,
  readDevelopmentKeys,
  type StartOptions,
  startInstance,
} from '../../src/index.ts';
import { packTarball } from './package.ts';

/** Who may publish in these tests. */
export const author = 'alice@example.com';

/** A publish as a client would send it. */
export interface Parcel {
  readonly name: string;
  readonly version: string;
  readonly tarball: Uint8Array;
  readonly document: Record<string, unknown>;
}

/** A real instance in this process, with everything a publisher needs. */
export class TestRegistry {
  readonly directory: string;
  readonly #options: Partial<StartOptions>;
  #running: RunningInstance;
  #tokens = new Map<string, string>();

  private constructor(directory: string, options: Partial<StartOptions>, running: RunningInstance) {
    this.directory = directory;
    this.#options = options;
    this.#running = running;
  }

  static async start(options: Partial<StartOptions> = {}): Promise<TestRegistry> {
    const directory = await mkdtemp(join(tmpdir(), 'signet-registry-'));
    return new TestRegistry(directory, options, await startInstance(settings(directory, options)));
  }

  get running(): RunningInstance {
    return this.#running;
  }

  get url(): string {
    return this.#running.urls.registry;
  }

  async restart(): Promise<void> {
    await this.#running.stop();
    this.#running = await startInstance(settings(this.directory, this.#options));
  }

  async remove(): Promise<void> {
    await this.#running.stop();
    await rm(this.directory, { recursive: true });
  }

  async npmToken(user: string): Promise<string> {
    const token = this.#tokens.get(user) ?? (await createNpmToken(this.#running.instance, user));
    this.#tokens.set(user, token);
    return token;
  }

  async trust(): Promise<TrustMaterial> {
    const text = await readFile(this.#running.instance.layout.trust.trustedRoot, 'utf8');
    return TrustMaterial.fromTrustedRoot(text, { name: 'instance', packages: ['@example/*'] });
  }

  async identityToken(email: string): Promise<string> {
    const { instance, urls } = this.#running;
    return mintToken(await readDevelopmentKeys(instance.layout), urls.oidc, emailClaims(email));
  }

  /** A bundle over `name@version` with these bytes, really signed and logged. */
  sign(name: string, version: string, tarball: Uint8Array, email = author): Promise<unknown> {
    return this.signSubjects([toPurl(name, version)], tarball, { email });
  }

  /** A bundle over whatever subjects, each with the digest of these bytes. */
  async signSubjects(
    subjects: readonly string[],
    tarball: Uint8Array,
    change: { readonly email?: string; readonly predicateType?: string; readonly predicate?: object } = {},
  ): Promise<unknown> {
    const { urls } = this.#running;
    const sha512 = toHex(parseIntegrity(sha512Integrity(tarball)));
    const { bundle } = await signStatement({
      statement: statementV1({
        subject: subjects.map((name) => ({ name, digest: { sha512 } })),
        predicateType: change.predicateType ?? 'https://example.com/release/v1',
        predicate: { builder: 'test', ...change.predicate },
      }),
      identityToken: await this.identityToken(change.email ?? author),
      services: { caUrl: urls.ca, tsaUrl: `${urls.tsa}/api/v1/timestamp`, logUrl: urls.log },
      trust: await this.trust(),
    });
    return bundle;
  }

  /** A package with its publish document; signed unless `bundle` says otherwise. */
  async parcel(
    name: string,
    version = '1.0.0',
    change: {
      readonly bundle?: unknown;
      readonly signer?: string;
      readonly manifest?: Record<string, unknown>;
      /** Default: one with the manifest alone. */
      readonly tarball?: Uint8Array;
    } = {},
  ): Promise<Parcel> {
    const manifest = { name, version, description: 'a test', ...change.manifest };
    const tarball = change.tarball ?? packTarball(manifest);
    const bundle = 'bundle' in change ? change.bundle : await this.sign(name, version, tarball, change.signer);
    const document = createPublishDocument({ manifest, tarball, registry: this.url, ...(bundle ? { bundle } : {}) });
    return { name, version, tarball, document: structuredClone(document) as Record<string, unknown> };
  }

  /** Sends a publish document. */
  async put(
    parcel: Pick<Parcel, 'name' | 'document'>,
    request: { readonly user?: string | undefined; readonly path?: string; readonly method?: string } = {},
  ): Promise<Answer> {
    const user = 'user' in request ? request.user : 'alice';
    return this.fetch(request.path ?? `/${parcel.name.replace('/', '%2f')}`, {
      method: request.method ?? 'PUT',
      headers: {
        'content-type': 'application/json',
        ...(user === undefined ? {} : { authorization: `Bearer ${await this.npmToken(user)}` }),
      },
      body: JSON.stringify(parcel.document),
    });
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Answer> {
    const answer = await fetch(`${this.url.slice(0, -1)}${path}`, init);
    const text = await answer.text();
    return { status: answer.status, text, json: () => JSON.parse(text) };
  }

  /** The attestations that are served for a version. */
  async attestations(spec: string): Promise<Answer> {
    return this.fetch(`/-/npm/v1/attestations/${spec}`);
  }
}

/** An answer that was read to its end. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The body, believed to be of this shape. */
  json<Shape = Record<string, unknown>>(): Shape;
}

function settings(directory: string, options: Partial<StartOptions>): StartOptions {
  return {
    directory: join(directory, 'instance'),
    port: 0,
    names: ['@example/*'],
    publishers: [{ subject: author }],
    devIdentity: true,
    uplink: 'none',
    ...options,
  };
}

/** How many bundles are served for `name@version`. */
export async function bundlesOf(registry: TestRegistry, spec: string): Promise<number> {
  const answer = await registry.attestations(spec);
  return answer.json<{ attestations?: unknown[] }>().attestations?.length ?? 0;
}
