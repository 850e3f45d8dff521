import type { FastifyInstance, FastifySchema, RouteOptions } from 'fastify';

/** What the document says about an operation beyond its schemas. */
export interface Operation extends FastifySchema {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  /** Bodies by status, as in `response` of a JSON schema; text and bytes by their type alone. */
  readonly answers: Readonly<Record<string, Answer>>;
}

export interface Answer {
  readonly description: string;
  /** JSON schema of the answer, or the media type of what is not JSON. */
  readonly content?: object | string;
}

type Document = Readonly<Record<string, unknown>>;

const methods = new Set(['GET', 'POST']);

/**
 * Collects the operations of the routes that are added after it and serves them as an OpenAPI 3.1 document.
 *
 * Requests are not validated by these schemas: the readers of requests are stricter (JSON.parse hides a repeated key) and say
 * more. That both agree is tested.
 */
export function serveOpenApi(app: FastifyInstance, prefix: string, info: { title: string; description: string }): void {
  const paths: Record<string, Record<string, unknown>> = {};
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.addHook('onRoute', ({ method, url, schema, prefix: mounted }: RouteOptions & { prefix: string }) => {
    const operation = schema as Operation | undefined;
    if (operation?.operationId === undefined) return;
    const path = url
      .slice(mounted.length)
      .replace(/:(\w+)(?:\([^)]*\))?/g, '{$1}')
      .replace(/\*$/, '{path}');
    for (const one of [method].flat().filter((name) => methods.has(name))) {
      paths[path] = { ...paths[path], [one.toLowerCase()]: describe(operation, path) };
    }
  });
  app.get(`${prefix}/openapi.json`, { logLevel: 'warn' }, async (_request, reply) => {
    reply.header('cache-control', 'no-cache').header('access-control-allow-origin', '*');
    const document: Document = { openapi: '3.1.0', info: { ...info, version: '1' }, paths };
    return document;
  });
}

function describe(operation: Operation, path: string): object {
  const { operationId, summary, description, answers, body, params, headers } = operation;
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  const parameters: object[] = names.map((name = '') => ({
    name,
    in: 'path',
    required: true,
    schema: propertiesOf(params)[name] ?? { type: 'string' },
  }));
  for (const [name, schema] of Object.entries(propertiesOf(headers))) parameters.push({ name, in: 'header', schema });
  const responses = Object.entries(answers).map(([status, answer]) => [status, response(answer)]);
  return {
    operationId: `${operationId}${path.startsWith('/{shard}') ? 'OfShard' : ''}`,
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: Object.fromEntries(responses),
  };
}

function propertiesOf(schema: unknown): Readonly<Record<string, object>> {
  return (schema as { properties?: Record<string, object> } | undefined)?.properties ?? {};
}

function response({ description, content }: Answer): object {
  if (content === undefined) return { description };
  const [type, schema] = typeof content === 'string' ? [content, { type: 'string' }] : ['application/json', content];
  return { description, content: { [type]: { schema } } };
}
