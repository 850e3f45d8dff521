import { toBase64 } from '@signet/primitives/formats';
import { CheckpointText, plainArray } from '../http/answer-text.ts';
import type { LoggedEntry, TransparencyLog } from '../transparency-log.ts';
import type { VerifiedEntry } from './create-entry.ts';

/**
 * Writes the answer to a request that logs an entry: Sigstore's TransparencyLogEntry, with the same members in the same order as
 * reading the entry answers. All that it says is base64, a number or a name of this log's, so nothing of it needs escapes, and it
 * is put together as text: made as an object first it would cost as much again as its proof.
 */
export class CreatedAnswer {
  readonly #checkpoints = new CheckpointText();
  readonly #keyIds = new WeakMap<TransparencyLog, string>();

  write(
    log: TransparencyLog,
    { index, rootHash, treeSize, hashes, checkpoint }: LoggedEntry,
    { kind, version, body }: VerifiedEntry,
  ): string {
    return (
      `{"logIndex":"${index}","logId":{"keyId":"${this.#keyId(log)}"},"kindVersion":{"kind":"${kind}","version":"${version}"},` +
      `"integratedTime":"0","inclusionProof":{"logIndex":"${index}","rootHash":"${toBase64(rootHash)}","treeSize":"${treeSize}",` +
      `"hashes":${plainArray(hashes.map(toBase64))},"checkpoint":{"envelope":${this.#checkpoints.write(checkpoint)}}},` +
      `"canonicalizedBody":"${toBase64(body)}","inclusionPromise":null}`
    );
  }

  #keyId(log: TransparencyLog): string {
    let keyId = this.#keyIds.get(log);
    if (keyId === undefined) {
      keyId = toBase64(log.keyId);
      this.#keyIds.set(log, keyId);
    }
    return keyId;
  }
}
