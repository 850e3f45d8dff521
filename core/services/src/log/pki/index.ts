import { minisignFormat } from './minisign.ts';
import { openpgpFormat } from './openpgp.ts';
import type { PkiFormat } from './pki-format.ts';
import { sshFormat } from './ssh.ts';
import { tufFormat } from './tuf.ts';
import { x509Format } from './x509.ts';

export { type PkiFormat, type PkiPublicKey, signatureError } from './pki-format.ts';

/** The formats of keys and signatures that every log knows. */
export const builtInPkiFormats: readonly PkiFormat[] = [
  x509Format,
  openpgpFormat,
  minisignFormat,
  sshFormat,
  tufFormat,
];
