// A log in a process that has no package `openpgp`. Argument: data directory. Reads proposals, a line each, and prints how each is
// answered.
import { registerHooks } from 'node:module';
import { createInterface } from 'node:readline';
import { generateSigner } from '@signet/primitives/keys';
import Fastify from 'fastify';

registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== 'openpgp') return next(specifier, context);
    throw Object.assign(new Error("Cannot find package 'openpgp'"), { code: 'ERR_MODULE_NOT_FOUND' });
  },
});
const { RekorV1Tree, rekorV1Routes } = await import('@signet/services/log');
const signer = generateSigner('PKIX_ECDSA_P256_SHA_256');
const tree = await RekorV1Tree.open({ directory: process.argv[2] ?? '', host: 'log.example', signer });
const app = Fastify();
await app.register(rekorV1Routes(tree, { workers: 0 }));
for await (const payload of createInterface({ input: process.stdin })) {
  const headers = { 'content-type': 'application/json' };
  const answer = await app.inject({ method: 'POST', url: '/api/v1/log/entries', headers, payload });
  process.stdout.write(`${JSON.stringify({ status: answer.statusCode, ...answer.json() })}\n`);
}
await app.close();
await tree.close();
