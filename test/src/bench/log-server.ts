// The server under load, in a process of its own: prints its URL, and its resources when it is told to stop.

import { generateSigner } from '@signet/primitives/keys';
import { openTransparencyLog, RekorV1Tree, rekorV1Routes, rekorV2Routes } from '@signet/services/log';
import Fastify from 'fastify';
import { benchSigner } from './log-key.ts';

const [directory = '', api = 'v2'] = process.argv.slice(2);
const opened = performance.now();
const app = Fastify();
let log: { readonly size: bigint; close(): Promise<void> };
if (api === 'v1') {
  const tree = await RekorV1Tree.open({
    directory,
    host: 'bench.example',
    signer: generateSigner('PKIX_ECDSA_P256_SHA_256'),
  });
  await app.register(rekorV1Routes(tree));
  log = tree;
} else {
  const tiled = await openTransparencyLog({
    directory,
    origin: 'bench.example/log',
    signer: await benchSigner(directory),
  });
  await app.register(rekorV2Routes(tiled));
  log = tiled;
}
const openMilliseconds = performance.now() - opened;
const url = await app.listen({ host: '127.0.0.1', port: 0 });
process.send?.({ url, openMilliseconds });
let mark = { cpu: process.cpuUsage(), size: log.size };
process.on('message', async (message) => {
  if (message === 'mark') mark = { cpu: process.cpuUsage(), size: log.size };
  if (message === 'report') {
    const { user, system } = process.cpuUsage(mark.cpu);
    const entries = Number(log.size - mark.size);
    process.send?.({ entries, microseconds: user + system, rss: process.memoryUsage.rss() });
  }
  if (message === 'stop') {
    await app.close();
    await log.close();
    process.disconnect();
  }
});
