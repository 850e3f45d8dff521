import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { batchKey, fetchEvidenceBatch } from '@signet/client/install';
import { LoopbackRegistry } from './loopback-registry.ts';

const endpoint = '/-/signet/v1/attestations:batch';
const wanted = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ name: `@a/p${index}`, version: '1.0.0' }));

describe('asking for the evidence of many versions', () => {
  let registry: LoopbackRegistry;
  beforeEach(async () => {
    registry = await LoopbackRegistry.start();
  });
  afterEach(() => registry.close());

  const fetchBatch = (count: number) =>
    fetchEvidenceBatch(wanted(count), () => ({ url: registry.url, headers: { authorization: 'Bearer t' } }), {
      timeout: 2000,
    });

  /** Answers each package of a request with the line that a test makes of it. */
  function serve(line: (purl: string, index: number) => string): number[] {
    const sizes: number[] = [];
    registry.on(endpoint, (request, response) => {
      void bodyOf(request).then(({ packages }) => {
        sizes.push(packages.length);
        const lines = packages.map((one, index) => line(batchKey(one), index));
        response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(lines.join('\n'));
      });
    });
    return sizes;
  }

  it('takes few requests, each of a bounded size, with the credentials of the registry', async () => {
    const sizes = serve((purl) => JSON.stringify({ purl, integrity: 'sha512-x', attestations: [{ bundle: purl }] }));
    const answers = await fetchBatch(150);
    assert.equal(answers.size, 150);
    assert.deepEqual(
      sizes.sort((a, b) => a - b),
      [22, 64, 64],
    );
    assert.deepEqual(answers.get('pkg:npm/%40a/p7@1.0.0'), { attestations: [{ bundle: 'pkg:npm/%40a/p7@1.0.0' }] });
    assert.ok(registry.requests.every(({ authorization }) => authorization === 'Bearer t'));
  });

  it('is not done for a few', async () => {
    assert.equal((await fetchBatch(7)).size, 0);
    assert.equal(registry.requests.length, 0);
  });

  it('asks a registry that has no such endpoint once', async () => {
    assert.equal((await fetchBatch(300)).size, 0);
    assert.equal(registry.requests.length, 1);
  });

  it('takes an empty list for none, and leaves open what was not answered or could not be read', async () => {
    serve((purl, index) => {
      if (index === 0) return JSON.stringify({ purl, integrity: null, attestations: [] });
      if (index === 1) return JSON.stringify({ purl, integrity: null, error: 'cannot be read' });
      if (index === 2) return JSON.stringify({ purl: 'pkg:npm/other@1.0.0', attestations: [{ bundle: 1 }] });
      return '';
    });
    assert.deepEqual([...(await fetchBatch(10))], [['pkg:npm/%40a/p0@1.0.0', null]]);
  });

  const nonsense: Record<string, string> = {
    'a page': '<html>',
    'a list': '[]',
    'half a line': '{"purl":"pkg:npm/%40a/p0@1.0.0","attesta',
  };
  for (const [what, line] of Object.entries(nonsense)) {
    it(`takes nothing from ${what}`, async () => {
      serve((_purl, index) => (index === 0 ? line : ''));
      assert.equal((await fetchBatch(10)).size, 0);
    });
  }

  it('does not wait for a registry that never answers longer than it may', async () => {
    registry.on(endpoint, () => undefined);
    const answers = await fetchEvidenceBatch(wanted(10), () => ({ url: registry.url, headers: {} }), { timeout: 50 });
    assert.equal(answers.size, 0);
  });
});

async function bodyOf(request: IncomingMessage): Promise<{ packages: { name: string; version: string }[] }> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return JSON.parse(Buffer.concat(parts).toString('utf8'));
}
