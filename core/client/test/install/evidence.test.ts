import assert from 'node:assert/strict';
import { fetchAttestations, fetchEvidenceBatch } from '@signet/client/install';
import { LoopbackRegistry } from './loopback-registry.ts';

describe('the answers of a registry', () => {
  let registry: LoopbackRegistry;
  beforeEach(async () => {
    registry = await LoopbackRegistry.start();
  });
  afterEach(() => registry.close());

  const at = () => ({ url: registry.url, headers: {} });
  const ask = (name: string) => fetchAttestations(name, '1.0.0', at());

  it('are refused when they say one thing twice, and then a batch counts for nothing', async () => {
    registry.attestations('twice', '1.0.0', '{"attestations":[],"attestations":[{}]}');
    await assert.rejects(ask('twice'), { code: 'ERR_REGISTRY_RESPONSE' });
    const purls = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => ({ name, version: '1.0.0' }));
    const batch = (rest: string) => {
      registry.on(
        '/-/signet/v1/attestations:batch',
        purls.map(({ name }) => `{"purl":"pkg:npm/${name}@1.0.0","attestations":[{}]${rest}}`).join('\n'),
      );
      return fetchEvidenceBatch(purls, at, {});
    };
    assert.equal((await batch('')).size, purls.length);
    assert.equal((await batch(',"purl":"pkg:npm/a@1.0.0"')).size, 0);
  });
});
