import assert from 'node:assert/strict';
import { decodeOid, der, fromHex, parseDer, SignetError, toHex } from '@signet/primitives/formats';
import fc from 'fast-check';

const refused = (hex: string, read: (node: ReturnType<typeof parseDer>) => unknown = () => undefined) =>
  assert.throws(
    () => read(parseDer(fromHex(hex))),
    (error) => error instanceof SignetError && ['ERR_DER', 'ERR_INPUT_TOO_LARGE', 'ERR_ENCODING'].includes(error.code),
    hex,
  );

describe('parseDer', () => {
  it('refuses lengths that are indefinite, not minimal, too long or beyond the end', () => {
    for (const hex of [
      '',
      '30',
      '3080',
      '30800000',
      '308100',
      '30817f',
      '3082007f',
      '3085ffffffffff',
      '3003020101ff',
      '300102',
      '308400000001ff',
    ]) {
      refused(hex, (node) => node.children());
    }
  });

  it('refuses bytes after the value', () => refused('020101ff'));

  it('refuses tag numbers above 30', () => refused('1f8101020101'));

  it('refuses integers that are empty or not minimal', () => {
    for (const hex of ['0200', '02020001', '0202ff80', '020200 7f'.replace(' ', '')])
      refused(hex, (node) => node.integer());
  });

  it('reads negative integers', () => {
    assert.equal(parseDer(fromHex('0201ff')).integer(), -1n);
    assert.equal(parseDer(fromHex('02020080')).integer(), 128n);
  });

  it('refuses booleans other than 00 and FF, bit strings with set unused bits and minimality faults in OIDs', () => {
    refused('010101', (node) => node.boolean());
    refused('01020000', (node) => node.boolean());
    refused('030108', (node) => node.namedBits());
    refused('03020101', (node) => node.namedBits());
    refused('0300', (node) => node.bitString());
    refused('030107', (node) => node.bitString());
    refused('06022a80', (node) => node.oid());
    refused('06032a8001', (node) => node.oid());
    refused('0600', (node) => node.oid());
  });

  it('refuses times that do not exist, have no seconds, an offset or a needless fraction', () => {
    const text = (tag: string, value: string) =>
      `${tag}${value.length.toString(16).padStart(2, '0')}${Buffer.from(value).toString('hex')}`;
    for (const value of [
      '250230000000Z',
      '2502280000Z',
      '250228000000+0000',
      '251301000000Z',
      '250101240000Z',
      '250101006000Z',
    ]) {
      refused(text('17', value), (node) => node.time());
    }
    for (const value of ['20250101000000.5Z', '20250101000000', '2025010100Z'])
      refused(text('18', value), (node) => node.time());
    for (const value of ['20250101000000.50Z', '20250101000000.Z'])
      refused(text('18', value), (node) => node.timeWithFraction());
    assert.equal(
      parseDer(fromHex(text('18', '20250101000000.25Z')))
        .timeWithFraction()
        .toISOString(),
      '2025-01-01T00:00:00.250Z',
    );
    assert.equal(
      parseDer(fromHex(text('17', '491231235959Z')))
        .time()
        .toISOString(),
      '2049-12-31T23:59:59.000Z',
    );
    assert.equal(
      parseDer(fromHex(text('17', '500101000000Z')))
        .time()
        .toISOString(),
      '1950-01-01T00:00:00.000Z',
    );
  });

  it('bounds the number of parts', () => {
    refused(toHex(der.sequence(...Array.from({ length: 5000 }, () => der.null()))), (node) => node.children());
  });

  it('never fails with another error than its own, whatever the bytes', () => {
    const walk = (node: ReturnType<typeof parseDer>, depth = 0): void => {
      for (const read of [
        'integer',
        'oid',
        'boolean',
        'bitString',
        'namedBits',
        'octetString',
        'time',
        'text',
      ] as const) {
        try {
          node[read]();
        } catch (error) {
          assert.ok(error instanceof SignetError, String(error));
        }
      }
      if ((node.tag & 0x20) !== 0 && depth < 20) for (const child of node.children()) walk(child, depth + 1);
    };
    const seed = der.sequence(
      der.integer(70000),
      der.oid('1.2.840.113549'),
      der.set(der.utf8String('é')),
      der.time(new Date(0)),
    );
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.nat({ max: seed.length - 1 }),
        fc.nat({ max: 255 }),
        (bytes, at, value) => {
          const mutated = Uint8Array.from(seed);
          mutated[at] = value;
          for (const input of [bytes, mutated]) {
            try {
              walk(parseDer(input));
            } catch (error) {
              assert.ok(error instanceof SignetError, String(error));
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('der', () => {
  it('writes integers, OIDs and times that parseDer reads back as they were', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 600n }), (value) =>
        assert.equal(parseDer(der.integer(value)).integer(), value),
      ),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1, 2),
        fc.nat({ max: 39 }),
        fc.array(fc.bigInt({ min: 0n, max: 2n ** 70n }), { maxLength: 8 }),
        (first, second, rest) => {
          const dotted = [first, second, ...rest].join('.');
          assert.equal(parseDer(der.oid(dotted)).oid(), dotted);
        },
      ),
    );
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1950-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }),
        (date) => {
          const whole = new Date(Math.floor(date.getTime() / 1000) * 1000);
          assert.deepEqual(parseDer(der.time(whole)).time(), whole);
          assert.deepEqual(parseDer(der.generalizedTime(whole)).time(), whole);
        },
      ),
    );
  });

  it('writes the forms of the standards', () => {
    assert.equal(toHex(der.oid('1.2.840.113549')), '06062a864886f70d');
    assert.equal(decodeOid(fromHex('883703')), '2.999.3');
    assert.equal(toHex(der.integer(128)), '02020080');
    assert.equal(toHex(der.integer(new Uint8Array([0, 0, 0x80]))), '02020080');
    assert.equal(toHex(der.integer(new Uint8Array(0))), '020100');
    assert.equal(toHex(der.namedBits(5, 6)), '03020106');
    assert.equal(toHex(der.namedBits(0)), '03020780');
    assert.equal(toHex(der.namedBits(25)), '03050600000040');
    assert.equal(toHex(der.sequence(new Uint8Array(200))).slice(0, 6), '3081c8');
    assert.equal(toHex(der.setOf([fromHex('0202ffff'), fromHex('020101')])), '310702010102 02ffff'.replace(' ', ''));
  });
});
