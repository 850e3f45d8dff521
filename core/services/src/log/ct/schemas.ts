import type { Answer, Operation } from '../http/openapi.ts';

const base64 = { type: 'string', contentEncoding: 'base64' } as const;
const count = { type: 'integer', minimum: 0 } as const;

function object(properties: Readonly<Record<string, object>>): object {
  return { type: 'object', additionalProperties: false, properties, required: Object.keys(properties) };
}

const error = (description: string): Answer => ({
  description,
  content: object({ code: { type: 'integer' }, message: { type: 'string' }, details: { type: 'array', maxItems: 0 } }),
});

const chain = object({ chain: { type: 'array', maxItems: 100, items: base64 } });

const promise: Operation['answers'] = {
  200: {
    description: 'a signed certificate timestamp; the entry is in the log already',
    content: object({ sct_version: { const: 0 }, id: base64, timestamp: count, extensions: base64, signature: base64 }),
  },
  400: error('the chain is malformed or does not lead to an accepted root'),
  413: error('the request is too large'),
  503: error('overloaded, see Retry-After'),
};

function define<Name extends string>(all: Readonly<Record<Name, Operation>>): Readonly<Record<Name, Operation>> {
  return all;
}

/** The operations of a certificate log, as its OpenAPI document has them. */
export const operations = define({
  addChain: { operationId: 'addChain', summary: 'logs a certificate (RFC 6962 §4.1)', body: chain, answers: promise },
  addPreChain: {
    operationId: 'addPreChain',
    summary: 'logs a precertificate (RFC 6962 §4.2)',
    body: chain,
    answers: promise,
  },
  getSth: {
    operationId: 'getSth',
    summary: 'the signed tree head (RFC 6962 §4.3)',
    answers: {
      200: {
        description: 'the tree head',
        content: object({ tree_size: count, timestamp: count, sha256_root_hash: base64, tree_head_signature: base64 }),
      },
    },
  },
  getRoots: {
    operationId: 'getRoots',
    summary: 'the roots that chains must lead to (RFC 6962 §4.7)',
    answers: {
      200: { description: 'DER', content: object({ certificates: { type: 'array', items: base64 } }) },
    },
  },
  getIssuer: {
    operationId: 'getIssuer',
    summary: 'an issuing certificate by its fingerprint (c2sp.org/static-ct-api)',
    answers: { 200: { description: 'DER', content: 'application/pkix-cert' }, 404: error('no entry names it') },
  },
  checkpoint: {
    operationId: 'checkpoint',
    summary: 'the latest checkpoint (c2sp.org/static-ct-api)',
    answers: { 200: { description: 'a signed note', content: 'text/plain' } },
  },
  tile: {
    operationId: 'tile',
    summary: 'a tile, or a data tile below data/',
    answers: { 200: { description: 'bytes', content: 'application/octet-stream' }, 404: error('not there (yet)') },
  },
  health: {
    operationId: 'health',
    summary: 'whether certificates are taken',
    answers: {
      200: { description: 'yes', content: object({ status: { const: 'SERVING' } }) },
      503: { description: 'no', content: object({ status: { const: 'NOT_SERVING' } }) },
    },
  },
  metrics: {
    operationId: 'metrics',
    summary: 'numbers for Prometheus',
    answers: { 200: { description: 'text format 0.0.4', content: 'text/plain' } },
  },
});
