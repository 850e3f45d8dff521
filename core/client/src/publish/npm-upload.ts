import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inert, SignetError } from '@signet/primitives/formats';
import type { JsonObject } from '../http/index.ts';
import type { NpmOptions } from './npm-configuration.ts';

/** A version with its bundle, as npm's library takes it. */
export interface NpmRelease {
  readonly manifest: JsonObject;
  readonly tarball: Uint8Array;
  /** A bundle of Sigstore's public good instance. */
  readonly bundle: JsonObject;
  readonly tag: string;
  readonly access?: 'public' | 'restricted';
}

/**
 * Publishes as `npm publish --provenance-file` does. The library compares the bundle's subject with the tarball and verifies it
 * with the reference client and npm's trust root (libnpmpublish, provenance.js), then sends both in one request.
 *
 * @throws ERR_REGISTRY_REFUSED when npm's library does not take the bundle, ERR_NETWORK when it cannot obtain the trust root, and
 * whatever npm-registry-fetch throws
 */
export async function publishByNpm(release: NpmRelease, options: NpmOptions): Promise<void> {
  const {
    default: { publish },
  } = await import('libnpmpublish');
  const { tarball, bundle, tag, access } = release;
  // The library prefers a tag in package.json; what was asked for and rehearsed is ours.
  const { tag: _tag, ...manifest } = release.manifest;
  const folder = await mkdtemp(join(tmpdir(), 'signet-provenance-'));
  try {
    const provenanceFile = join(folder, 'provenance.sigstore.json');
    await writeFile(provenanceFile, JSON.stringify(bundle));
    await publish(manifest, Buffer.from(tarball.buffer, tarball.byteOffset, tarball.byteLength), {
      ...options,
      provenance: undefined,
      provenanceFile,
      defaultTag: tag,
      access: access ?? null,
      npmCommand: 'publish',
    });
  } catch (thrown) {
    throw explained(thrown);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the reference client throws has a code of its own; what comes from the registry has a status. */
function explained(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || 'statusCode' in thrown) return thrown;
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : '';
  if (/^TUF_/.test(code)) {
    return new SignetError(
      'ERR_NETWORK',
      `npm's library cannot obtain the trust root of Sigstore's public good instance: ${inert(thrown.message)}`,
    );
  }
  const isVerdict = ['VerificationError', 'PolicyError', 'ValidationError'].includes(thrown.name);
  if (!isVerdict && !/^(?:Provenance subject|No |Found more|Invalid provenance|Failed to parse)/.test(thrown.message)) {
    return thrown;
  }
  return new SignetError(
    'ERR_REGISTRY_REFUSED',
    `npm's library does not take the provenance, and npm's registry would not either: ${inert(thrown.message)}`,
    { expected: 'a bundle of Sigstore’s public good instance about this tarball' },
  );
}
