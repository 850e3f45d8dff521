import type { Answer, Operation } from '../http/openapi.ts';
import { indexedClaims } from '../search/search-keys.ts';
import { builtInEntryTypes } from '../types/index.ts';

const hex64 = { type: 'string', pattern: '^[0-9a-f]{64}$' } as const;
const base64 = { type: 'string', contentEncoding: 'base64' } as const;
const count = { type: 'integer', minimum: 0 } as const;
const uuid = { type: 'string', pattern: '^([0-9a-fA-F]{64}|[0-9a-fA-F]{80})$' } as const;
const treeId = { type: 'string', pattern: '^[0-9]+$' } as const;
const hashes = { type: 'array', items: hex64 } as const;
const checkpoint = { type: 'string', description: 'signed note over size and root, by one signature' } as const;

function object(properties: Readonly<Record<string, object>>, required = Object.keys(properties)): object {
  return { type: 'object', additionalProperties: false, properties, required };
}

const proposedEntry = {
  oneOf: builtInEntryTypes.map(({ kind, version, schema }) =>
    object({ apiVersion: { const: version }, kind: { const: kind }, spec: schema }),
  ),
};

const inclusionProof = object({
  checkpoint,
  hashes,
  logIndex: { ...count, description: 'in its own tree' },
  rootHash: hex64,
  treeSize: { ...count, minimum: 1 },
});

const logEntry = {
  type: 'object',
  propertyNames: { pattern: '^[0-9a-f]{80}$' },
  minProperties: 1,
  maxProperties: 1,
  additionalProperties: object(
    {
      attestation: object({ data: base64 }),
      body: base64,
      integratedTime: { type: 'integer', description: 'seconds since 1970' },
      logID: hex64,
      logIndex: { ...count, description: 'through all trees' },
      verification: object({ inclusionProof, signedEntryTimestamp: base64 }),
    },
    ['body', 'integratedTime', 'logID', 'logIndex', 'verification'],
  ),
};

const shard = { rootHash: hex64, signedTreeHead: checkpoint, treeID: treeId, treeSize: count };
const error = object({ code: { type: 'integer' }, message: { type: 'string' } });

const bad: Answer = { description: 'the request cannot be understood, or a signature does not verify', content: error };
const invalid: Answer = {
  description: 'the request does not match this document; the code is above 600',
  content: error,
};
const notFound: Answer = { description: 'not in this log; no body' };
const denied: Answer = { description: 'a private log, read without a read token', content: error };
const tooLarge: Answer = { description: 'larger than the limit that is named', content: error };
const tooMany: Answer = { description: 'too fast; see Retry-After', content: error };
const busy: Answer = { description: 'overloaded; see Retry-After', content: error };
const reads = { 401: denied } as const;
const json = (description: string, content: object): Answer => ({ description, content });

const list = {
  createLogEntry: {
    operationId: 'createLogEntry',
    summary: 'verify an entry and log it',
    description: 'An entry that is there already is answered as it is, with a fresh proof.',
    body: proposedEntry,
    headers: {
      type: 'object',
      properties: {
        'signet-package-url': { type: 'string', description: 'package URLs to be found by, comma-separated' },
      },
    },
    answers: {
      201: json('the entry, durable and proven; its id also as ETag, its path as Location', logEntry),
      400: bad,
      413: tooLarge,
      429: tooMany,
      501: { description: 'its keys need a package that the operator has not installed', content: error },
      503: busy,
    },
  },
  getLogEntryByIndex: {
    operationId: 'getLogEntryByIndex',
    summary: 'an entry by its index through all trees (query: logIndex)',
    answers: { 200: json('the entry', logEntry), ...reads, 404: notFound, 422: invalid },
  },
  getLogEntryByUUID: {
    operationId: 'getLogEntryByUUID',
    summary: 'an entry by its leaf hash, with or without its tree',
    params: { type: 'object', properties: { entryUUID: uuid } },
    answers: { 200: json('the entry', logEntry), ...reads, 404: notFound, 422: invalid },
  },
  searchLogQuery: {
    operationId: 'searchLogQuery',
    summary: 'up to ten entries by ids, indices or proposals',
    body: object(
      {
        entryUUIDs: { type: 'array', maxItems: 10, items: uuid },
        logIndexes: { type: 'array', maxItems: 10, items: count },
        entries: { type: 'array', maxItems: 10, items: { type: 'object' } },
      },
      [],
    ),
    answers: {
      200: json('those that are there', { type: 'array', items: logEntry }),
      400: bad,
      ...reads,
      422: invalid,
      429: tooMany,
    },
  },
  searchIndex: {
    operationId: 'searchIndex',
    summary: 'ids of entries by what they are about and who signed them',
    body: object(
      {
        email: { type: 'string' },
        subject: { type: 'string' },
        issuer: { type: 'string' },
        claims: object(Object.fromEntries(indexedClaims.map((name) => [name, { type: 'string' }])), []),
        hash: {
          type: 'string',
          description: 'SHA-1, SHA-256, SHA-384 or SHA-512, with its name before a colon or without',
        },
        purl: { type: 'string', description: 'package URL' },
        publicKey: object({ format: { enum: ['x509', 'pgp', 'minisign', 'ssh', 'tuf'] }, content: base64 }),
        operator: { enum: ['and', 'or'] },
        from: count,
        limit: { type: 'integer', minimum: 1, maximum: 10_000 },
      },
      [],
    ),
    answers: {
      200: json('ids; where there are more the header signet-next is "from" for the rest', {
        type: 'array',
        items: uuid,
      }),
      400: bad,
      ...reads,
      422: invalid,
      429: tooMany,
      503: busy,
    },
  },
  getLogInfo: {
    operationId: 'getLogInfo',
    summary: 'size, root and checkpoint of every tree',
    answers: {
      200: json(
        'the active tree, and those before it',
        object({ ...shard, inactiveShards: { type: 'array', items: object(shard) } }),
      ),
      ...reads,
    },
  },
  getLogProof: {
    operationId: 'getLogProof',
    summary: 'consistency of two sizes of a tree (query: firstSize, lastSize, treeID)',
    answers: {
      200: json('hashes, and the root of the present tree', object({ hashes, rootHash: hex64 })),
      400: bad,
      ...reads,
      422: invalid,
    },
  },
  getPublicKey: {
    operationId: 'getPublicKey',
    summary: "a tree's key (query: treeID)",
    answers: { 200: { description: 'PEM', content: 'application/x-pem-file' }, 400: bad, ...reads, 422: invalid },
  },
  ping: {
    operationId: 'ping',
    summary: 'whether the server answers',
    answers: { 200: { description: '.', content: 'text/plain' } },
  },
  describeLog: {
    operationId: 'describeLog',
    summary: 'entry types, trees, limits, and who may read',
    answers: { 200: json('the log', { type: 'object' }), ...reads },
  },
  getTypeSchema: {
    operationId: 'getTypeSchema',
    summary: 'JSON schema of what is proposed as an entry type',
    answers: { 200: json('draft 7', { type: 'object' }), ...reads, 404: notFound },
  },
  health: {
    operationId: 'health',
    summary: 'whether entries are taken',
    answers: {
      200: json('yes', object({ status: { const: 'SERVING' } })),
      503: json('no', object({ status: { const: 'NOT_SERVING' } })),
    },
  },
  metrics: {
    operationId: 'metrics',
    summary: 'numbers for Prometheus',
    answers: { 200: { description: 'text format 0.0.4', content: 'text/plain' }, ...reads },
  },
} satisfies Readonly<Record<string, Operation>>;

/** The operations of openapi.yaml by its names, and this log's own beside them. */
export const operations: Readonly<Record<keyof typeof list, Operation>> = list;
