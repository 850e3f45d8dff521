// The server under load, in a process of its own: prints its URL, and its resources when it is told to stop.

import { generateSigner } from '@signet/primitives/keys';
import { openTransparencyLog, rekorV2Routes } from '@signet/services/log';
import Fastify from 'fastify';

const [directory = ''] = process.argv.slice(2);
const opened = performance.now();
const log = await openTransparencyLog({
  directory,
  origin: 'bench.example/log',
  signer: generateSigner('PKIX_ED25519'),
});
const openMilliseconds = performance.now() - opened;
const app = Fastify();
await app.register(rekorV2Routes(log));
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
