import { createHash } from 'node:crypto';
import { describeValue, fromBase64, parseJson, SignetError } from '@signet/primitives/formats';
import {
  baseName,
  integrityOfDigest,
  isExactVersion,
  isJsonObject,
  isPackageName,
  type JsonObject,
  JsonReader,
  own,
  parseIntegrity,
} from '../npm/lockfile/index.ts';
import { isVersionRange } from '../policy/index.ts';

/** What an npm client sends with PUT to publish one version, taken apart and found consistent. */
export interface PublishDocument {
  readonly name: string;
  readonly version: string;
  /** Distribution tags that shall point to the version. */
  readonly tags: readonly string[];
  readonly access?: 'public' | 'restricted';
  /** The version's manifest as sent, `dist` included. Foreign. */
  readonly manifest: JsonObject;
  readonly tarball: Uint8Array;
  /** File name of the tarball without a scope: `name-1.2.3.tgz`. */
  readonly tarballName: string;
  /** Key of the tarball in `_attachments`; npm puts the scope before the name. */
  readonly tarballKey: string;
  /** `sha512-…` of the tarball, as computed and as declared. */
  readonly integrity: string;
  /** The Sigstore bundle, when the document carries one. Parsed JSON, nothing about it verified. */
  readonly bundle?: JsonObject;
  /** The bundle as sent. */
  readonly bundleText?: string;
  /** File name of the bundle without a scope: `name-1.2.3.sigstore`. */
  readonly bundleName?: string;
  readonly bundleKey?: string;
}

/** Limits on a publish document, in bytes. */
export interface PublishDocumentLimits {
  /** The document as text, default 256 MiB; not applied to a body that was parsed already. */
  readonly document?: number;
  /** The bundle, default 16 MiB: a provenance takes 10 KiB, a large SBOM some MiB. */
  readonly bundle?: number;
}

const reader: JsonReader = new JsonReader('ERR_PUBLISH_DOCUMENT', 'publish document');

/**
 * Takes apart npm's publish document (libnpmpublish `buildMetadata`): one version, its tarball, and at most one Sigstore
 * bundle beside it. Everything that could be read in two ways is refused: names and versions that disagree anywhere,
 * a second version or attachment, base64 that is not canonical, lengths and hashes that are not the bytes' own.
 *
 * Signatures are not looked at. A document without a bundle is well-formed; whether it is welcome is the caller's matter.
 *
 * @param body the document: parsed JSON, or its text or bytes
 * @throws ERR_PUBLISH_DOCUMENT, ERR_INTEGRITY_FORMAT, ERR_INTEGRITY_MISMATCH, ERR_INPUT_TOO_LARGE
 */
export function parsePublishDocument(body: unknown, limits: PublishDocumentLimits = {}): PublishDocument {
  const document = reader.object(parseBody(body, limits.document ?? 256 * 1024 * 1024), 'the document');
  const name = reader.string(own(document, 'name'), 'name');
  if (!isPackageName(name)) {
    reader.fail(`${JSON.stringify(name.slice(0, 300))} is not a name that npm accepts for a new package`);
  }
  equal(own(document, '_id'), name, '_id', true);

  const versions = reader.object(own(document, 'versions'), 'versions');
  const version = reader.singleKey(versions, 'versions');
  if (!isExactVersion(version) || version.includes('+')) {
    reader.fail(
      `versions must name an exact version without build metadata, found ${JSON.stringify(version.slice(0, 300))}`,
    );
  }
  const manifest = reader.object(own(versions, version), `versions[${JSON.stringify(version)}]`);
  equal(own(manifest, 'name'), name, 'the manifest’s name');
  equal(own(manifest, 'version'), version, 'the manifest’s version');
  equal(own(manifest, '_id'), `${name}@${version}`, 'the manifest’s _id', true);

  const attachments = attachmentKeys(own(document, '_attachments'), name, version);
  const tarball = tarballBytes(attachments.tarball.value);
  const integrity = checkDist(reader.object(own(manifest, 'dist'), 'dist'), tarball, attachments.tarball.name);
  const parsed = {
    name,
    version,
    tags: tagsOf(own(document, 'dist-tags'), version),
    ...accessOf(own(document, 'access')),
    manifest,
    tarball,
    tarballName: attachments.tarball.name,
    tarballKey: attachments.tarball.key,
    integrity,
  } satisfies PublishDocument;
  if (attachments.bundle === undefined) return parsed;
  const bundleText = bundleData(attachments.bundle.value, limits.bundle ?? 16 * 1024 * 1024);
  return {
    ...parsed,
    bundle: parseBundleText(bundleText),
    bundleText,
    bundleName: attachments.bundle.name,
    bundleKey: attachments.bundle.key,
  };
}

function accessOf(value: unknown): Pick<PublishDocument, 'access'> {
  if (value === undefined || value === null) return {};
  if (value === 'public' || value === 'restricted') return { access: value };
  return reader.fail('access must be "public", "restricted" or absent');
}

function parseBody(body: unknown, limit: number): unknown {
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) return body;
  if (body.length > limit) {
    throw new SignetError('ERR_INPUT_TOO_LARGE', `publish document is larger than ${limit} bytes`);
  }
  try {
    // A key twice would let two readers see two documents.
    return parseJson(body, 'publish document', { maxLength: limit, maxDepth: 256 });
  } catch (cause) {
    return reader.fail('it is not JSON', { cause });
  }
}

function equal(found: unknown, expected: string, where: string, optional = false): void {
  if (optional && found === undefined) return;
  if (found !== expected) {
    reader.fail(`${where} differs from the rest of the document`, {
      expected,
      found: typeof found === 'string' ? found.slice(0, 300) : typeof found,
    });
  }
}

interface Attachment {
  readonly key: string;
  readonly name: string;
  readonly value: JsonObject;
}

/** npm names attachments `<name>-<version>.<ext>` with the scope in front; others leave the scope out. */
function attachmentKeys(value: unknown, name: string, version: string): { tarball: Attachment; bundle?: Attachment } {
  const attachments = reader.object(value, '_attachments');
  let tarball: Attachment | undefined;
  let bundle: Attachment | undefined;
  for (const key of Object.keys(attachments)) {
    for (const extension of ['tgz', 'sigstore'] as const) {
      const fileName = `${baseName(name)}-${version}.${extension}`;
      if (key !== fileName && key !== `${name}-${version}.${extension}`) continue;
      const attachment = { key, name: fileName, value: reader.object(own(attachments, key), '_attachments member') };
      if ((extension === 'tgz' ? tarball : bundle) !== undefined)
        reader.fail(`_attachments has two .${extension} members`);
      if (extension === 'tgz') tarball = attachment;
      else bundle = attachment;
    }
    if (tarball?.key !== key && bundle?.key !== key) {
      reader.fail('_attachments has a member that belongs to another package, version or kind', {
        expected: `${name}-${version}.tgz and perhaps ${name}-${version}.sigstore`,
        found: key.slice(0, 300),
      });
    }
  }
  if (tarball === undefined) reader.fail(`_attachments lacks the tarball ${name}-${version}.tgz`);
  return bundle === undefined ? { tarball } : { tarball, bundle };
}

function tarballBytes(attachment: JsonObject): Uint8Array {
  const data = reader.string(own(attachment, 'data'), 'the tarball’s data');
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(data, 'the tarball’s data');
  } catch (cause) {
    return reader.fail('the tarball’s data is not canonical base64', { cause });
  }
  if (bytes.length === 0) reader.fail('the tarball is empty');
  checkLength(attachment, bytes.length, 'tarball');
  return bytes;
}

function bundleData(attachment: JsonObject, limit: number): string {
  const data = reader.string(own(attachment, 'data'), 'the bundle’s data');
  if (data.length > limit) {
    throw new SignetError('ERR_INPUT_TOO_LARGE', `the bundle in the publish document is larger than ${limit} bytes`);
  }
  checkLength(attachment, data.length, 'bundle');
  return data;
}

/** npm counts a tarball in bytes and a bundle in UTF-16 units, as JavaScript's `length` does. */
function checkLength(attachment: JsonObject, found: number, what: string): void {
  const declared = own(attachment, 'length');
  if (declared !== found) {
    reader.fail(`the ${what}’s declared length is not its own`, {
      expected: String(found),
      found: describeValue(declared),
    });
  }
}

function parseBundleText(text: string): JsonObject {
  let value: unknown;
  try {
    // As consumers read it: what they refuse, a key twice for example, is not to be published.
    value = parseJson(text, 'the .sigstore attachment', { maxLength: text.length, maxDepth: 256 });
  } catch (cause) {
    return reader.fail('the .sigstore attachment is not JSON', { cause });
  }
  return isJsonObject(value) ? value : reader.fail('the .sigstore attachment is not a JSON object');
}

/**
 * `dist` must tell the truth about the tarball. Of `dist.tarball` only the last segment is compared: npm writes the scope into
 * it a second time (`/@scope/name/-/@scope/name-1.0.0.tgz`), and its host is the publisher's view.
 */
function checkDist(dist: JsonObject, tarball: Uint8Array, tarballName: string): string {
  const declared = reader.string(own(dist, 'integrity'), 'dist.integrity');
  parseIntegrity(declared);
  const integrity = integrityOfDigest(createHash('sha512').update(tarball).digest());
  if (declared !== integrity) {
    throw new SignetError('ERR_INTEGRITY_MISMATCH', 'publish document: dist.integrity is not that of the tarball', {
      expected: integrity,
      found: declared,
    });
  }
  const shasum = reader.optionalString(own(dist, 'shasum'), 'dist.shasum');
  if (shasum !== undefined && shasum.toLowerCase() !== createHash('sha1').update(tarball).digest('hex')) {
    throw new SignetError('ERR_INTEGRITY_MISMATCH', 'publish document: dist.shasum is not that of the tarball');
  }
  const location = reader.optionalString(own(dist, 'tarball'), 'dist.tarball');
  if (location !== undefined) {
    const path = URL.parse(location)?.pathname ?? reader.fail('dist.tarball is not a URL');
    equal(path.slice(path.lastIndexOf('/') + 1), tarballName, 'the file name of dist.tarball');
  }
  return integrity;
}

function tagsOf(value: unknown, version: string): readonly string[] {
  if (value === undefined) return [];
  const tags = reader.object(value, 'dist-tags');
  return Object.keys(tags).map((tag) => {
    // A tag that is also a range would be shadowed by it; npm refuses to make one.
    if (tag === '' || tag === '__proto__' || encodeURIComponent(tag) !== tag || isVersionRange(tag)) {
      reader.fail(`${JSON.stringify(tag.slice(0, 100))} cannot be a distribution tag`);
    }
    equal(own(tags, tag), version, `dist-tags.${tag}`);
    return tag;
  });
}
