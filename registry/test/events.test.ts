import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { InstanceEvent } from '../src/index.ts';
import { TestRegistry } from './support/registry.ts';

describe('what an instance reports to its operator', () => {
  const events: InstanceEvent[] = [];
  let registry: TestRegistry;

  before(async () => {
    registry = await TestRegistry.start({ onEvent: (event) => events.push(event), requests: true });
  });

  after(() => registry.remove());

  beforeEach(() => {
    events.length = 0;
  });

  const of = <Kind extends InstanceEvent['kind']>(kind: Kind) =>
    events.filter((event): event is Extract<InstanceEvent, { readonly kind: Kind }> => event.kind === kind);

  /** An answer is there before its request is reported. */
  async function reported(count: number): Promise<void> {
    while (of('request').length < count) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  it('is each decision about a publish, once', async () => {
    await registry.put(await registry.parcel('@example/told'));
    const refused = await registry.put(await registry.parcel('@example/silent', '1.0.0', { bundle: undefined }));
    assert.equal(refused.status, 403);
    const [accepted, denied, ...more] = of('decision').filter(({ package: name }) => name !== undefined);
    assert.deepEqual(more, []);
    assert.equal(accepted?.decision, 'accepted');
    assert.equal(accepted.package, '@example/told');
    assert.match(accepted.evidence?.join() ?? '', /^alice@example\.com .* index \d+/);
    assert.deepEqual(
      [denied?.decision, denied?.package, denied?.user, denied?.status, denied?.code],
      ['refused', '@example/silent', 'alice', 403, 'ERR_EVIDENCE_MISSING'],
    );
    assert.deepEqual(of('registry'), [], 'and no warning of the same');
  });

  it('is each request, without its query and without the tokens in it', async () => {
    await registry.fetch('/-/ping?code=secret');
    await registry.fetch('/-/user/token/secret', { method: 'DELETE' });
    await registry.fetch('/-/npm/v1/tokens/token/secret', { method: 'DELETE' });
    await reported(3);
    assert.deepEqual(
      of('request').map(({ method, path, status }) => `${method} ${path} ${status}`),
      ['GET /-/ping 200', 'DELETE /-/user/token/… 200', 'DELETE /-/npm/v1/tokens/… 401'],
    );
  });

  it('is a request that went away before its answer, without a status', async () => {
    const { hostname, port } = new URL(registry.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(
      'PUT /@example%2fcut HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
    );
    setTimeout(() => socket.destroy(), 200);
    await reported(1);
    assert.deepEqual(
      of('request').map(({ method, path, status }) => [method, path, status]),
      [['PUT', '/@example%2fcut', undefined]],
    );
  });

  it('is what Verdaccio warns of', async () => {
    const uplink = createServer();
    uplink.listen(0, '127.0.0.1');
    await once(uplink, 'listening');
    const { port } = uplink.address() as AddressInfo;
    uplink.close();
    const cutOff = await TestRegistry.start({
      onEvent: (event) => events.push(event),
      uplink: { url: `http://127.0.0.1:${port}` },
    });
    try {
      const isWarned = () => of('registry').some(({ message }) => message === `host 127.0.0.1:${port} is now offline`);
      while (!isWarned()) await cutOff.fetch('/left-pad');
    } finally {
      await cutOff.remove();
    }
  });

  it('is not that passwords take their time', async () => {
    await registry.npmToken('bob');
    await registry.fetch('/-/whoami', { headers: { authorization: `Bearer ${await registry.npmToken('bob')}` } });
    assert.deepEqual(of('registry'), []);
  });
});
