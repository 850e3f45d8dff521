import { createHash, generateKeyPairSync } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';

interface PublishDocument {
  readonly name: string;
  readonly access: string | null;
  readonly 'dist-tags': Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, Manifest>>;
  readonly _attachments: Readonly<Record<string, { content_type: string; data: string; length: number }>>;
}

interface Manifest {
  readonly repository?: string | { readonly url?: string };
  readonly dist: { readonly integrity: string; readonly shasum: string };
}

/**
 * Behaves as npm's registry does to who publishes: what it demands of the document, of the provenance in it, and in which words it
 * refuses. Signatures are checked with the reference client's verifier.
 */
export class NpmRegistryDouble {
  readonly #trustedRoot: string;
  readonly #packages = new Map<string, { versions: Record<string, Manifest>; tags: Record<string, string> }>();
  readonly #attestations = new Map<string, object[]>();
  readonly #keys: readonly object[];
  /** Documents as they came. */
  readonly documents: PublishDocument[] = [];
  /** The command that npm's client said it was. */
  readonly commands: string[] = [];

  constructor(trustedRoot: string) {
    this.#trustedRoot = trustedRoot;
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = publicKey.export({ format: 'der', type: 'spki' });
    const keyid = `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=$/, '')}`;
    const scheme = { keytype: 'ecdsa-sha2-nistp256', scheme: 'ecdsa-sha2-nistp256' };
    this.#keys = [{ expires: null, keyid, ...scheme, key: key.toString('base64') }];
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    const send = (status: number, value: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    this.#answer(request).then(
      ([status, value]) => send(status, value),
      (error) => send(422, { error: error instanceof Error ? error.message : String(error) }),
    );
  };

  versionsOf(name: string): readonly string[] {
    return Object.keys(this.#packages.get(name)?.versions ?? {});
  }

  async #answer(request: IncomingMessage): Promise<[number, unknown]> {
    const path = decodeURIComponent((request.url ?? '').replace(/\?.*$/, '')).slice(1);
    if (path === '-/npm/v1/keys') return [200, { keys: this.#keys }];
    if (path.startsWith('-/npm/v1/attestations/')) {
      const attestations = this.#attestations.get(path.slice('-/npm/v1/attestations/'.length));
      return attestations === undefined ? [404, { error: 'Not found' }] : [200, { attestations }];
    }
    if (path === '-/whoami') return isAuthorized(request) ? [200, { username: 'alice' }] : [401, { error: 'no' }];
    if (path.startsWith('-/')) return [404, { error: 'Not found' }];
    if (request.method === 'PUT') {
      if (!isAuthorized(request)) return [401, { error: 'You must be logged in to publish packages.' }];
      this.commands.push(String(request.headers['npm-command']));
      return this.#publish((await json(request)) as PublishDocument);
    }
    const known = this.#packages.get(path);
    if (known === undefined) return [404, { error: 'Not found' }];
    return [200, { name: path, versions: known.versions, 'dist-tags': known.tags }];
  }

  #publish(document: PublishDocument): [number, unknown] {
    this.documents.push(document);
    const { name, versions, _attachments: attachments } = document;
    const [version = '', second] = Object.keys(versions);
    const manifest = versions[version];
    if (manifest === undefined || second !== undefined) throw new Error('exactly one version is published at a time');
    const known = this.#packages.get(name) ?? { versions: {}, tags: {} };
    if (version in known.versions) {
      return [403, { error: `You cannot publish over the previously published versions: ${version}.` }];
    }
    const tarball = attachments[`${name}-${version}.tgz`];
    if (tarball?.content_type !== 'application/octet-stream') throw new Error('the tarball is missing');
    const bytes = Buffer.from(tarball.data, 'base64');
    const hash = (algorithm: string) => createHash(algorithm).update(bytes);
    if (bytes.length !== tarball.length) throw new Error('the tarball has another length');
    if (manifest.dist.integrity !== `sha512-${hash('sha512').digest('base64')}`) throw new Error('other bytes');
    if (manifest.dist.shasum !== hash('sha1').digest('hex')) throw new Error('another shasum');
    const evidence = attachments[`${name}-${version}.sigstore`];
    const names = Object.keys(attachments);
    if (names.length !== (evidence === undefined ? 1 : 2)) throw new Error('attachments that nobody knows');
    if (evidence !== undefined) {
      const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
      const bundle = this.#checkProvenance(evidence, purl, hash('sha512').digest('hex'), manifest);
      const entry = { predicateType: 'https://slsa.dev/provenance/v1', bundle };
      this.#attestations.set(`${name}@${version}`, [entry]);
    }
    const tags = { ...known.tags, ...document['dist-tags'] };
    this.#packages.set(name, { versions: { ...known.versions, [version]: manifest }, tags });
    return [200, { success: true }];
  }

  #checkProvenance(
    { content_type, data, length }: { content_type: string; data: string; length: number },
    purl: string,
    sha512: string,
    { repository }: Manifest,
  ): object {
    if (data.length !== length) throw new Error('the provenance has another length');
    const json: { mediaType: string; dsseEnvelope: { payload: string } } = JSON.parse(data);
    if (json.mediaType !== content_type) throw new Error('the provenance has another type');
    const statement = JSON.parse(Buffer.from(json.dsseEnvelope.payload, 'base64').toString());
    const [subject] = statement.subject;
    if (subject.name !== purl || subject.digest.sha512 !== sha512) throw new Error('provenance of something else');
    const material = toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(this.#trustedRoot)));
    const verifier = new Verifier(material, { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 });
    verifier.verify(toSignedEntity(bundleFromJSON(json)));
    const { builder } = statement.predicate.runDetails;
    const source = statement.predicate.buildDefinition.externalParameters.workflow?.repository;
    if (!/^https:\/\/github\.com\/actions\/runner\/github-hosted$/.test(builder.id)) {
      throw new Error(
        `Error verifying sigstore provenance bundle: Unsupported GitHub Actions runner environment: "${builder.id}"`,
      );
    }
    const url = typeof repository === 'string' ? repository : repository?.url;
    if (url?.replace(/^git\+/, '').replace(/\.git$/, '') !== source) {
      throw new Error(
        `Error verifying sigstore provenance bundle: Failed to validate repository information: package.json: "repository.url" is "${url ?? ''}", expected to match "${source}" from provenance`,
      );
    }
    return json;
  }
}

function isAuthorized({ headers }: IncomingMessage): boolean {
  return headers.authorization === 'Bearer npm-token-of-alice';
}
