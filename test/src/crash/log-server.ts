// A log in a process of its own, to be killed. Arguments: data directory, key file, journal. Prints its URL when it serves.
// The journal gets a line for every sync that the operating system has confirmed: the file's name, and its length when the
// sync was asked for. What is beyond, a power failure may take.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import { openKeyFile } from '@signet/primitives/keys';
import { openTransparencyLog, rekorV2Routes } from '@signet/services/log';
import Fastify from 'fastify';

const [directory = '', keyFile = '', journalFile = ''] = process.argv.slice(2);
const journal = fs.openSync(journalFile, 'a');
const names = new Map<number, string>();
const { openSync, fdatasync } = fs;
fs.openSync = (path, ...rest) => {
  const descriptor = openSync(path, ...rest);
  names.set(descriptor, basename(String(path)));
  return descriptor;
};
fs.fdatasync = ((descriptor: number, done: fs.NoParamCallback) => {
  const { size } = fs.fstatSync(descriptor);
  fdatasync(descriptor, (error) => {
    if (error === null) fs.writeSync(journal, `${names.get(descriptor)} ${size}\n`);
    done(error);
  });
}) as typeof fdatasync;
syncBuiltinESMExports();

const log = await openTransparencyLog({ directory, origin: 'crash.example/log', signer: await openKeyFile(keyFile) });
const app = Fastify();
await app.register(rekorV2Routes(log, { workers: 0 }));
process.stdout.write(`${await app.listen({ host: '127.0.0.1', port: 0 })}\n`);
