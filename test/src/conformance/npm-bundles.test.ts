import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decidedByPolicy, type ExpectedKey, TrustMaterial, verifyBundle } from '@signet/client/verify';
import { fromBase64, parseBundle, SignetError } from '@signet/primitives/formats';
import { dataFolder, publicGoodRootFile } from './cases.ts';

const folder = join(dataFolder, 'npm-attestations');
const isThere = existsSync(folder);

interface RegistryKey {
  readonly keyId: string;
  readonly keyUsage: string;
  readonly publicKey: {
    readonly rawBytes: string;
    readonly validFor: { readonly start: string; readonly end?: string };
  };
}

/** Bundles of an attestation document, or the bundle that the file is. */
function bundlesOf(file: string): unknown[] {
  const document = JSON.parse(readFileSync(file, 'utf8')) as { attestations?: { bundle: unknown }[] };
  return document.attestations?.map(({ bundle }) => bundle) ?? [document];
}

function files(path: string): string[] {
  if (!isThere) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'INDEX.json' && entry.name !== 'npm-registry-keys.json')
    .map((entry) => join(path, entry.name));
}

describe('bundles of real packages', () => {
  let trust: TrustMaterial;
  let keys: readonly RegistryKey[];

  before(function () {
    if (!isThere) {
      process.stdout.write(`    skipped: ${folder} is absent\n`);
      this.skip();
    }
    trust = TrustMaterial.fromTrustedRoot(readFileSync(publicGoodRootFile));
    keys = (JSON.parse(readFileSync(join(folder, 'npm-registry-keys.json'), 'utf8')) as { keys: RegistryKey[] }).keys;
  });

  function keyFor(hint: string): ExpectedKey | undefined {
    const known = keys.find(({ keyId, keyUsage }) => keyId === hint && keyUsage === 'npm:attestations');
    if (known === undefined) return undefined;
    const { rawBytes, validFor } = known.publicKey;
    const start = new Date(validFor.start);
    return {
      publicKey: fromBase64(rawBytes),
      validFor: validFor.end === undefined ? { start } : { start, end: new Date(validFor.end) },
    };
  }

  function verify(value: unknown) {
    const bundle = parseBundle(value);
    const key = bundle.key.kind === 'publicKey' ? keyFor(bundle.key.hint) : undefined;
    return verifyBundle(bundle, { trust, identities: decidedByPolicy, ...(key === undefined ? {} : { key }) });
  }

  for (const file of files(folder)) {
    it(`verifies ${file.slice(folder.length + 1)}`, () => {
      for (const bundle of bundlesOf(file)) {
        const verified = verify(bundle);
        assert.match(verified.statement?.subject[0]?.name ?? '', /^pkg:npm\//);
        assert.equal(verified.logEntries.length, 1);
      }
    });
  }

  for (const file of files(join(folder, 'negative'))) {
    it(`refuses ${file.slice(folder.length + 1)} or leaves it to the document's rules, and never crashes`, () => {
      let bundles: unknown[];
      try {
        bundles = bundlesOf(file);
      } catch {
        // One of them is not JSON at all: the text is what a verifier would be given.
        assert.throws(() => verifyBundle(readFileSync(file), { trust, identities: decidedByPolicy }), SignetError);
        return;
      }
      for (const bundle of bundles) {
        try {
          verify(bundle);
        } catch (error) {
          assert.ok(error instanceof SignetError, String(error));
        }
      }
    });
  }

  for (const name of ['invalid-signature', 'mismatch-prov-payloadtype', 'mismatch-pub-payloadtype']) {
    it(`refuses the documents with ${name}`, () => {
      const matching = files(join(folder, 'negative')).filter((file) => file.includes(name));
      assert.ok(matching.length > 0);
      for (const file of matching) {
        const refused = bundlesOf(file).filter((bundle) => {
          try {
            verify(bundle);
            return false;
          } catch {
            return true;
          }
        });
        assert.ok(refused.length > 0, file);
      }
    });
  }
});
