import { createHash } from 'node:crypto';
import { SignetError } from '@signet/primitives/formats';
import {
  isExactVersion,
  isJsonObject,
  isPackageName,
  type JsonObject,
  own,
  sha512Integrity,
} from '../npm/lockfile/index.ts';
import { isVersionRange } from '../policy/index.ts';

export interface PublishDocumentInput {
  /** package.json as it shall stand in the registry, with name and version. */
  readonly manifest: JsonObject;
  readonly tarball: Uint8Array;
  /** A Sigstore bundle as JSON value with a `mediaType`. */
  readonly bundle?: unknown;
  /** Distribution tag, default `latest`. */
  readonly tag?: string;
  /** Only scoped packages can be restricted. */
  readonly access?: 'public' | 'restricted';
  /** Base URL of the registry, for `dist.tarball`. */
  readonly registry: string;
}

/**
 * The document that npm sends to publish a version (libnpmpublish 12 `buildMetadata`), with the bundle as second attachment as
 * `npm publish --provenance` has it. The body of `PUT <registry>/<escaped name>`.
 *
 * @throws ERR_PUBLISH_DOCUMENT when the manifest cannot be published
 */
export function createPublishDocument(input: PublishDocumentInput): JsonObject {
  const { tarball, tag = 'latest' } = input;
  const { name, version, description } = publishable(input.manifest);
  if (isVersionRange(tag) || tag === '' || encodeURIComponent(tag) !== tag) {
    throw refuse(`the tag ${JSON.stringify(tag)} cannot be used: it is empty, not URL-safe, or a version range`);
  }
  if (input.access === 'restricted' && !name.startsWith('@')) {
    throw refuse(`${name} has no scope, and only scoped packages can be restricted`);
  }
  const tarballName = `${name}-${version}.tgz`;
  const given = own(input.manifest, 'dist');
  const { patchedDependencies: _consumerState, ...published } = input.manifest;
  const manifest = {
    ...published,
    _id: `${name}@${version}`,
    _nodeVersion: process.versions.node,
    dist: {
      ...(isJsonObject(given) ? given : {}),
      integrity: sha512Integrity(tarball),
      shasum: createHash('sha1').update(tarball).digest('hex'),
      // npm writes http even for https registries; clients use the registry's scheme (libnpmpublish).
      tarball: tarballUrl(`${name}/-/${tarballName}`, input.registry),
    },
  };
  const attachments: Record<string, unknown> = {
    [tarballName]: {
      content_type: 'application/octet-stream',
      data: Buffer.from(tarball.buffer, tarball.byteOffset, tarball.byteLength).toString('base64'),
      length: tarball.length,
    },
  };
  if (input.bundle !== undefined) attachments[`${name}-${version}.sigstore`] = bundleAttachment(input.bundle);
  return {
    _id: name,
    name,
    ...(typeof description === 'string' ? { description } : {}),
    'dist-tags': { [tag]: version },
    versions: { [version]: manifest },
    access: input.access ?? null,
    _attachments: attachments,
  };
}

function publishable(manifest: JsonObject): { name: string; version: string; description: unknown } {
  const name = own(manifest, 'name');
  const version = own(manifest, 'version');
  if (typeof name !== 'string' || !isPackageName(name)) {
    throw refuse('package.json needs a name that npm accepts: lower case, URL-safe, at most 214 characters');
  }
  if (typeof version !== 'string' || !isExactVersion(version) || version.includes('+')) {
    throw refuse(`package.json of ${name} needs an exact version without build metadata, for example 1.2.3`);
  }
  if (own(manifest, 'private')) throw refuse(`${name} is marked private in package.json; remove that to publish it`);
  if (own(manifest, 'packageExtensions') !== undefined) {
    throw refuse(`packageExtensions of ${name} is for a project's root only and must not be published`);
  }
  return { name, version, description: own(manifest, 'description') };
}

function bundleAttachment(bundle: unknown): JsonObject {
  const mediaType = isJsonObject(bundle) ? own(bundle, 'mediaType') : undefined;
  if (typeof mediaType !== 'string') throw refuse('the bundle has no mediaType');
  const data = JSON.stringify(bundle);
  return { content_type: mediaType, data, length: data.length };
}

function tarballUrl(path: string, registry: string): string {
  const url = URL.parse(path, registry.endsWith('/') ? registry : `${registry}/`);
  if (url === null) throw refuse(`${JSON.stringify(registry)} is not the URL of a registry`);
  return url.href.replace(/^https:/, 'http:');
}

function refuse(problem: string): SignetError {
  return new SignetError('ERR_PUBLISH_DOCUMENT', `cannot publish: ${problem}`);
}
