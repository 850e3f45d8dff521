import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { generateSigner } from '@signet/primitives/keys';
import { askTime, createTimestampChain, TimestampAuthority, TimeWatch } from '@signet/services/tsa';

/** An NTP server whose clock is off, on a port of the system's choice. */
async function timeServer(
  behave: { readonly ahead?: number; readonly bend?: (answer: Buffer) => Buffer | undefined } = {},
): Promise<{ readonly address: string; readonly questions: Buffer[]; readonly socket: Socket }> {
  const socket = createSocket('udp4');
  const questions: Buffer[] = [];
  socket.on('message', (question, from) => {
    questions.push(question);
    const answer = Buffer.alloc(48);
    // No leap, version 4, mode server; stratum 2.
    answer.set([0x24, 2]);
    question.copy(answer, 24, 40, 48);
    const seconds = (Date.now() + (behave.ahead ?? 0)) / 1000 + 2_208_988_800;
    for (const at of [32, 40]) {
      answer.writeUInt32BE(Math.floor(seconds) % 2 ** 32, at);
      answer.writeUInt32BE(Math.floor((seconds % 1) * 2 ** 32), at + 4);
    }
    const sent = behave.bend === undefined ? answer : behave.bend(answer);
    if (sent !== undefined) socket.send(sent, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { address: `127.0.0.1:${socket.address().port}`, questions, socket };
}

describe('time servers', () => {
  const sockets: Socket[] = [];
  const serve = async (...args: Parameters<typeof timeServer>) => {
    const server = await timeServer(...args);
    sockets.push(server.socket);
    return server;
  };

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.close();
  });

  it('say how far the clock is off, and are told nothing', async () => {
    for (const ahead of [0, 5000, -90_000]) {
      const { address, questions } = await serve({ ahead });
      const { offset, delay } = await askTime(address);
      // Exact to half of the way, as the protocol promises.
      assert.ok(Math.abs(offset - ahead) <= delay / 2 + 2, `${offset} is not ${ahead}, way ${delay}`);
      const [question] = questions;
      assert.equal(question?.[0], 0x23);
      assert.ok(question.subarray(1, 40).every((byte) => byte === 0));
    }
  });

  it('of the era that begins in 2036 are understood', async () => {
    const { address } = await serve({ ahead: Date.UTC(2040, 0, 1) - Date.now() });
    const { offset } = await askTime(address);
    assert.equal(new Date(Date.now() + offset).getUTCFullYear(), 2040);
  });

  const refusals: [string, (answer: Buffer) => Buffer | undefined, RegExp][] = [
    ['do not answer', () => undefined, /did not answer within/],
    ['answer another question', (answer) => answer.fill(1, 24, 32), /did not answer within/],
    ['answer too little', (answer) => answer.subarray(0, 47), /did not answer within/],
    ['are not synchronized', (answer) => answer.fill(0xe4, 0, 1), /has no time itself/],
    ['want to be left alone', (answer) => answer.fill(0, 1, 2), /has no time itself/],
    ['are clients themselves', (answer) => answer.fill(0x23, 0, 1), /has no time itself/],
  ];
  for (const [what, bend, message] of refusals) {
    it(`that ${what} are not believed`, async () => {
      const { address } = await serve({ bend });
      await assert.rejects(askTime(address, { timeoutMilliseconds: 200 }), { code: 'ERR_CLOCK', message });
    });
  }

  it('are named by host and port', async () => {
    for (const server of ['', 'a b', 'ntp.example:0', 'ntp.example:99999', 'ntp://x', '[::1', 'x:y']) {
      assert.throws(() => new TimeWatch({ servers: [server], maxDriftMilliseconds: 1 }), { code: 'ERR_CLOCK' }, server);
    }
    new TimeWatch({ servers: ['ntp.example', '192.0.2.1:123', '[2001:db8::1]:123'], maxDriftMilliseconds: 1 });
  });

  it('stop the authority while most of them say that the clock is off, and not by their silence', async () => {
    const signer = generateSigner();
    const rootSigner = generateSigner('PKIX_ECDSA_P384_SHA_384');
    const { root, leaf } = await createTimestampChain({ name: 'time', rootSigner, signer });
    let offsets: (number | undefined)[] = [0, 0, 9000];
    const servers = offsets.map((_, index) => `ntp${index}.example`);
    const ask = async (server: string) => {
      const offset = offsets[servers.indexOf(server)];
      if (offset === undefined) throw new Error('silence');
      return { offset, delay: 10 };
    };
    const timeWatch = new TimeWatch({ servers, maxDriftMilliseconds: 1000, ask });
    const authority = new TimestampAuthority({ signer, chain: [leaf, root], timeWatch });
    const stamp = () =>
      authority.stamp({
        messageImprint: { algorithm: 'sha256', digest: new Uint8Array(32) },
        certificateRequested: false,
        hasExtensions: false,
      });
    await timeWatch.look();
    await stamp();
    offsets = [9000, 0, -9000];
    await timeWatch.look();
    assert.equal(authority.isServing, false);
    await assert.rejects(stamp(), { code: 'ERR_TIMESTAMP_REFUSED', failure: 'timeNotAvailable' });
    offsets = [undefined, undefined, undefined];
    await timeWatch.look();
    assert.equal(authority.isServing, false);
    offsets = [undefined, 20, 30];
    await timeWatch.look();
    assert.equal(authority.driftMilliseconds, 15);
    await stamp();
    // A tie does not stop it, and an inexact answer counts for what it can prove.
    offsets = [9000, 0, undefined];
    await timeWatch.look();
    assert.equal(authority.isServing, true);
  });
});
