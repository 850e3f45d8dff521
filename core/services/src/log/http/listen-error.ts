import { SignetError } from '@signet/primitives/formats';

/**
 * Why a server cannot listen, and what to do.
 *
 * @param cause what the operating system says
 * @param fixedBy the file that says where to listen, if not the command line does
 * @returns ERR_LISTEN
 */
export function listenError(
  host: string,
  port: number,
  cause: NodeJS.ErrnoException,
  fixedBy: string | undefined,
): SignetError {
  const elsewhere = fixedBy === undefined ? 'choose another with --port' : `see listen in ${fixedBy}`;
  const sentences: Readonly<Record<string, string>> = {
    EADDRINUSE: `Port ${port} of ${host} is taken by another program; stop that program, or ${elsewhere}`,
    EACCES: `This user may not listen on port ${port} of ${host}; take a port from 1024 on (${elsewhere})`,
    EADDRNOTAVAIL: `This machine has no address ${host}; see --host${fixedBy === undefined ? '' : ` and listen in ${fixedBy}`}`,
    ENOTFOUND: `There is no host ${host}; see --host${fixedBy === undefined ? '' : ` and listen in ${fixedBy}`}`,
  };
  const sentence = sentences[cause.code ?? ''] ?? `Cannot listen on port ${port} of ${host}`;
  return new SignetError('ERR_LISTEN', sentence, { cause });
}
