import type { FastifyInstance, RouteOptions } from 'fastify';

/** What the document says about one operation; it stands in a route's `config.operation`. */
export interface Operation {
  readonly summary: string;
  /** Media type and meaning of each answer, by status. */
  readonly answers: Readonly<Record<string, { readonly type: string; readonly description: string }>>;
  /** Media types of a body that is not described by the route's own JSON schema. */
  readonly bodyTypes?: readonly string[];
}

const methods = new Set(['GET', 'POST']);

/**
 * Serves an OpenAPI 3.1 document of the routes that are added after it, at `openapi.json`. Bodies are described by the very
 * schemas that validate them, so the two cannot differ.
 */
export function serveOpenApi(
  app: FastifyInstance,
  info: { readonly title: string; readonly description: string },
): void {
  const paths: Record<string, Record<string, object>> = {};
  app.addHook('onRoute', (route: RouteOptions & { prefix: string }) => {
    const { method, url, prefix, config } = route;
    const operation = (config as { operation?: Operation } | undefined)?.operation;
    if (operation === undefined) return;
    const path = url.slice(prefix.length).replace(/\*$/, '{path}');
    for (const one of [method].flat().filter((name) => methods.has(name))) {
      paths[path] = { ...paths[path], [one.toLowerCase()]: describe(operation, path, route.schema?.body) };
    }
  });
  app.get('/openapi.json', async (_request, reply) => {
    reply.header('cache-control', 'no-cache').header('access-control-allow-origin', '*');
    return { openapi: '3.1.0', info: { ...info, version: '1' }, paths };
  });
}

function describe({ summary, answers, bodyTypes }: Operation, path: string, schema: unknown): object {
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const content =
    schema === undefined
      ? Object.fromEntries((bodyTypes ?? []).map((type) => [type, {}]))
      : { 'application/json': { schema: withoutDefinitions(schema) } };
  const responses = Object.entries(answers).map(([status, { type, description }]) => [
    status,
    { description, content: { [type]: {} } },
  ]);
  return {
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(Object.keys(content).length === 0 ? {} : { requestBody: { required: true, content } }),
    responses: Object.fromEntries(responses),
  };
}

/** A reference into `definitions` would point elsewhere inside the document, so what it names is put in its place. */
function withoutDefinitions(
  schema: unknown,
  definitions: Readonly<Record<string, unknown>> = definitionsOf(schema),
): unknown {
  if (Array.isArray(schema)) return schema.map((element) => withoutDefinitions(element, definitions));
  if (typeof schema !== 'object' || schema === null) return schema;
  const reference = '$ref' in schema ? schema.$ref : undefined;
  if (typeof reference === 'string') {
    return withoutDefinitions(definitions[reference.replace('#/definitions/', '')], definitions);
  }
  const entries = Object.entries(schema).filter(([key]) => key !== 'definitions');
  return Object.fromEntries(entries.map(([key, value]) => [key, withoutDefinitions(value, definitions)]));
}

function definitionsOf(schema: unknown): Readonly<Record<string, unknown>> {
  const definitions = (schema as { definitions?: Readonly<Record<string, unknown>> } | null)?.definitions;
  return definitions ?? {};
}
