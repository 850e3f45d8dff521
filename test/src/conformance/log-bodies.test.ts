import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeRekorBody, parseRekorBody } from '@signet/primitives/formats';
import { conformanceCases, dataFolder } from './cases.ts';

interface RealBody {
  readonly file: string;
  readonly kind: string;
  readonly bytes: Uint8Array;
}

function jsonFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(json|sigstore)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Every leaf of a log that stands anywhere in the test data, as Rekor wrote it. */
function realBodies(): RealBody[] {
  const found: RealBody[] = [];
  for (const file of jsonFiles(dataFolder)) {
    const collect = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      const { canonicalizedBody, kindVersion } = value as {
        canonicalizedBody?: string;
        kindVersion?: { kind: string; version: string };
      };
      if (typeof canonicalizedBody === 'string' && kindVersion !== undefined) {
        const kind = `${kindVersion.kind} ${kindVersion.version}`;
        found.push({ file: file.slice(dataFolder.length + 1), kind, bytes: Buffer.from(canonicalizedBody, 'base64') });
      }
      for (const child of Object.values(value)) collect(child);
    };
    try {
      collect(JSON.parse(readFileSync(file, 'utf8')));
    } catch {
      // Some of the documents are no JSON, which is what they are there for.
    }
  }
  return found;
}

/** Cases whose leaf was made up or spoiled on purpose; no log took it. */
const spoiled: ReadonlySet<string> = new Set([
  'bundle-empty-certificate-chain_fail',
  'bundle-invalid-base64-signature_fail',
  'bundle-negative-log-index_fail',
  'intoto-log-entry-mismatch_fail',
]);

describe('bodies of real log entries', () => {
  let bodies: readonly RealBody[];

  before(function () {
    if (conformanceCases() === undefined) {
      process.stdout.write(`    skipped: ${dataFolder} is absent\n`);
      this.skip();
    }
    bodies = realBodies().filter(({ file }) => ![...spoiled].some((name) => file.includes(name)));
  });

  it('are written byte for byte as they were read', () => {
    for (const { file, bytes } of bodies) {
      assert.deepEqual(Buffer.from(encodeRekorBody(parseRekorBody(bytes))), Buffer.from(bytes), file);
    }
  });

  it('are of every kind that Rekor still or once wrote for bundles', () => {
    const kinds = new Set(bodies.map(({ kind }) => kind));
    assert.deepEqual([...kinds].sort(), ['dsse 0.0.1', 'hashedrekord 0.0.1', 'hashedrekord 0.0.2', 'intoto 0.0.2']);
    assert.ok(bodies.length >= 50, `${bodies.length} bodies`);
  });
});
