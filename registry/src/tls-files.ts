import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SignetError } from '@signet/primitives/formats';

/** Where the certificate for HTTPS lies, and its key: PEM files, which somebody renews. */
export interface TlsFiles {
  /** The server's certificate first, then what leads to a root. */
  readonly certificate: string;
  readonly key: string;
}

/** What the files hold. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  /** The server's own. */
  readonly leaf: X509Certificate;
}

const lookEveryMilliseconds = 60_000;

/** The files of an instance, absolute: what `instance.yaml` names is relative to the data directory. */
export function tlsFilesOf(directory: string, files: TlsFiles): TlsFiles {
  return { certificate: resolve(directory, files.certificate), key: resolve(directory, files.key) };
}

/**
 * Reads certificate and key and checks that they belong together.
 *
 * @throws ERR_INSTANCE_CONFIG
 */
export async function readTlsFiles({ certificate, key }: TlsFiles): Promise<TlsMaterial> {
  const [cert, keyText] = await Promise.all([certificate, key].map(readText));
  const leaf = read(certificate, 'a certificate in PEM', () => new X509Certificate(cert ?? ''));
  const privateKey = read(key, 'an unencrypted private key in PEM', () => createPrivateKey(keyText ?? ''));
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new SignetError('ERR_INSTANCE_CONFIG', `the first certificate in ${certificate} is not for the key ${key}`);
  }
  return { cert: cert ?? '', key: keyText ?? '', leaf };
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SignetError('ERR_INSTANCE_CONFIG', `${path} cannot be read; tls in instance.yaml names it`, { cause });
  });
}

function read<T>(path: string, expected: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new SignetError('ERR_INSTANCE_CONFIG', `${path} does not hold ${expected}`, { cause });
  }
}

/**
 * Looks once a minute whether the files have changed, as they do when a certificate is renewed, and brings the new ones into use
 * without a restart. Files that do not fit each other change nothing: renewal writes one after the other.
 *
 * @param onChange takes what was read
 * @param onProblem takes a sentence for the operator, once for each state of the files
 * @returns ends the looking
 */
export function watchTlsFiles(
  files: TlsFiles,
  onChange: (material: TlsMaterial) => void,
  onProblem: (sentence: string) => void,
  everyMilliseconds = lookEveryMilliseconds,
): () => void {
  let seen: string | undefined;
  const look = async () => {
    const state = await stateOf(files);
    if (seen === undefined || state === seen) {
      seen = state;
      return;
    }
    seen = state;
    try {
      onChange(await readTlsFiles(files));
    } catch (error) {
      if (!(error instanceof SignetError)) throw error;
      onProblem(`${error.message}; the certificate from before stays in use`);
    }
  };
  let looking = look();
  const timer = setInterval(() => {
    looking = looking.then(look);
  }, everyMilliseconds);
  timer.unref();
  return () => clearInterval(timer);
}

/** Changes with every change of the files; a missing one has a state too. */
async function stateOf({ certificate, key }: TlsFiles): Promise<string> {
  const states = await Promise.all(
    [certificate, key].map((path) => stat(path, { bigint: true }).catch(() => undefined)),
  );
  return states.map((state) => (state === undefined ? 'none' : `${state.ino}.${state.mtimeNs}.${state.size}`)).join();
}
