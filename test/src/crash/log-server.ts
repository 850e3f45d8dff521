// Logs of both of Rekor's versions in a process of its own, to be killed. Arguments: data directory, folder of keys, journal.
// Prints its URL when it serves: v2 at the root, v1 below /v1, and the tiles of v1's tree below /v1-tiles, by which a test reads
// all of it.
// The journal gets a line for every sync that the operating system has confirmed: the file's name, and its length when the
// sync was asked for. What is beyond, a power failure may take.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join, relative } from 'node:path';
import { openKeyFile } from '@signet/primitives/keys';
import { openTransparencyLog, RekorV1Tree, rekorV1Routes, rekorV2Routes } from '@signet/services/log';
import Fastify from 'fastify';

const [directory = '', keys = '', journalFile = ''] = process.argv.slice(2);
const journal = fs.openSync(journalFile, 'a');
const names = new Map<number, string>();
const { openSync, fdatasync } = fs;
fs.openSync = (path, ...rest) => {
  const descriptor = openSync(path, ...rest);
  names.set(descriptor, relative(directory, String(path)));
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

const log = await openTransparencyLog({
  directory: join(directory, 'v2'),
  origin: 'crash.example/log',
  signer: await openKeyFile(join(keys, 'v2.key')),
});
const tree = await RekorV1Tree.open({
  directory: join(directory, 'v1'),
  host: 'crash.example',
  signer: await openKeyFile(join(keys, 'v1.key')),
});
const app = Fastify();
await app.register(rekorV2Routes(log, { workers: 0 }));
await app.register(rekorV1Routes(tree, { workers: 0, attestationBytes: 1000 }), { prefix: '/v1' });
await app.register(rekorV2Routes(tree.log, { workers: 0 }), { prefix: '/v1-tiles' });
process.stdout.write(`${await app.listen({ host: '127.0.0.1', port: 0 })}\n`);
