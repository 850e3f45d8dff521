import type { Answer, Operation } from '../http/openapi.ts';
import { indexedClaims } from '../search/search-keys.ts';

const base64 = { type: 'string', contentEncoding: 'base64' } as const;
const int64 = { type: 'string', pattern: '^[0-9]+$', description: '64 bits, in decimal' } as const;
const time = { type: 'string', format: 'date-time' } as const;

function object(properties: Readonly<Record<string, object>>, required = Object.keys(properties)): object {
  return { type: 'object', additionalProperties: false, properties, required };
}

const keyDetails = {
  description: 'name or number in Sigstore’s PublicKeyDetails',
  enum: [
    ...['PKIX_ECDSA_P256_SHA_256', 'PKIX_ECDSA_P384_SHA_384', 'PKIX_ECDSA_P521_SHA_512', 'PKIX_ED25519_PH'],
    ...['PKIX_RSA_PKCS1V15_2048_SHA256', 'PKIX_RSA_PKCS1V15_3072_SHA256', 'PKIX_RSA_PKCS1V15_4096_SHA256'],
    ...[5, 8, 9, 10, 11, 12, 13],
  ],
};

/** Envelopes come whole, so that they may also be signed by what takes no digest. */
const envelopeKeyDetails = {
  ...keyDetails,
  enum: [...keyDetails.enum, 'PKIX_ED25519', 'ML_DSA_44', 'ML_DSA_65', 'ML_DSA_87', 7, 21, 22, 23],
};

function verifierOf(algorithm: object): object {
  const members = { publicKey: object({ rawBytes: base64 }), x509Certificate: object({ rawBytes: base64 }) };
  return {
    ...object({ ...members, keyDetails: algorithm }, ['keyDetails']),
    description: 'exactly one of publicKey (SubjectPublicKeyInfo) and x509Certificate, in DER',
  };
}

const verifier = verifierOf(keyDetails);

const createEntryRequest = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  maxProperties: 1,
  properties: {
    hashedRekordRequestV002: object({ digest: base64, signature: object({ content: base64, verifier }) }),
    dsseRequestV002: object({
      envelope: object({
        payload: base64,
        payloadType: { type: 'string' },
        signatures: {
          type: 'array',
          minItems: 1,
          maxItems: 16,
          items: object({ sig: base64, keyid: { type: 'string' } }, ['sig']),
        },
      }),
      verifiers: { type: 'array', minItems: 1, maxItems: 16, items: verifierOf(envelopeKeyDetails) },
    }),
  },
};

const logEntry = object({
  logIndex: int64,
  logId: object({ keyId: base64 }),
  kindVersion: object({ kind: { type: 'string' }, version: { type: 'string' } }),
  integratedTime: { const: '0', description: 'a v2 log vouches for no time' },
  inclusionPromise: { type: 'null' },
  inclusionProof: object({
    logIndex: int64,
    rootHash: base64,
    treeSize: int64,
    hashes: { type: 'array', items: base64 },
    checkpoint: object({ envelope: { type: 'string' } }),
  }),
  canonicalizedBody: base64,
});

const text = { type: 'string', minLength: 1, maxLength: 16_384 } as const;

const searchRequest = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  properties: {
    hash: {
      type: 'string',
      pattern: '^(sha(1|256|384|512):)?[0-9a-fA-F]+$',
      description: 'SHA-1, SHA-256, SHA-384 or SHA-512 of an artifact, payload or envelope',
    },
    email: text,
    subject: { ...text, description: 'any subject alternative name of a certificate' },
    issuer: { ...text, description: 'issuer of the identity' },
    publicKey: object(
      { format: { const: 'x509' }, content: { ...base64, description: 'PEM of a key or certificate' } },
      ['content'],
    ),
    claims: object(Object.fromEntries(indexedClaims.map((name) => [name, text])), []),
    purl: { ...text, description: 'package URL that the submitter has named' },
    operator: { enum: ['and', 'or'], default: 'or' },
    limit: { type: 'integer', minimum: 1, maximum: 100, default: 100 },
    from: { type: 'string', description: '`next` of the answer before' },
  },
};

const errorSchema = object({
  code: { type: 'integer', description: 'of gRPC' },
  message: { type: 'string' },
  details: { type: 'array', maxItems: 0 },
});

const error = (description: string): Answer => ({ description, content: errorSchema });

const shardDescription = object(
  {
    number: { type: 'integer', minimum: 1 },
    path: { type: 'string', description: 'base URL of the shard, relative to that of the log' },
    origin: { type: 'string' },
    publicKey: { ...base64, description: 'SubjectPublicKeyInfo in DER' },
    keyId: base64,
    treeSize: int64,
    openedAt: time,
    frozenAt: time,
  },
  ['number', 'path', 'origin', 'publicKey', 'keyId', 'treeSize', 'openedAt'],
);

const shardParameter = { type: 'object', properties: { shard: { type: 'integer', minimum: 2 } } };
const reading = {
  401: error('the log is private and the request has none of its read tokens'),
  404: error('not there'),
};

/** The operations of the log's own API, as its OpenAPI document has them. */
export const operations = define({
  createEntry: {
    operationId: 'createEntry',
    summary: 'logs an entry; one that is there already is answered with a fresh proof',
    headers: {
      type: 'object',
      properties: {
        'signet-package-url': {
          type: 'string',
          description: 'ours: package URLs that the entry is to be found by, separated by commas; anybody can name any',
        },
      },
    },
    params: shardParameter,
    body: createEntryRequest,
    answers: {
      201: { description: 'durable and proven', content: logEntry },
      400: error('the request is malformed or the signature does not verify'),
      405: error(
        'the shard is frozen; the message and the header Link (rel="latest-version") name the one that takes entries',
      ),
      413: error('the request, or the entry that it would become, is too large'),
      429: error('too many, see Retry-After'),
      503: error('overloaded; the message has the length of the queue, see Retry-After'),
    },
  },
  search: {
    operationId: 'search',
    summary: 'finds entries of all shards; complete for everything acknowledged before',
    body: searchRequest,
    answers: {
      200: {
        description: 'a part of the entries that match, in their order',
        content: object({
          format: { const: 1 },
          entries: { type: 'array', items: logEntry },
          next: { type: ['string', 'null'], description: '`from` of the query for the rest' },
        }),
      },
      400: error('the query is malformed'),
      401: reading[401],
      429: error('too many, see Retry-After'),
      503: error('the index cannot be used'),
    },
  },
  describeLog: {
    operationId: 'describeLog',
    summary: 'the shards, their keys and sizes, who may read, and the limits',
    answers: {
      200: {
        description: 'the log',
        content: object({
          format: { const: 1 },
          readers: { enum: ['public', 'token'] },
          shards: { type: 'array', minItems: 1, items: shardDescription },
          limits: object(
            {
              entryBytes: { type: 'integer' },
              requestBytes: { type: 'integer' },
              rates: { type: 'object', description: 'per second and at once, by address, issuer, identity and search' },
            },
            ['entryBytes', 'requestBytes'],
          ),
        }),
      },
      401: reading[401],
    },
  },
  getEntry: {
    operationId: 'getEntry',
    summary: 'an entry with its proof in the present tree',
    params: shardParameter,
    answers: { 200: { description: 'the entry', content: logEntry }, ...reading },
  },
  getProof: {
    operationId: 'getProof',
    summary: 'a proof that is verified offline (c2sp.org/tlog-proof)',
    params: shardParameter,
    answers: { 200: { description: 'the proof', content: 'text/plain' }, ...reading },
  },
  getConsistency: {
    operationId: 'getConsistency',
    summary: 'the proof that a tree of one size extends one of another (RFC 6962 §2.1.2)',
    params: shardParameter,
    answers: {
      200: {
        description: 'the proof',
        content: object({
          oldSize: int64,
          newSize: int64,
          oldRootHash: base64,
          newRootHash: base64,
          hashes: { type: 'array', items: base64 },
        }),
      },
      ...reading,
    },
  },
  health: {
    operationId: 'health',
    summary: 'whether entries are taken',
    answers: {
      200: { description: 'yes', content: object({ status: { const: 'SERVING' } }) },
      503: { description: 'no', content: object({ status: { const: 'NOT_SERVING' } }) },
    },
  },
  metrics: {
    operationId: 'metrics',
    summary: 'numbers for Prometheus',
    answers: { 200: { description: 'text format 0.0.4', content: 'text/plain' }, 401: reading[401] },
  },
  checkpoint: {
    operationId: 'checkpoint',
    summary: 'the latest signed checkpoint (c2sp.org/tlog-checkpoint)',
    params: shardParameter,
    answers: { 200: { description: 'a signed note', content: 'text/plain' }, 401: reading[401] },
  },
  tile: {
    operationId: 'tile',
    summary: 'a tile, or an entry bundle below entries/ (c2sp.org/tlog-tiles)',
    params: shardParameter,
    answers: { 200: { description: 'bytes that never change', content: 'application/octet-stream' }, ...reading },
  },
});

function define<Name extends string>(all: Readonly<Record<Name, Operation>>): Readonly<Record<Name, Operation>> {
  return all;
}
