import { access } from 'node:fs/promises';
import { createKeyFile, openKeyFile, type Signer } from '@signet/primitives/keys';

/** The key of a log that is opened by several processes of a benchmark, one after the other. */
export async function benchSigner(directory: string): Promise<Signer> {
  const path = `${directory}.key`;
  const there = await access(path).then(
    () => true,
    () => false,
  );
  return there ? openKeyFile(path) : createKeyFile(path, 'PKIX_ED25519');
}
