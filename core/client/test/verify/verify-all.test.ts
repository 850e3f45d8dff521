import assert from 'node:assert/strict';
import {
  decidedByPolicy,
  type VerificationRequest,
  type VerificationResult,
  verifyAll,
  verifyBundle,
} from '@signet/client/verify';
import { parseBundle, SignetError } from '@signet/primitives/formats';
import { artifact, identities, Lab } from './lab.ts';

async function collect(results: AsyncIterable<VerificationResult>): Promise<VerificationResult[]> {
  const all: VerificationResult[] = [];
  for await (const result of results) all.push(result);
  return all;
}

describe('verifyAll', () => {
  let lab: Lab;
  let message: Record<string, unknown>;
  let envelope: Record<string, unknown>;

  before(async () => {
    lab = await Lab.create();
    message = (await lab.bundle({})).json;
    envelope = (await lab.bundle({ content: 'dsse', entry: 'dsse 0.0.1' })).json;
  });

  it('gives in threads what verifyBundle gives, in the order of the requests', async () => {
    const trust = lab.trust({ name: 'lab' });
    const bundles: unknown[] = [
      message,
      JSON.stringify(envelope),
      Buffer.from(JSON.stringify(message)),
      parseBundle(envelope),
    ];
    const many = Array.from({ length: 60 }, (_, index) => bundles[index % bundles.length]);
    const results = await collect(
      verifyAll(
        many.map((bundle) => ({ bundle })),
        { trust, identities, artifact, threads: 3 },
      ),
    );
    assert.equal(results.length, many.length);
    for (const [index, result] of results.entries()) {
      assert.ok(result.ok);
      const { verified } = result;
      const expected = verifyBundle(many[index], { trust, identities, artifact });
      const [ours, theirs] = [verified, expected].map(({ signer, statement, ...rest }) => {
        assert.ok(signer.kind === 'certificate');
        const { certificate, ...who } = signer;
        return { who, certificate: Buffer.from(certificate.bytes).toString('hex'), statement, rest };
      });
      assert.deepEqual(ours, theirs);
    }
  });

  it('gives refusals as values, with code, expected and found', async () => {
    const requests: VerificationRequest[] = [
      { bundle: message },
      { bundle: message, identities: [{ issuer: 'https://other.example', subject: 'x' }] },
      { bundle: '{' },
      { bundle: { ...message, toJSON: () => message } },
      { bundle: Object.defineProperty({}, 'x', { get: () => assert.fail('a getter'), enumerable: true }) },
      { bundle: message, artifact: new Uint8Array([1]) },
      { bundle: message, identities: decidedByPolicy },
    ];
    const results = await collect(verifyAll(requests, { trust: lab.trust(), identities, artifact, threads: 2 }));
    const codes = results.map((result) => (result.ok ? 'ok' : result.error.code));
    const mismatch = results[1];
    assert.deepEqual(codes, [
      'ok',
      'ERR_IDENTITY_MISMATCH',
      'ERR_JSON',
      'ERR_BUNDLE_FORMAT',
      'ERR_BUNDLE_FORMAT',
      'ERR_ARTIFACT_MISMATCH',
      'ok',
    ]);
    assert.ok(mismatch?.ok === false && mismatch.error instanceof SignetError);
    assert.match(mismatch.error.expected ?? '', /other\.example/);
    assert.match(mismatch.error.found ?? '', /issuer\.example/);
  });

  it('takes keys in every form', async () => {
    const { json, signer } = await lab.bundle({ managedKey: true });
    const { publicKey } = signer;
    const forms = [publicKey, publicKey.spki];
    const requests = forms.map((form): VerificationRequest => ({ bundle: json, key: { publicKey: form } }));
    const results = await collect(verifyAll(requests, { trust: lab.trust(), artifact, threads: 1 }));
    for (const result of results) assert.ok(result.ok && result.verified.signer.kind === 'key');
  });

  it('takes no more requests than a few for each thread, and stops them where the caller stops', async () => {
    let taken = 0;
    let isReturned = false;
    function* endless(): Generator<VerificationRequest> {
      try {
        for (;;) {
          taken++;
          yield { bundle: message };
        }
      } finally {
        isReturned = true;
      }
    }
    let received = 0;
    for await (const result of verifyAll(endless(), { trust: lab.trust(), identities, artifact, threads: 2 })) {
      assert.ok(result.ok);
      received++;
      assert.ok(taken - received <= 2 * 32 + 1, `${taken} taken, ${received} received`);
      if (received === 40) break;
    }
    assert.equal(received, 40);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(isReturned);
  });

  it('gives what was verified before its source failed, and then the failure', async () => {
    async function* failing(): AsyncGenerator<VerificationRequest> {
      yield { bundle: message };
      await new Promise((resolve) => setImmediate(resolve));
      yield { bundle: message };
      throw new Error('the source failed');
    }
    const received: boolean[] = [];
    await assert.rejects(async () => {
      for await (const { ok } of verifyAll(failing(), { trust: lab.trust(), identities, artifact, threads: 1 })) {
        received.push(ok);
      }
    }, /the source failed/);
    assert.deepEqual(received, [true, true]);
  });

  it('needs nothing to do, and a number of threads', async () => {
    assert.deepEqual(await collect(verifyAll([], { trust: lab.trust() })), []);
    await assert.rejects(collect(verifyAll([], { trust: lab.trust(), threads: 0 })), RangeError);
  });
});
