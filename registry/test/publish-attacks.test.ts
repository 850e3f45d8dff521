import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createGzip, gzipSync } from 'node:zlib';
import { packTarball } from './support/package.ts';
import { type Answer, bundlesOf, type Parcel, TestRegistry } from './support/registry.ts';

type Json = Record<string, unknown>;

describe('attacks on publishing', () => {
  let registry: TestRegistry;

  before(async () => {
    registry = await TestRegistry.start();
    const { instanceFile } = registry.running.instance.layout;
    const text = await readFile(instanceFile, 'utf8');
    await writeFile(instanceFile, text.replace(/publishBytes: \d+/, `publishBytes: ${8 * 1024 * 1024}`));
    await registry.restart();
  });

  after(() => registry.remove());

  async function assertRefused(answer: Answer, status: number, reason: RegExp, name: string) {
    assert.equal(answer.status, status, answer.text.slice(0, 400));
    assert.match(String(answer.json().error), reason);
    assert.equal((await registry.fetch(`/${name.replace('/', '%2f')}`)).status, 404, `${name} exists`);
  }

  /** The parcel with another bundle in place of its own. */
  async function withBundle(name: string, bundle: unknown): Promise<Parcel> {
    return registry.parcel(name, '1.0.0', { bundle });
  }

  it('by evidence whose subject is another spelling of the name or version', async () => {
    const name = '@example/spelled';
    const { tarball } = await registry.parcel(name, '1.0.0', { bundle: undefined });
    for (const subject of [
      'pkg:npm/@example/spelled@1.0.0',
      'pkg:npm/%40Example/spelled@1.0.0',
      'pkg:npm/%40example/Spelled@1.0.0',
      'pkg:npm/%40example%2Fspelled@1.0.0',
      'pkg:npm/%2540example/spelled@1.0.0',
      'pkg:NPM/%40example/spelled@1.0.0',
      'pkg:npm/%40example/spelled@v1.0.0',
      'pkg:npm/%40example/spelled@1.0.0+build',
      'pkg:npm/%40example/spelled@1.0',
      'pkg:npm/%40example/spelled@1.0.0?x=1',
      'pkg:npm/%40example/spelled@1.0.0#x',
      'pkg:npm/%40example/spelled@1.0.0 ',
      'pkg:npm/spelled@1.0.0',
      'pkg:pypi/%40example/spelled@1.0.0',
      '@example/spelled@1.0.0',
    ]) {
      const bundle = await registry.signSubjects([subject], tarball);
      const answer = await registry.put(await withBundle(name, bundle));
      await assertRefused(answer, 422, /another package or version|not a purl|subject|package URL|purl/i, name);
    }
  });

  it('by evidence about two packages at once', async () => {
    const name = '@example/second-subject';
    const { tarball } = await registry.parcel(name, '1.0.0', { bundle: undefined });
    const own = 'pkg:npm/%40example/second-subject@1.0.0';
    for (const subjects of [
      [own, 'pkg:npm/%40example/other@1.0.0'],
      ['pkg:npm/%40example/other@1.0.0', own],
      [own, own],
    ]) {
      const bundle = await registry.signSubjects(subjects, tarball);
      await assertRefused(await registry.put(await withBundle(name, bundle)), 422, /subject/, name);
    }
  });

  /** Sends a document as text. */
  async function putText(name: string, text: string): Promise<Answer> {
    return registry.fetch(`/${name.replace('/', '%2f')}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await registry.npmToken('alice')}` },
      body: text,
    });
  }

  it('by a document in which members stand twice, whichever comes first', async () => {
    const name = '@example/twice';
    const honest = await registry.parcel(name);
    const text = JSON.stringify(honest.document);
    const evil = { name, version: '1.0.0', dependencies: { evil: '1.0.0' }, dist: {} };
    for (const [member, value] of [
      ['versions', { '1.0.0': evil }],
      ['name', '@example/other'],
      ['_attachments', {}],
      ['dist-tags', { latest: '9.9.9' }],
    ] as const) {
      const doubled = `${text.slice(0, -1)},${JSON.stringify(member)}:${JSON.stringify(value)}}`;
      const answer = await putText(name, doubled);
      assert.ok(answer.status >= 400 && answer.status < 500, `${member}: ${answer.status} ${answer.text}`);
      assert.equal((await registry.fetch('/@example%2ftwice')).status, 404);
    }
    // Last or first: there is one reading of a document, or none.
    const first = `{"versions":${JSON.stringify({ '1.0.0': evil })},"name":"@example/other",${text.slice(1)}`;
    assert.equal((await putText(name, first)).status, 400);
    const inner = text.replace('"versions":{', `"versions":{"1.0.0":${JSON.stringify(evil)},`);
    assert.notEqual(inner, text);
    assert.equal((await putText(name, inner)).status, 400);
    assert.equal((await registry.fetch('/@example%2ftwice')).status, 404);
    assert.equal((await putText(name, text)).status, 201);
  });

  it('by evidence in which members stand twice', async () => {
    const name = '@example/twice-signed';
    const parcel = await registry.parcel(name);
    const attachments = parcel.document._attachments as Record<string, Json>;
    const attachment = attachments[`${name}-1.0.0.sigstore`] as Json;
    const text = String(attachment.data);
    for (const data of [
      text.replace('{', '{"dsseEnvelope":{},'),
      text.replace('"payloadType":', '"payload":"e30=","payloadType":'),
      text.replace('"signatures":', '"signatures":[],"signatures":'),
    ]) {
      assert.notEqual(data, text);
      Object.assign(attachment, { data, length: data.length });
      await assertRefused(await registry.put(parcel), 422, /twice|is not JSON/, name);
    }
  });

  it('by a body larger than the limit', async () => {
    const name = '@example/too-large';
    const parcel = await registry.parcel(name, '1.0.0', { bundle: undefined });
    Object.assign(parcel.document, { readme: 'a'.repeat(9 * 1024 * 1024) });
    const answer = await registry.put(parcel);
    await assertRefused(answer, 413, /too large/, name);
  });

  it('by evidence that takes long to read', async () => {
    const name = '@example/bundle-bomb';
    const honest = (await registry.sign(
      name,
      '1.0.0',
      packTarball({ name, version: '1.0.0', description: 'a test' }),
    )) as {
      dsseEnvelope: { signatures: unknown[] };
      verificationMaterial: { tlogEntries: unknown[]; certificate: unknown; timestampVerificationData?: unknown };
    };
    const { dsseEnvelope, verificationMaterial } = honest;
    const [entry] = verificationMaterial.tlogEntries;
    const [signature] = dsseEnvelope.signatures;
    let deep: unknown = 'x';
    for (let depth = 0; depth < 1000; depth += 1) deep = [deep];
    const certificates = Array.from({ length: 200 }, () => verificationMaterial.certificate);
    for (const bomb of [
      { ...honest, verificationMaterial: { ...verificationMaterial, tlogEntries: Array(150).fill(entry) } },
      { ...honest, dsseEnvelope: { ...dsseEnvelope, signatures: Array(2000).fill(signature) } },
      { ...honest, dsseEnvelope: { ...dsseEnvelope, extra: deep } },
      {
        ...honest,
        verificationMaterial: {
          ...verificationMaterial,
          certificate: undefined,
          x509CertificateChain: { certificates },
        },
      },
      { ...honest, dsseEnvelope: { ...dsseEnvelope, payload: Buffer.alloc(700_000, ' ').toString('base64') } },
    ]) {
      const answer = await registry.put(await withBundle(name, bomb));
      assert.ok(answer.status === 422 || answer.status === 413, `${answer.status} ${answer.text.slice(0, 300)}`);
      assert.equal((await registry.fetch(`/${name.replace('/', '%2f')}`)).status, 404);
    }
  });

  it('by a tarball that unpacks to more than the limit, by its content or by how many files it has', async () => {
    const name = '@example/tarball-bomb';
    // gzip may be continued: many times the same compressed zeros after a tarball.
    const zeros = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const manifest = packTarball({ name, version: '1.0.0', description: 'a test' });
    const bomb = new Uint8Array(Buffer.concat([manifest, ...Array(17).fill(zeros)]));
    const large = await registry.put(await registry.parcel(name, '1.0.0', { tarball: bomb }));
    assert.ok(large.status === 413 || large.status === 422, `${large.status} ${large.text}`);
    const many = await manyFiles({ name, version: '1.0.0', description: 'a test' });
    const answer = await registry.put(await registry.parcel(name, '1.0.0', { tarball: many }));
    // Headers of empty files are almost nothing once they are compressed.
    await assertRefused(answer, 413, /unpacks to more than \d+ bytes/, name);
  }).timeout(180_000);

  it('by texts that a terminal, a page or a log would obey', async () => {
    const name = '@example/inert';
    const { tarball } = await registry.parcel(name, '1.0.0', { bundle: undefined });
    const predicateType = 'https://evil.example/\u001b[2J\u202e<script>alert(1)</script>';
    const predicate = { buildDefinition: { buildType: 'javascript:alert(1)' }, text: '\u001b]8;;javascript:x\u0007' };
    const bundle = await registry.signSubjects(['pkg:npm/%40example/inert@1.0.0'], tarball, {
      predicateType,
      predicate,
    });
    const answer = await registry.put(await withBundle(name, bundle));
    assert.ok([201, 422].includes(answer.status), answer.text);
    const stranger = await registry.parcel('@example/inert-2', '1.0.0', { signer: 'mallory@example.com' });
    const versions = stranger.document.versions as Record<string, Json>;
    versions['1.0.0\u001b[2J\u202e'] = versions['1.0.0'] as Json;
    delete versions['1.0.0'];
    const refusal = await registry.put(stranger);
    assert.equal(refusal.status, 422);
    const log = await readFile(registry.running.instance.layout.registry.auditLog, 'utf8');
    for (const text of [refusal.text, answer.text, log]) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
      assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/u);
    }
    const served = await fetch(`${registry.url}-/npm/v1/attestations/@example%2finert@1.0.0`);
    assert.match(served.headers.get('content-type') ?? '', /^application\/json/);
  });

  it('by every spelling of the addresses that change something', async () => {
    const name = '@example/spellings';
    assert.equal((await registry.put(await registry.parcel(name))).status, 201);
    const folder = join(registry.running.instance.layout.registry.storage, '@example', 'spellings');
    const files = await readdir(folder);
    const document = await readFile(join(folder, 'package.json'), 'utf8');
    const bundle = files.find((file) => file.endsWith('.sigstore.json')) ?? '';
    const unsigned = await registry.parcel(name, '1.0.1', { bundle: undefined });
    const authorization = `Bearer ${await registry.npmToken('mallory')}`;
    const send = (method: string, path: string, body?: unknown) =>
      registry.fetch(path, {
        method,
        headers: { 'content-type': 'application/json', authorization },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    let count = 0;
    const [plain = '', ...others] = spellings('@example/spellings');
    for (const spelled of [plain, ...others]) {
      const requests: (readonly [string, string, unknown?])[] = [
        ['PUT', `/${spelled}`, unsigned.document],
        ['DELETE', `/${spelled}/-rev/1-x`],
        ['DELETE', `/${spelled}/-/${bundle}/-rev/1-x`],
        ['PUT', `/-/package/${spelled}/dist-tags/latest`, '1.0.0'],
        ['PUT', `/${spelled}/-rev/1-x`, { name, versions: {} }],
      ];
      if (spelled === plain) {
        requests.push(
          ['PUT', `/${spelled}/-rev/1-x`, unsigned.document],
          ['POST', `/${spelled}`, unsigned.document],
          ...spellings(bundle).map((file) => ['DELETE', `/${spelled}/-/${file}/-rev/1-x`] as const),
          ['DELETE', `/${spelled}/-/spellings-1.0.0.tgz/-rev/1-x`],
          ['DELETE', `/${spelled}/-/spellings-1%2e0.0.tgz/-rev/1-x/`],
          ['DELETE', `/${spelled}/%2d/spellings-1.0.0.tgz/%2drev/1-x`],
          ['PUT', `/${spelled}/-/spellings-1.0.0.tgz/x`, {}],
          ['PUT', `/-/package/${spelled}/dist-tags/next/`, '1.0.0'],
          ['POST', `/-/package/${spelled}/dist-tags`, { next: '1.0.0' }],
          ['DELETE', `/-/package/${spelled}/dist-tags/latest`],
          ['PUT', `/${spelled}/next`, '1.0.0'],
          ['PUT', `/${spelled}`, { name, versions: { '1.0.0': { deprecated: 'x' } }, 'dist-tags': {} }],
          ['POST', `/-/stage/package/${spelled}`, unsigned.document],
        );
      }
      for (const [method, path, body] of requests) {
        const answer = await send(method, path, body);
        count += 1;
        assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${path}: ${answer.status} ${answer.text}`);
      }
    }
    assert.ok(count > 80);
    assert.deepEqual(await readdir(folder), files);
    assert.equal(await readFile(join(folder, 'package.json'), 'utf8'), document);
    assert.equal(await bundlesOf(registry, `${name}@1.0.0`), 1);
  }).timeout(180_000);

  it('after the certificate authority’s time in the trust root is over', async () => {
    const { trustedRoot } = registry.running.instance.layout.trust;
    const before = await readFile(trustedRoot, 'utf8');
    const stored = await registry.parcel('@example/in-time');
    assert.equal((await registry.put(stored)).status, 201);
    const late = await registry.parcel('@example/too-late');
    const root = JSON.parse(before);
    const end = new Date(Date.parse(root.certificateAuthorities[0].validFor.start) + 1000).toISOString();
    for (const authority of root.certificateAuthorities) authority.validFor.end = end;
    await writeFile(trustedRoot, JSON.stringify(root));
    try {
      await assertRefused(await registry.put(late), 422, /refused/, '@example/too-late');
      // What was signed outside of that time is not served either.
      const tarball = await registry.fetch('/@example/in-time/-/in-time-1.0.0.tgz');
      assert.equal(tarball.status, 403, tarball.text.slice(0, 200));
    } finally {
      await writeFile(trustedRoot, before);
    }
    assert.equal((await registry.put(late)).status, 201);
  });
});

/** The same text as clients and proxies may write it in an address. */
function spellings(text: string): readonly string[] {
  return [
    text,
    text.replaceAll('/', '%2f'),
    text.replaceAll('/', '%2F').replace('@', '%40'),
    text.replaceAll('/', '%252f'),
    `${text}/`,
    `./${text}`,
    `%2e/${text}`,
    `/${text}`,
    `x/../${text}`,
    `x/%2e%2e/${text}`,
    text.replace('s', '%73'),
    text.replace('.', '%2e'),
    `${text}%00`,
    text.toUpperCase(),
  ];
}

/** A tarball of more files than any package has. */
async function manyFiles(manifest: object): Promise<Uint8Array> {
  const whole = packTarball(manifest, [{ path: 'package/a', text: '' }]);
  const { gunzipSync } = await import('node:zlib');
  const plain = gunzipSync(whole);
  // The last member is an empty file: one block, before the two that end the archive.
  const member = plain.subarray(plain.length - 1536, plain.length - 1024);
  const gzip = createGzip();
  const chunks: Buffer[] = [];
  gzip.on('data', (chunk: Buffer) => chunks.push(chunk));
  gzip.write(plain.subarray(0, plain.length - 1024));
  for (let block = 0; block < 50; block += 1) gzip.write(Buffer.concat(Array(4100).fill(member)));
  gzip.end(Buffer.alloc(1024));
  await new Promise((resolve) => gzip.once('end', resolve));
  return new Uint8Array(Buffer.concat(chunks));
}
