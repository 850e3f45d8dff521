import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sha512Integrity } from '@signet/client/npm';
import { TestRegistry } from './support/registry.ts';

const execute = promisify(execFile);

/** Documents that npm's default registry served; absent in a fresh clone elsewhere. */
const data = new URL('../../../shared/data/npm-attestations/', import.meta.url);
const packages = ['sigstore@2.3.1', 'sigstore@1.0.0', '@playwright/cli@0.1.1'] as const;

interface Listed {
  readonly file: string;
  readonly package: string;
  readonly sri: string;
}

// An instance as `signet init` makes it, whose uplink answers what npm's default registry answered for these packages. Signatures of
// npm over versions are not among the data; the statements that npm signed with the same keys are.
describe('an instance with npm’s default registry as its uplink', () => {
  let folder: string;
  let uplink: Server;
  let registry: TestRegistry;
  let listed: readonly Listed[];
  const tarballs = new Map<string, Uint8Array>();
  /** What the uplink says instead of the document of attestations. */
  let instead: string | undefined;

  before(async function () {
    if (!existsSync(data)) {
      process.stderr.write('skipped: no documents of npm’s default registry here\n');
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'signet-npmjs-'));
    listed = JSON.parse(await readFile(new URL('INDEX.json', data), 'utf8')).filter(
      (one: Listed) => packages.some((name) => name === one.package) && one.file.endsWith('.attestations.json'),
    );
    assert.equal(listed.length, packages.length);
    for (const one of packages) {
      const place = await mkdtemp(join(folder, 'p'));
      try {
        await execute('npm', ['pack', one, '--pack-destination', place, '--ignore-scripts', '--loglevel=error'], {
          cwd: place,
          shell: process.platform === 'win32',
        });
      } catch (error) {
        process.stderr.write(`skipped: ${one} cannot be fetched: ${String(error).slice(0, 200)}\n`);
        this.skip();
      }
      const [file = ''] = await readdir(place);
      tarballs.set(one, new Uint8Array(await readFile(join(place, file))));
    }
    uplink = createServer((request, response) => {
      const answer = answerTo(decodeURIComponent(request.url ?? ''));
      response.writeHead(answer === undefined ? 404 : 200).end(answer ?? '{}');
    });
    await new Promise<void>((resolve) => uplink.listen(0, '127.0.0.1', resolve));
    registry = await TestRegistry.start({ uplink: { url: origin() } });
  });

  after(async () => {
    await registry?.remove();
    uplink?.closeAllConnections();
    uplink?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  const origin = () => `http://127.0.0.1:${(uplink.address() as AddressInfo).port}/`;
  const split = (spec: string) =>
    [spec.slice(0, spec.lastIndexOf('@')), spec.slice(spec.lastIndexOf('@') + 1)] as const;
  const fileOf = (spec: string) => {
    const [name, version] = split(spec);
    return `/${name}/-/${name.slice(name.indexOf('/') + 1)}-${version}.tgz`;
  };

  function answerTo(path: string): string | Uint8Array | undefined {
    for (const { package: spec, file } of listed) {
      if (path === `/-/npm/v1/attestations/${spec}`) return instead ?? readFileSync(new URL(file, data), 'utf8');
      if (path === fileOf(spec)) return tarballs.get(spec);
    }
    const name = path.slice(1);
    const own = listed.filter((one) => split(one.package)[0] === name);
    if (own.length === 0) return undefined;
    const versions = own.map(({ package: spec, sri }) => {
      const [, version] = split(spec);
      const tarball = `${origin().slice(0, -1)}${fileOf(spec)}`;
      const attestations = { url: `${origin()}-/npm/v1/attestations/${spec}` };
      return [version, { name, version, dist: { tarball, integrity: sri, attestations } }];
    });
    return JSON.stringify({ name, 'dist-tags': { latest: versions[0]?.[0] }, versions: Object.fromEntries(versions) });
  }

  it('serves its packages once provenance and npm’s own statement hold, by the keys and the root that ship', async () => {
    for (const spec of packages) {
      const bytes = tarballs.get(spec) ?? new Uint8Array();
      assert.equal(sha512Integrity(bytes), listed.find((one) => one.package === spec)?.sri, 'the data is about these');
      const answer = await fetch(`${registry.url.slice(0, -1)}${fileOf(spec)}`);
      assert.equal(answer.status, 200, await (answer.ok ? '' : answer.text()));
      assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), bytes);
      assert.equal((await registry.attestations(encodeURIComponent(spec))).status, 200);
    }
  });

  it('refuses them when a byte of the evidence is another', async () => {
    const { storage } = registry.running.instance.layout.registry;
    const [{ file = '', package: spec = '' } = {}] = listed;
    const document = readFileSync(new URL(file, data), 'utf8');
    instead = document.replace(/"sig":\s*"(.)/, (all, first) => all.slice(0, -1) + (first === 'M' ? 'N' : 'M'));
    assert.notEqual(instead, document);
    await rm(storage, { recursive: true });
    await registry.restart();
    const { status, text } = await registry.fetch(fileOf(spec));
    assert.equal(status, 403);
    assert.match(text, /The evidence for .* does not hold/);
    instead = undefined;
  });

  it('lets the policy say whose provenance a package needs', async () => {
    const { policyFile, registry: places } = registry.running.instance.layout;
    const policy = await readFile(policyFile, 'utf8');
    const rule = (repository: string) =>
      `${policy}  - id: sigstore\n    match: [sigstore]\n    require:\n      - provenance: { repository: https://github.com/sigstore/${repository} }\n`;
    for (const [repository, expected] of [
      ['sigstore-js', 200],
      ['another', 403],
    ] as const) {
      await rm(places.storage, { recursive: true, force: true });
      await writeFile(policyFile, rule(repository));
      await registry.restart();
      const { status, text } = await registry.fetch(fileOf('sigstore@2.3.1'));
      assert.equal(status, expected, text.slice(0, 300));
    }
  });
});
