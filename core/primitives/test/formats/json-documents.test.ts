import assert from 'node:assert/strict';
import {
  bundleToJson,
  canonicalize,
  encodeRekorBody,
  fromBase64,
  fromBase64Lines,
  isBundle,
  JsonReader,
  parseBundle,
  parseJson,
  parseLenientJson,
  parseRekorBody,
  parseSigningConfig,
  parseStatement,
  parseTrustedRoot,
  preAuthenticationEncoding,
  type RekorBody,
  SignetError,
  selectServices,
  signingConfigToJson,
  toBase64,
  trustedRootToJson,
  utf8,
} from '@signet/primitives/formats';
import fc from 'fast-check';

describe('parseJson', () => {
  it('reads what JSON.parse reads, unless a key stands twice', () => {
    fc.assert(fc.property(fc.json(), (text) => assert.deepEqual(parseJson(text, 'document'), JSON.parse(text))));
    assert.deepEqual(parseJson('{"a":{"b":1},"c":{"b":[{"b":"\\"{,"}]}}', 'document'), {
      a: { b: 1 },
      c: { b: [{ b: '"{,' }] },
    });
  });

  it('finds a key twice after strings of any length, whatever is escaped in them', () => {
    const part = fc.constantFrom(
      'a',
      'long enough to be searched and not read',
      '\\',
      '"',
      '\\"',
      ':',
      '{',
      '}',
      ',',
      '\u2028',
    );
    const text = fc.array(part, { maxLength: 40 }).map((parts) => parts.join(''));
    const pairs = fc.uniqueArray(fc.tuple(text, text), { minLength: 1, maxLength: 5, selector: ([key]) => key });
    fc.assert(
      fc.property(pairs, fc.nat(4), (members, which) => {
        const written = members.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify([value])}`);
        assert.deepEqual(
          parseJson(`{${written.join(',')}}`, 'document'),
          Object.fromEntries(members.map(([key, value]) => [key, [value]])),
        );
        const twice = [...written, written[which % written.length]];
        assert.throws(() => parseJson(`{${twice.join(',')}}`, 'document'), {
          code: 'ERR_JSON',
          message: /twice in one object/,
        });
      }),
      { numRuns: 500 },
    );
  });

  it('refuses more keys than it may have, before it builds them', () => {
    const members = (count: number): string => Array.from({ length: count }, (_, index) => `"${index}":1`).join(',');
    assert.equal(Object.keys(parseJson(`{${members(10)}}`, 'document', { maxKeys: 10 }) as object).length, 10);
    for (const text of [`{${members(11)}}`, `[{${members(5)}},{${members(6)}}]`, ':'.repeat(11)]) {
      assert.throws(() => parseJson(text, 'document', { maxKeys: 10 }), {
        code: 'ERR_JSON',
        message: /more than 10 keys/,
      });
    }
    assert.equal(Object.keys(parseJson(`{${members(30_000)}}`, 'document') as object).length, 30_000);
    for (const read of [parseBundle, parseSigningConfig, (text: string) => parseRekorBody(utf8(text))]) {
      assert.throws(() => read(`{${members(30_000)}}`), { code: 'ERR_JSON', message: /more than 20000 keys/ });
    }
  });

  it('reads a document alike whatever was read before it', () => {
    // V8 keeps the shapes of objects that it parsed, and has mistaken keys with escapes for those.
    const read = (): unknown => [
      parseJson('{"a":1,"subjec\\u0074":2}', 'document'),
      parseJson('[{"":{"\\"":[]}}]', 'document'),
      parseJson('{"\\"":1,"\\u005f_proto__":{"\\n":[{"\\\\":null}]}}', 'document'),
      parseJson('{"\\u00e9":1,"b":"\\u00e9"}', 'document'),
    ];
    const before = read();
    for (const earlier of [
      '{"a":1,"subjec\\\\":1}',
      '{"\\\\":1}',
      '{"":{"\\\\":1}}',
      '{"\\"":1,"\\\\":1}',
      '[{"subject":1,"subjec\\\\":1}]',
    ]) {
      JSON.parse(earlier);
    }
    assert.deepEqual(read(), before);
    const own = Object.fromEntries([
      ['"', 1],
      ['__proto__', { '\n': [{ '\\': null }] }],
    ]);
    assert.deepEqual(before, [{ a: 1, subject: 2 }, [{ '': { '"': [] } }], own, { é: 1, b: 'é' }]);
    for (const twice of ['{"\\"":1,"\\"":2}', '[{"subject":1,"subjec\\u0074":2}]', '{"\\u0061":1,"a":2}']) {
      assert.throws(() => parseJson(twice, 'document'), { code: 'ERR_JSON', message: /twice in one object/ });
    }
  });

  it('raises its own error for what is not JSON', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          assert.throws(() => parseJson(text, 'document'), SignetError);
          return;
        }
        assert.deepEqual(parseJson(text, 'document'), expected);
      }),
    );
    for (const text of ['{"a":1,"a":2}', '[{"a":1,"\\u0061":2}]', '{"x":[],"x":1}', '"', '{"a\\']) {
      assert.throws(() => parseJson(text, 'document'), { code: 'ERR_JSON' });
    }
  });
});

describe('parseLenientJson', () => {
  it('reads what JSON.parse reads, and of a key that stands twice the last', () => {
    fc.assert(fc.property(fc.json(), (text) => assert.deepEqual(parseLenientJson(text, 'document'), JSON.parse(text))));
    for (const text of [
      '{"a":1,"b":2,"a":3}',
      '{"a":1,"b":2,"\\u0061":3}',
      '{"2":1,"\\u0031":2,"1":3,"\\u0032":4}',
      '{"\\u005f_proto__":{"x":1},"a":[{"\\n":"\\n","\\n":null}]}',
      `${'['.repeat(1000)}${']'.repeat(1000)}`,
    ]) {
      const read = parseLenientJson(text, 'document');
      assert.deepEqual(read, JSON.parse(text));
      assert.equal(JSON.stringify(read), JSON.stringify(JSON.parse(text)));
    }
  });

  it('reads escaped keys whatever was read before', () => {
    JSON.parse('{"lenient":1,"documen\\\\":1}');
    assert.deepEqual(parseLenientJson('{"lenient":1,"documen\\u0074":2}', 'document'), { lenient: 1, document: 2 });
  });

  it('raises its own error for what is not JSON, and for what is nested too deep to be read', () => {
    const deep = `{"\\n":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    for (const text of ['', '{', '{"a":1,}', 'undefined', '{"a\\":1}', deep]) {
      assert.throws(() => parseLenientJson(text, 'document'), { code: 'ERR_JSON' });
    }
  });
});

describe('JsonReader', () => {
  const reader = new JsonReader('ERR_BUNDLE_FORMAT');

  it('takes 64-bit integers as strings or exact numbers, and no negative ones', () => {
    assert.equal(reader.int64({ n: '9223372036854775807' }, 'n', 'x'), 2n ** 63n - 1n);
    assert.equal(reader.int64({ n: 7 }, 'n', 'x'), 7n);
    assert.equal(reader.int64({}, 'n', 'x'), 0n);
    for (const n of ['-1', -1, '9223372036854775808', '01', '1.0', ' 1', '', 2 ** 53, 1.5, true]) {
      assert.throws(() => reader.int64({ n }, 'n', 'x'), { code: 'ERR_BUNDLE_FORMAT' });
    }
  });

  it('takes RFC 3339 times that exist', () => {
    assert.equal(
      reader.timestamp('2022-12-31T23:59:59.999000Z', 'x').getTime(),
      Date.UTC(2022, 11, 31, 23, 59, 59, 999),
    );
    assert.equal(reader.timestamp('2022-12-31T23:59:59+01:00', 'x').getTime(), Date.UTC(2022, 11, 31, 22, 59, 59));
    for (const time of ['2023-02-30T00:00:00Z', '2023-01-01', '2023-01-01T00:00:00', '2023-01-01T25:00:00Z', 0, null]) {
      assert.throws(() => reader.timestamp(time, 'x'), { code: 'ERR_BUNDLE_FORMAT' });
    }
  });
});

describe('fromBase64', () => {
  it('accepts exactly what encoding gives', () => {
    const alphabet = 'ABCDEQRgwxyz0189+/=-_ \n';
    const text = fc.array(fc.constantFrom(...alphabet), { maxLength: 12 }).map((letters) => letters.join(''));
    fc.assert(
      fc.property(text, (candidate) => {
        const canonical = Buffer.from(candidate, 'base64').toString('base64') === candidate;
        if (canonical) assert.equal(toBase64(fromBase64(candidate)), candidate);
        else assert.throws(() => fromBase64(candidate), { code: 'ERR_ENCODING' });
      }),
      { numRuns: 5000 },
    );
  });
});

describe('fromBase64Lines', () => {
  const lines = (text: string, width: number): string => text.match(new RegExp(`.{1,${width}}`, 'g'))?.join('\n') ?? '';

  it('reads what is written in lines of 64 letters', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
        assert.deepEqual(Buffer.from(fromBase64Lines(lines(toBase64(bytes), 64)) ?? []), Buffer.from(bytes));
      }),
    );
  });

  it('leaves everything else to more careful readers', () => {
    const base64 = toBase64(new Uint8Array(100).fill(0xfb));
    for (const text of [
      lines(base64, 60),
      base64,
      `${lines(base64, 64)}=`,
      lines(base64, 64).replace('=', ''),
      lines(base64, 64).replaceAll('\n', ' '),
      lines(base64, 64).replaceAll('\n', '\n\n'),
      lines(base64, 64).replace('+', '-'),
      lines(base64, 64).replace('+', '\n'),
      lines(base64, 64).replace('+', '*'),
      lines(toBase64(new Uint8Array(100)), 64).replace('A=', 'B='),
    ]) {
      assert.equal(fromBase64Lines(text), undefined, JSON.stringify(text));
    }
  });
});

describe('canonicalize', () => {
  it('sorts by UTF-16 code units and writes numbers as ECMAScript does', () => {
    // RFC 8785 §3.2.3 and §3.2.2
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, ö: 7 };
    assert.equal(canonicalize(value), '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}');
    assert.equal(
      canonicalize([JSON.parse('333333333.33333329'), 1e30, 4.5, 0.002, 1e-27]),
      '[333333333.3333333,1e+30,4.5,0.002,1e-27]',
    );
  });

  it('does not depend on the order of members and refuses what JSON cannot say', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), (object) => {
        const reversed = Object.fromEntries(Object.entries(object).reverse());
        assert.equal(canonicalize(reversed), canonicalize(object));
        assert.deepEqual(JSON.parse(canonicalize(object)), JSON.parse(JSON.stringify(object)));
      }),
    );
    for (const value of [undefined, Number.NaN, () => 1, '\ud800', { a: undefined }]) {
      assert.throws(() => canonicalize(value), { code: 'ERR_JSON' });
    }
  });
});

describe('preAuthenticationEncoding', () => {
  it('is that of the specification', () => {
    // DSSE protocol.md, test vectors
    const encoded = preAuthenticationEncoding('http://example.com/HelloWorld', utf8('hello world'));
    assert.equal(Buffer.from(encoded).toString(), 'DSSEv1 29 http://example.com/HelloWorld 11 hello world');
    // Lengths count bytes.
    assert.equal(Buffer.from(preAuthenticationEncoding('é', utf8('日'))).toString(), 'DSSEv1 2 é 3 日');
    assert.equal(Buffer.from(preAuthenticationEncoding('', new Uint8Array())).toString(), 'DSSEv1 0  0 ');
  });
});

describe('log entry bodies', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((array) => Uint8Array.from(array));
  const digest = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((value) => ({ algorithm: 'sha256', value: Uint8Array.from(value) }) as const);
  const verifier = fc.record({ kind: fc.constantFrom('certificate' as const, 'publicKey' as const), bytes });
  const v1 = fc.record({ signature: bytes, verifier });
  const v2 = fc.record({
    signature: bytes,
    verifier: verifier.map((one) => ({ ...one, keyDetails: 'PKIX_ECDSA_P256_SHA_256' as const })),
  });
  const bodies: fc.Arbitrary<RekorBody> = fc.oneof(
    fc.record({ kind: fc.constant('hashedrekord'), version: fc.constant('0.0.1'), digest, signature: v1 }),
    fc.record({ kind: fc.constant('hashedrekord'), version: fc.constant('0.0.2'), digest, signature: v2 }),
    fc.record({
      kind: fc.constant('dsse'),
      version: fc.constant('0.0.1'),
      payloadHash: digest,
      envelopeHash: digest,
      signatures: fc.array(v1, { maxLength: 2 }),
    }),
    fc.record({
      kind: fc.constant('intoto'),
      version: fc.constant('0.0.2'),
      payloadType: fc.string(),
      payloadHash: digest,
      envelopeHash: digest,
      signatures: fc.array(v1, { maxLength: 2 }),
    }),
    fc.record({
      kind: fc.constant('intoto'),
      version: fc.constant('0.0.1'),
      payloadHash: digest,
      envelopeHash: digest,
      verifier,
    }),
  ) as fc.Arbitrary<RekorBody>;

  it('read back as they were written', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        const encoded = encodeRekorBody(body);
        assert.deepEqual(encodeRekorBody(parseRekorBody(encoded)), encoded);
      }),
    );
  });

  it('of in-toto keep the PEM as it was sent, without a last newline or in one line', () => {
    const value = { algorithm: 'sha256', value: '00'.repeat(32) };
    for (const pem of [
      '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----',
      '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
      `-----BEGIN CERTIFICATE-----\n${'A'.repeat(100)}\n-----END CERTIFICATE-----\n`,
    ]) {
      const publicKey = Buffer.from(pem).toString('base64');
      const sig = Buffer.from('AAAA').toString('base64');
      const content = {
        envelope: { payloadType: 't', signatures: [{ publicKey, sig }] },
        hash: value,
        payloadHash: value,
      };
      for (const body of [
        { apiVersion: '0.0.2', kind: 'intoto', spec: { content } },
        { apiVersion: '0.0.1', kind: 'intoto', spec: { content: { hash: value, payloadHash: value }, publicKey } },
      ]) {
        const text = canonicalize(body);
        assert.equal(Buffer.from(encodeRekorBody(parseRekorBody(utf8(text)))).toString(), text);
      }
    }
  });

  it('of kinds that bundles do not use are refused', () => {
    for (const body of [
      '{"apiVersion":"0.0.1","kind":"rekord","spec":{}}',
      '{"apiVersion":"0.0.3","kind":"dsse","spec":{}}',
      '{}',
      '[]',
    ]) {
      assert.throws(() => parseRekorBody(utf8(body)), { code: 'ERR_LOG_ENTRY_FORMAT' });
    }
  });
});

describe('parseStatement', () => {
  it('reads subjects whose digests have no inherited names', () => {
    const statement = parseStatement(
      utf8(
        '{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"00","__proto__":"x"}}],"predicateType":"p"}',
      ),
    );
    assert.equal(statement.subject[0]?.digest.sha256, '00');
    assert.equal(statement.subject[0]?.digest.constructor, undefined);
  });

  it('refuses what is not a statement', () => {
    for (const text of [
      '[]',
      '{}',
      '{"_type":"https://in-toto.io/Statement/v2","predicateType":"p"}',
      '{"_type":"https://in-toto.io/Statement/v1"}',
    ]) {
      assert.throws(() => parseStatement(utf8(text)), { code: 'ERR_STATEMENT_FORMAT' });
    }
  });
});

describe('parseBundle', () => {
  const minimal = {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { certificate: { rawBytes: 'AAAA' } },
    messageSignature: { signature: 'AAAA' },
  };

  it('reads back what it wrote', () => {
    const bundle = parseBundle(minimal);
    assert.ok(isBundle(bundle));
    assert.deepEqual(bundleToJson(parseBundle(bundleToJson(bundle))), bundleToJson(bundle));
  });

  it('refuses what its version does not allow', () => {
    const chain = { x509CertificateChain: { certificates: [{ rawBytes: 'AAAA' }] } };
    const v1 = 'application/vnd.dev.sigstore.bundle+json;version=0.1';
    for (const change of [
      { mediaType: 'application/vnd.dev.sigstore.bundle.v0.4+json' },
      { mediaType: undefined },
      { verificationMaterial: chain },
      { verificationMaterial: { ...minimal.verificationMaterial, publicKey: {} } },
      { verificationMaterial: {} },
      { mediaType: v1 },
      { messageSignature: null },
      { dsseEnvelope: { payloadType: 'x', payload: '', signatures: [] } },
      { messageSignature: { signature: 'AAA' } },
      { messageSignature: { signature: 'AAAA', messageDigest: { algorithm: 1, digest: 'AAAA' } } },
      { media_type: 'x' },
    ]) {
      assert.throws(() => parseBundle({ ...minimal, ...change }), { code: 'ERR_BUNDLE_FORMAT' });
    }
    assert.equal(parseBundle({ ...minimal, mediaType: v1, verificationMaterial: chain }).version, '0.1');
  });

  it('refuses envelopes without exactly one signature', () => {
    const { messageSignature: _, ...rest } = minimal;
    for (const signatures of [[], [{ sig: 'AAAA' }, { sig: 'AAAA' }]]) {
      const dsseEnvelope = { payloadType: 'x', payload: '', signatures };
      assert.throws(() => parseBundle({ ...rest, dsseEnvelope }), { code: 'ERR_BUNDLE_FORMAT' });
    }
  });
});

describe('parseTrustedRoot and parseSigningConfig', () => {
  const validFor = { start: '2026-01-01T00:00:00.000Z' };

  it('read back what they wrote', () => {
    const root = {
      mediaType: 'application/vnd.dev.sigstore.trustedroot.v0.2+json',
      tlogs: [
        {
          baseUrl: 'https://log.example',
          hashAlgorithm: 'SHA2_256',
          publicKey: { rawBytes: 'AAAA', keyDetails: 'PKIX_ED25519', validFor },
          logId: { keyId: 'AAAA' },
          checkpointKeyId: { keyId: 'AAAA' },
          operator: 'example',
        },
      ],
      certificateAuthorities: [],
      ctlogs: [],
      timestampAuthorities: [
        {
          subject: { organization: 'o', commonName: 'c' },
          uri: 'https://tsa.example',
          certChain: { certificates: [{ rawBytes: 'AAAA' }] },
          validFor,
        },
      ],
    };
    assert.deepEqual(trustedRootToJson(parseTrustedRoot(JSON.stringify(root))), root);
    assert.throws(() => parseTrustedRoot({ ...root, extra: 1 }), { code: 'ERR_TRUSTED_ROOT_FORMAT' });
  });

  it('choose services by version, validity, age and operator', () => {
    const service = (url: string, majorApiVersion: number, start: string, operator: string, end?: string) => ({
      url,
      majorApiVersion,
      validFor: end === undefined ? { start } : { start, end },
      operator,
    });
    const json = {
      mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
      caUrls: [],
      oidcUrls: [],
      rekorTlogUrls: [
        service('https://v1.example', 1, '2025-01-01T00:00:00.000Z', 'a'),
        service('https://old.example', 2, '2025-01-01T00:00:00.000Z', 'a'),
        service('https://new.example', 2, '2026-01-01T00:00:00.000Z', 'a'),
        service('https://future.example', 2, '2099-01-01T00:00:00.000Z', 'a'),
        service('https://ended.example', 2, '2025-06-01T00:00:00.000Z', 'b', '2025-07-01T00:00:00.000Z'),
        service('https://other.example', 2, '2025-01-01T00:00:00.000Z', 'c'),
        service('https://v3.example', 3, '2025-01-01T00:00:00.000Z', 'a'),
      ],
      rekorTlogConfig: { selector: 'EXACT', count: 2 },
      tsaUrls: [],
      tsaConfig: { selector: 'ANY' },
    };
    const config = parseSigningConfig(JSON.stringify(json));
    assert.deepEqual(JSON.parse(JSON.stringify(signingConfigToJson(config))), json);
    const options = { what: 'logs', supportedVersions: [1, 2], now: new Date('2026-06-01') };
    const urls = (selection: typeof config.rekorTlogConfig) =>
      selectServices(config.rekorTlogUrls, selection, options).map(({ url }) => url);
    assert.deepEqual(urls({ selector: 'ANY' }), ['https://new.example']);
    assert.deepEqual(urls({ selector: 'EXACT', count: 2 }), ['https://new.example', 'https://other.example']);
    assert.deepEqual(urls({ selector: 'ALL' }), ['https://new.example', 'https://other.example']);
    assert.throws(() => urls({ selector: 'EXACT', count: 3 }), { code: 'ERR_SERVICE_UNAVAILABLE' });
  });
});
