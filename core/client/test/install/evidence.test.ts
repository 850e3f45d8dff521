import assert from 'node:assert/strict';
import { fetchAttestations, fetchEvidenceBatch, fetchIntegrity } from '@signet/client/install';
import { sha512Integrity } from '@signet/client/npm';
import { utf8 } from '@signet/primitives/formats';
import { LoopbackRegistry } from './loopback-registry.ts';

describe('the answers of a registry', () => {
  let registry: LoopbackRegistry;
  beforeEach(async () => {
    registry = await LoopbackRegistry.start();
  });
  afterEach(() => registry.close());

  const at = () => ({ url: registry.url, headers: {} });
  const ask = (name: string) => fetchAttestations(name, '1.0.0', at());

  it('are read alike whatever another answer said before', async () => {
    // V8 has taken a key with an escape for one that it had parsed before.
    registry.attestations('first', '1.0.0', '{"attestation\\\\":[],"integrit\\\\":""}');
    registry.attestations('second', '1.0.0', '{"attestation\\u0073":[]}');
    await ask('first');
    assert.deepEqual(await ask('second'), { attestations: [] });

    const integrity = sha512Integrity(utf8('a'));
    registry.on('/first/1.0.0', '{"name":"first","version":"1.0.0","dist":{"integrit\\\\":"x"}}');
    registry.on(
      '/second/1.0.0',
      `{"name":"second","version":"1.0.0","dist":{"integrit\\u0079":${JSON.stringify(integrity)}}}`,
    );
    await assert.rejects(fetchIntegrity('first', '1.0.0', at()), { code: 'ERR_REGISTRY_RESPONSE' });
    assert.equal(await fetchIntegrity('second', '1.0.0', at()), integrity);
  });

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
