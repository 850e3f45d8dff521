import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { parseIntegrity, sha512Integrity, toPurl } from '@signet/client/npm';
import { signStatement } from '@signet/client/sign';
import { TrustMaterial } from '@signet/client/trust';
import { statementV1, toHex } from '@signet/primitives/formats';
import { Header } from 'tar';
import type { Instance } from '../scene/instance.ts';

/** A version with its tarball, and evidence that holds. */
export interface Built {
  readonly name: string;
  readonly version: string;
  readonly manifest: Readonly<Record<string, unknown>>;
  readonly tarball: Uint8Array;
  readonly integrity: string;
  readonly bundle: unknown;
}

/** Signs what {@link build} makes, by the services of an instance. */
export class Builder {
  readonly #instance: Instance;
  #trust: TrustMaterial | undefined;
  #token: string | undefined;

  constructor(instance: Instance) {
    this.#instance = instance;
  }

  /** @param bytes of the tarball, about; they cannot be compressed */
  async build(name: string, version: string, bytes: number): Promise<Built> {
    const manifest = { name, version, description: 'a package to measure with', main: 'index.js' };
    const tarball = pack(manifest, bytes);
    const integrity = sha512Integrity(tarball);
    const { ca, tsa, log } = this.#instance.urls;
    this.#trust ??= TrustMaterial.fromTrustedRoot(await this.#instance.readTrustedRoot(), { name: 'example' });
    this.#token ??= await this.#instance.token();
    const { bundle } = await signStatement({
      statement: statementV1({
        subject: [{ name: toPurl(name, version), digest: { sha512: toHex(parseIntegrity(integrity)) } }],
        predicateType: 'https://slsa.dev/provenance/v1',
        predicate: { buildDefinition: { buildType: 'urn:signet:bench' }, runDetails: { builder: { id: 'urn:bench' } } },
      }),
      identityToken: this.#token,
      services: { caUrl: ca, tsaUrl: tsa, logUrl: log },
      trust: this.#trust,
    });
    return { name, version, manifest, tarball, integrity, bundle };
  }
}

function pack(manifest: object, bytes: number): Uint8Array {
  const members = [
    ['package/package.json', Buffer.from(JSON.stringify(manifest))],
    ['package/data.bin', randomBytes(bytes)],
  ] as const;
  const blocks = members.flatMap(([path, content]) => {
    const header = new Header({ path, size: content.length, mode: 0o644, type: 'File', mtime: new Date(0) });
    header.encode();
    return [header.block ?? Buffer.alloc(512), content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return new Uint8Array(gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)])));
}

/**
 * Puts a package into a storage of files as Verdaccio keeps it, the evidence beside it. Versions in `more` have documents and no
 * tarballs.
 */
export async function store(
  storage: string,
  built: readonly Built[],
  more: { readonly versions: number; readonly bytes: number } = { versions: 0, bytes: 0 },
): Promise<void> {
  const [first] = built;
  if (first === undefined) return;
  const folder = `${storage}/${first.name}`;
  await mkdir(folder, { recursive: true });
  const base = first.name.split('/').pop() ?? '';
  const versions: Record<string, unknown> = {};
  const attachments: Record<string, object> = {};
  const version = (number: string, integrity: string, description: string) => ({
    ...first.manifest,
    version: number,
    description,
    _id: `${first.name}@${number}`,
    dist: {
      integrity,
      shasum: '0'.repeat(40),
      tarball: `http://localhost/${first.name}/-/${base}-${number}.tgz`,
      signatures: [{ keyid: 'SHA256:bench', sig: randomBytes(71).toString('base64') }],
    },
  });
  for (let index = 0; index < more.versions; index += 1) {
    const number = `0.0.${index}`;
    versions[number] = version(number, sha512Integrity(randomBytes(8)), 'x'.repeat(more.bytes));
  }
  for (const { version: number, integrity, tarball, bundle } of built) {
    versions[number] = version(number, integrity, 'one');
    const text = JSON.stringify(bundle);
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
    for (const [file, content] of [
      [`${base}-${number}.tgz`, tarball],
      [`${base}-${number}.${hash}.sigstore.json`, text],
    ] as const) {
      attachments[file] = {};
      await writeFile(`${folder}/${file}`, content);
    }
  }
  const latest = built.at(-1)?.version ?? '';
  const times = Object.keys(versions).map((number) => [number, '2026-01-01T00:00:00.000Z']);
  const document = {
    name: first.name,
    versions,
    time: Object.fromEntries(times),
    'dist-tags': { latest },
    _attachments: attachments,
    _distfiles: {},
    _uplinks: {},
    _rev: '1-0',
    _id: first.name,
    readme: '',
  };
  await writeFile(`${folder}/package.json`, JSON.stringify(document));
}
