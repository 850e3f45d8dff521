// Preloaded into a server: from the moment at which the file SIGNET_TEST_DISK_FAILS exists, the disk syncs nothing any more.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { fdatasync } = fs;
fs.fdatasync = (descriptor, done) => {
  if (!fs.existsSync(process.env.SIGNET_TEST_DISK_FAILS)) return fdatasync(descriptor, done);
  setImmediate(() => done(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })));
};
syncBuiltinESMExports();
