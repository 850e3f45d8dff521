import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digest } from '@signet/primitives/crypto';
import { toHex } from '@signet/primitives/formats';
import { AppendFile } from './engine/append-file.ts';
import { attestationDirectory } from './rekor-v1/attestation-store.ts';
import { damagedLines, packageNamesFile, readPackageNames, unsyncedBytes } from './search/package-names.ts';

/** What a check of files beside a log has found. */
export interface BesideCheck {
  readonly damage: readonly string[];
  /** Bytes of names that were never acknowledged. */
  readonly tornBytes: number;
}

const pieceBytes = 1 << 20;

/**
 * Checks what is kept beside a log and not below its root: names that submitters gave, and attestations. What has been deleted is
 * not missed; what is there must be what was kept.
 */
export function checkBeside(directory: string, treeSize: number): BesideCheck {
  const names = checkPackageNames(directory, treeSize);
  return { damage: [...names.damage, ...checkAttestations(directory)], tornBytes: names.tornBytes };
}

function checkPackageNames(directory: string, treeSize: number): BesideCheck {
  const path = packageNamesFile(directory);
  if (!existsSync(path)) return { damage: [], tornBytes: 0 };
  const file = AppendFile.open(path);
  const damage: string[] = [];
  let tornBytes = 0;
  try {
    for (let start = 0; start < file.size; ) {
      const piece = Buffer.from(file.read(start, Math.min(pieceBytes, file.size - start)));
      const whole = piece.subarray(0, piece.lastIndexOf(10) + 1);
      for (const { offset, length } of damagedLines(whole)) {
        // The next start crosses out what a crash has left there.
        if (start + offset >= file.size - unsyncedBytes) tornBytes += length;
        else damage.push(`packages.txt is damaged at byte ${start + offset}`);
      }
      const beyond = readPackageNames(whole).find(({ entry }) => entry >= treeSize);
      if (beyond !== undefined) damage.push(`packages.txt names entry ${beyond.entry}, and ${treeSize} are there`);
      if (whole.length === 0) {
        tornBytes += piece.length;
        start += piece.length;
      } else start += whole.length;
    }
  } finally {
    file.close();
  }
  return { damage, tornBytes };
}

function checkAttestations(directory: string): string[] {
  const place = attestationDirectory(directory);
  if (!existsSync(place)) return [];
  const damage: string[] = [];
  for (const folder of readdirSync(place)) {
    for (const name of readdirSync(join(place, folder))) {
      // One that was not finished belongs to no entry.
      if (name.endsWith('.tmp')) continue;
      const bytes = readFileSync(join(place, folder, name));
      if (toHex(digest('sha256', bytes)) !== name) damage.push(`attestation ${name} is not what its entry has logged`);
    }
  }
  return damage;
}
