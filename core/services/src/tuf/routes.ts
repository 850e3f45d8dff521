import type { FastifyPluginAsync } from 'fastify';
import { type Operation, serveOpenApi } from '../http/index.ts';
import type { TufRepository } from './repository.ts';

/**
 * A TUF repository below its base URL, as any web server would serve its files, with `healthz` and `metrics` beside them. What
 * is named by hash or version never changes; the timestamp is always asked for anew.
 */
export function tufRoutes(repository: TufRepository, clock: () => Date = () => new Date()): FastifyPluginAsync {
  return async (app) => {
    app.setNotFoundHandler((_request, reply) => {
      reply.code(404).send({ code: 404, message: 'Not Found' });
    });
    app.addHook('onRequest', async (_request, reply) => {
      reply.header('access-control-allow-origin', '*');
    });
    serveOpenApi(app, { title: 'Trust root', description: 'A TUF repository with consistent snapshots.' });
    app.get(
      '/healthz',
      { config: get('Whether clients accept the trust root', 'application/json') },
      async (_request, reply) => {
        const roles = Object.fromEntries(
          repository.status.map(({ role, version, expires }) => [role, { version, expires: expires.toISOString() }]),
        );
        const status = repository.isServing ? 'SERVING' : 'NOT_SERVING';
        return reply.code(repository.isServing ? 200 : 503).send({ status, roles });
      },
    );
    app.get(
      '/metrics',
      { config: get('Versions and expiry for Prometheus', 'text/plain') },
      async (_request, reply) => {
        const now = clock().getTime();
        const lines = [
          '# TYPE signet_tuf_version gauge',
          ...repository.status.map(({ role, version }) => `signet_tuf_version{role="${role}"} ${version}`),
          '# TYPE signet_tuf_expires_seconds gauge',
          ...repository.status.map(
            ({ role, expires }) => `signet_tuf_expires_seconds{role="${role}"} ${expires.getTime() / 1000}`,
          ),
          '# TYPE signet_tuf_days_to_expiry gauge',
          ...repository.status.map(
            ({ role, expires }) =>
              `signet_tuf_days_to_expiry{role="${role}"} ${(expires.getTime() - now) / 86_400_000}`,
          ),
        ];
        return reply.type('text/plain; version=0.0.4').send(`${lines.join('\n')}\n`);
      },
    );
    const file = get('A metadata file or a target', 'application/json');
    app.get<{ Params: { '*': string } }>('/*', { config: file }, async (request, reply) => {
      // @sigstore/tuf joins a mirror that ends in a slash to `//targets/…`.
      const path = request.params['*'].replace(/\/{2,}/g, '/').replace(/^\//, '');
      const bytes = repository.read(path);
      if (bytes === undefined) return reply.callNotFound();
      const immutable = path !== 'timestamp.json' && path !== 'root.json';
      return reply
        .header('cache-control', immutable ? 'public, max-age=31536000, immutable' : 'no-cache')
        .type(path.endsWith('.json') ? 'application/json' : 'application/octet-stream')
        .send(Buffer.from(bytes));
    });
  };
}

function get(summary: string, type: string): { operation: Operation } {
  return { operation: { summary, answers: { '200': { type, description: summary } } } };
}
