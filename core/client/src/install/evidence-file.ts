import { readFile } from 'node:fs/promises';
import { fromUtf8, parseJson, SignetError } from '@signet/primitives/basics';
import { isJsonObject, own, parseIntegrity, parsePurl, toPurl } from '../npm/lockfile/index.ts';
import type { JudgedPackage } from './report.ts';

/** What a file of committed evidence is called beside the lockfile. */
export const evidenceFileName = 'trust-evidence.jsonl';

const maxBytes = 512 * 1024 * 1024;

/**
 * Evidence that a project keeps: a line `{"purl", "integrity", "bundle"}` for each attestation. It is as untrusted as a registry's answer
 * and is verified like one; keeping it spares the request and outlives the registry.
 */
export class EvidenceFile {
  readonly #bundles = new Map<string, unknown[]>();

  /**
   * @param content lines of JSON
   * @param file names the file in messages
   * @throws ERR_ATTESTATION_DOCUMENT for a line that is not such an entry
   */
  constructor(content: string, file: string) {
    for (const [index, line] of content.split('\n').entries()) {
      if (line.trim() === '') continue;
      try {
        const entry = parseJson(line, 'the line', { maxDepth: 64 });
        const known =
          isJsonObject(entry) && Object.keys(entry).every((key) => ['purl', 'integrity', 'bundle'].includes(key));
        const purl = known ? own(entry, 'purl') : undefined;
        const integrity = known ? own(entry, 'integrity') : undefined;
        if (!known || typeof purl !== 'string' || typeof integrity !== 'string') {
          throw new SignetError('ERR_ATTESTATION_DOCUMENT', 'expected an object with purl, integrity and bundle');
        }
        parsePurl(purl);
        parseIntegrity(integrity);
        const bundles = this.#bundles.get(`${purl} ${integrity}`);
        if (bundles === undefined) this.#bundles.set(`${purl} ${integrity}`, [own(entry, 'bundle')]);
        else bundles.push(own(entry, 'bundle'));
      } catch (cause) {
        const problem = cause instanceof Error ? cause.message : String(cause);
        throw new SignetError('ERR_ATTESTATION_DOCUMENT', `${file}:${index + 1}: ${problem}`, { cause });
      }
    }
  }

  /** The bundles kept for a package version and its bytes. */
  bundlesFor(name: string, version: string, integrity: string): readonly unknown[] {
    return this.#bundles.get(`${toPurl(name, version)} ${integrity}`) ?? [];
  }
}

/**
 * Reads a file of evidence.
 *
 * @returns undefined when there is none
 * @throws ERR_ATTESTATION_DOCUMENT, ERR_ENCODING, ERR_INPUT_TOO_LARGE
 */
export async function readEvidenceFile(path: string): Promise<EvidenceFile | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SignetError('ERR_ATTESTATION_DOCUMENT', `${path} cannot be read`, { cause: error });
  }
  if (bytes.length > maxBytes) throw new SignetError('ERR_INPUT_TOO_LARGE', `${path} is larger than ${maxBytes} bytes`);
  return new EvidenceFile(fromUtf8(bytes, path), path);
}

/**
 * The text of a file with all evidence that was verified in this run: sorted, so that it changes only where evidence changes. A run
 * that is to keep evidence does without a verdict cache, which holds no bundles.
 */
export function formatEvidence(judged: readonly JudgedPackage[]): string {
  const lines = judged.flatMap(({ name, version, integrity, attestations }) =>
    attestations.flatMap(({ bundle }) =>
      bundle === undefined ? [] : [JSON.stringify({ purl: toPurl(name, version), integrity, bundle })],
    ),
  );
  return [...new Set(lines)]
    .sort()
    .map((line) => `${line}\n`)
    .join('');
}
