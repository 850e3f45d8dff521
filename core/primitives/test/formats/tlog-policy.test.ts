import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  cosignedMessage,
  formatVerifierKey,
  fromBase64,
  noteKeyHint,
  parseCheckpoint,
  parseCosignature,
  parseSignedNote,
  parseTlogPolicy,
  parseVerifierKey,
  type Quorum,
  toHex,
  utf8,
} from '@signet/primitives/formats';

/** The example of c2sp.org/tlog-cosignature. */
const note =
  'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n' +
  '— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n' +
  '— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n';

function keyBytes(seed: string, length = 32): Uint8Array {
  const block = createHash('sha512').update(seed).digest();
  return Uint8Array.from({ length }, (_, index) => block[index % 64] ?? 0);
}

const witness = (name: string): string => formatVerifierKey(`witness.example/${name}`, 4, keyBytes(name));
const log = (name: string): string => formatVerifierKey(`log.example/${name}`, 1, keyBytes(name));

describe('cosignatures', () => {
  const { text, signatures } = parseSignedNote(note);
  const checkpoint = parseCheckpoint(text);

  it('carry the time at which the witness saw the tree', () => {
    const { timestamp, signature } = parseCosignature(4, signatures[1]?.signature ?? new Uint8Array());
    assert.equal(timestamp, 1679315147n);
    assert.equal(signature.length, 64);
  });

  it('are made over the text of the specification with Ed25519', () => {
    const message = cosignedMessage({ type: 4, witness: 'w1', timestamp: 1679315147n, noteText: text, checkpoint });
    assert.deepEqual(
      message,
      utf8(
        'cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n',
      ),
    );
  });

  it('are made over the structure of the specification with ML-DSA-44', () => {
    const message = cosignedMessage({ type: 6, witness: 'w1', timestamp: 1679315147n, noteText: text, checkpoint });
    const expected = [
      [toHex(utf8('subtree/v1\n')), '00'],
      ['02', toHex(utf8('w1')), '00000000641850cb'],
      ['1b', toHex(utf8('example.com/behind-the-sofa'))],
      ['0000000000000000', '00000000013e2dc3', toHex(fromBase64('CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I='))],
    ];
    assert.equal(toHex(message), expected.flat().join(''));
  });

  it('are refused with another length, an impossible time, another type or a name that does not fit', () => {
    const refused = { code: 'ERR_COSIGNATURE' };
    for (const length of [0, 8, 64, 71, 73, 2428]) {
      assert.throws(() => parseCosignature(4, new Uint8Array(length)), refused);
    }
    assert.equal(parseCosignature(6, new Uint8Array(2428)).timestamp, 0n);
    assert.throws(() => parseCosignature(1, new Uint8Array(72)), refused);
    assert.throws(() => parseCosignature(4, new Uint8Array(72).fill(0x80)), refused);
    const fields = { timestamp: 1n, noteText: text, checkpoint };
    assert.throws(() => cosignedMessage({ ...fields, type: 1, witness: 'w1' }), refused);
    assert.throws(() => cosignedMessage({ ...fields, type: 6, witness: 'w'.repeat(256) }), refused);
  });
});

describe('verifier keys', () => {
  it('are read as the specification of notes writes them', () => {
    const key = parseVerifierKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
    assert.deepEqual([key.name, key.type, key.key.length, toHex(key.keyHint)], ['PeterNeumann', 1, 32, 'c74f20a3']);
    assert.equal(
      formatVerifierKey(key.name, key.type, key.key),
      'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    );
  });

  it('of cosignatures have an id of their own type', () => {
    const key = parseVerifierKey(witness('w1'));
    assert.deepEqual(key.keyHint, noteKeyHint('witness.example/w1', 4, key.key));
    assert.notDeepEqual(key.keyHint, noteKeyHint('witness.example/w1', 1, key.key));
  });

  const good = witness('w1');
  const wrong: Readonly<Record<string, string>> = {
    'no id': 'name+AQ==',
    'another id': good.replace(/\+[0-9a-f]{8}\+/, '+00000000+'),
    'an id in capitals': good.replace(/\+[0-9a-f]{8}\+/, (id) => id.toUpperCase()),
    'no name': good.slice(good.indexOf('+')),
    'a space in its name': `a ${good}`,
    'base64 that is not canonical': `${good.slice(0, -1)}B==`,
    'a key that is too short': 'n+00000000+BAE=',
    'an unknown type': `n+00000000+${Buffer.from([0xfa, ...keyBytes('x')]).toString('base64')}`,
    'no key': '',
  };
  for (const [what, text] of Object.entries(wrong)) {
    it(`are refused with ${what}`, () => {
      assert.throws(() => parseVerifierKey(text), { code: 'ERR_VERIFIER_KEY' });
    });
  }
});

/** `2 of (X1, X2)`: the shape of a quorum. */
function shape(quorum: Quorum | undefined): string {
  if (quorum === undefined) return 'none';
  return quorum.kind === 'witness' ? quorum.name : `${quorum.threshold} of (${quorum.members.map(shape).join(', ')})`;
}

describe('policies of logs and witnesses', () => {
  const witnesses = ['X1', 'X2', 'X3', 'Y1', 'Y2'].map((name) => `witness ${name} ${witness(name)}\n`).join('');

  it('are read as in the example of the specification', () => {
    const policy = parseTlogPolicy(
      `# two operators\n\nlog ${log('a')} https://log.example/a\n${witnesses}` +
        'group X-witnesses 2 X1 X2 X3\n \tgroup\tY-witnesses any Y1 Y2 \n' +
        'group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n',
    );
    assert.equal(shape(policy.quorum), '2 of (2 of (X1, X2, X3), 1 of (Y1, Y2))');
    assert.equal(policy.witnesses.length, 5);
    assert.deepEqual(
      policy.logs.map(({ key, url }) => [key.name, url]),
      [['log.example/a', 'https://log.example/a']],
    );
  });

  it('may need one witness or none, and know no log', () => {
    assert.equal(shape(parseTlogPolicy(`${witnesses}quorum X2\n`).quorum), 'X2');
    assert.deepEqual(parseTlogPolicy('quorum none\n'), { logs: [], witnesses: [], quorum: undefined });
  });

  it('keep names apart that are other octets', () => {
    const kelvin = Buffer.concat([
      Buffer.from(`witness K ${witness('a')}\nwitness `),
      Buffer.from([0xe2, 0x84, 0xaa]),
      Buffer.from(` ${witness('b')}\nwitness `),
      Buffer.from([0xff]),
      Buffer.from(` ${witness('c')} # an URL\ngroup all 2 K `),
      Buffer.from([0xe2, 0x84, 0xaa, 0x20, 0xff]),
      Buffer.from('\nquorum all\n'),
    ]);
    assert.throws(() => parseTlogPolicy(kelvin), /line 3: expected witness/);
    const valid = Buffer.from(kelvin.toString('latin1').replace(' # an URL', ''), 'latin1');
    assert.equal(parseTlogPolicy(valid).witnesses.length, 3);
  });

  const wrong: readonly [what: string, text: string, message: RegExp][] = [
    ['no quorum', witnesses, /line 5: there is no quorum line/],
    ['two quorums', 'quorum none\nquorum none\n', /line 2: there is a second/],
    ['a quorum that is not defined', 'quorum X1\n', /line 1: "X1" is not defined before/],
    ['a quorum that is defined later', `quorum X1\n${witnesses}`, /line 1: "X1" is not defined before/],
    ['a group of itself', `${witnesses}group g any g\nquorum g\n`, /line 6: "g" is not defined before/],
    ['a group without members', `${witnesses}group g any\nquorum g\n`, /line 6: expected group/],
    ['none in a group', `${witnesses}group g any none\nquorum g\n`, /line 6: "none" is not defined/],
    ['none as a name', `witness none ${witness('a')}\nquorum none\n`, /line 1: none is not a name/],
    ['a threshold of 0', `${witnesses}group g 0 X1\nquorum g\n`, /number from 1 to 1/],
    ['a threshold that cannot be reached', `${witnesses}group g 3 X1 X2\nquorum g\n`, /number from 1 to 2/],
    ['a threshold that is no number', `${witnesses}group g 01 X1\nquorum g\n`, /number from 1 to 1/],
    ['a name twice', `${witnesses}group X1 any X2\nquorum X1\n`, /"X1" is defined twice/],
    ['a member twice in a group', `${witnesses}group g any X1 X1\nquorum g\n`, /"X1" is a member already/],
    ['a member of two groups', `${witnesses}group g any X1\ngroup h any X1\nquorum g\n`, /"X1" is a member already/],
    [
      'a witness twice',
      `witness a ${witness('a')}\nwitness b ${witness('a')}\nquorum a\n`,
      /line 2: its public key is/,
    ],
    ['a log twice', `log ${log('a')}\nlog ${log('a')}\nquorum none\n`, /line 2: its public key is/],
    ['a witness with the key of a log', `witness a ${log('a')}\nquorum a\n`, /keys of type 0x1 are not for this line/],
    ['a log with the key of a witness', `log ${witness('a')}\nquorum none\n`, /keys of type 0x4 are not for this line/],
    ['a damaged key', `log ${log('a').slice(0, -4)}\nquorum none\n`, /line 1: the verifier key/],
    ['an unknown word', 'threshold 3\nquorum none\n', /line 1: expected log, witness, group or quorum/],
    ['a carriage return', 'quorum none\r\n', /line 1: the control character 0x0d/],
    ['a last line without a newline', 'quorum none', /does not end in a newline/],
    ['nothing', '', /line 1: there is no quorum line/],
  ];
  for (const [what, text, message] of wrong) {
    it(`are refused with ${what}`, () => {
      assert.throws(() => parseTlogPolicy(text), { code: 'ERR_TLOG_POLICY', message });
    });
  }

  it('are bounded', () => {
    assert.throws(() => parseTlogPolicy(' '.repeat(1_000_001)), { code: 'ERR_INPUT_TOO_LARGE' });
    const chain = Array.from(
      { length: 999 },
      (_, index) => `group g${index} 1 ${index === 0 ? 'X1' : `g${index - 1}`}\n`,
    );
    assert.throws(() => parseTlogPolicy(`${witnesses}${chain.join('')}quorum g1\n`), /more than 1000 names/);
  });
});
