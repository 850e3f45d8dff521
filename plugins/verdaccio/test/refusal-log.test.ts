import assert from 'node:assert/strict';
import { RefusalLog } from '../src/refusal-log.ts';
import type { Request } from '../src/verdaccio-host.ts';

type Line = Readonly<Record<string, unknown>>;

describe('refusals in the log', () => {
  let lines: Line[];
  let log: RefusalLog;

  beforeEach(() => {
    lines = [];
    const write = (fields: object) => lines.push({ ...fields });
    log = new RefusalLog({ info: write, warn: write, error: write }, () => false);
  });

  const from = (address: string) => ({ headers: {}, socket: { remoteAddress: address } }) as Request;
  const refuse = (code: string, request = from('127.0.0.1')) =>
    log.refused(request, { status: 400, code, reason: `because of ${code}` }, { url: '/x' }, '@{reason}');

  it('have a line at once, and then their number', () => {
    for (let count = 0; count < 100; count += 1) refuse('ERR_ONE');
    refuse('ERR_OTHER');
    assert.deepEqual(
      lines.map(({ code, count }) => [code, count]),
      [
        ['ERR_ONE', undefined],
        ['ERR_OTHER', undefined],
      ],
    );
    assert.equal(lines[0]?.address, '127.0.0.1');
    log.flush();
    assert.deepEqual(lines.slice(2), [
      { status: 400, code: 'ERR_ONE', reason: 'because of ERR_ONE', address: '127.0.0.1', count: 99 },
    ]);
    refuse('ERR_ONE');
    assert.equal(lines.length, 4);
  });

  it('are counted by address, up to a number of those', () => {
    for (let host = 0; host < 3000; host += 1) refuse('ERR_ONE', from(`10.0.${host >> 8}.${host & 255}`));
    assert.equal(lines.length, 1001);
    log.flush();
    assert.deepEqual(
      lines.slice(1001).map(({ address, count }) => [address, count]),
      [['other addresses', 1999]],
    );
  });
});
