/**
 * Loaded before a server (`node --import`): ends the process, as a power cut would, just before the n-th rename of a file of one
 * package. Verdaccio's file storage makes every change visible by a rename, so that these are all the moments there are.
 */
import fs from 'node:fs';

const { KILL_AT = '0', KILL_FOLDER = '' } = process.env;
const original = fs.rename;
let count = 0;

fs.rename = Object.assign(
  function rename(from: fs.PathLike, to: fs.PathLike, callback: fs.NoParamCallback): void {
    if (KILL_FOLDER !== '' && String(to).includes(KILL_FOLDER)) count += 1;
    if (count === Number(KILL_AT)) process.kill(process.pid, 'SIGKILL');
    else original(from, to, callback);
  },
  { __promisify__: original.__promisify__ },
);
