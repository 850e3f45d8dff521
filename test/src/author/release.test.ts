import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  findWorkspaces,
  type PublishOptions,
  type PublishReport,
  publishPackage,
  publishPackages,
  resumePublishes,
} from '@signet/client/publish';
import { parseStatement } from '@signet/primitives/formats';
import { after, afterEach, before, describe, it } from 'mocha';
import { AuthorScene, alice } from './author-scene.ts';
import { TamperingProxy } from './tampering-proxy.ts';

describe('a release', () => {
  let scene: AuthorScene;
  let proxy: TamperingProxy;

  before(async () => {
    scene = await AuthorScene.open();
    proxy = await TamperingProxy.open(scene.registry);
  });
  after(async () => {
    await proxy.close();
    await scene.close();
  });
  afterEach(() => {
    proxy.tamper = (passing) => passing.forward();
  });

  function optionsFor(folder: string): Omit<PublishOptions, 'source'> & { asked: () => number } {
    let asked = 0;
    return {
      cwd: folder,
      env: scene.env,
      trust: scene.trust,
      retryFor: 0,
      findToken: async () => {
        asked += 1;
        return { token: await scene.token(), source: 'test', skipped: [] };
      },
      asked: () => asked,
    };
  }

  async function throughProxy(folder: string): Promise<void> {
    const npmrc = (await scene.npmrc()).replaceAll(new URL(scene.registry).host, new URL(proxy.origin).host);
    await writeFile(join(folder, '.npmrc'), npmrc);
  }

  const servicesThroughProxy = () => {
    const { caUrl, tsaUrls, logUrls } = scene.services;
    const through = (url: string) => proxy.through(url);
    return { caUrl: through(caUrl), tsaUrls: tsaUrls.map(through), logUrls: logUrls.map(through) };
  };

  async function repository(scope: string, names: readonly string[]): Promise<string> {
    const root = await scene.package({ name: 'root', version: '0.0.0', private: true, workspaces: ['packages/*'] });
    for (const name of names) {
      const folder = join(root, 'packages', name);
      await mkdir(folder, { recursive: true });
      const manifest = { name: `@example/${scope}-${name}`, version: '1.0.0', private: name === 'private' };
      await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
      await writeFile(join(folder, 'index.js'), `export default ${JSON.stringify(name)};\n`);
    }
    return root;
  }

  async function versions(name: string): Promise<string[]> {
    const response = await fetch(`${scene.registry}${name.replace('/', '%2f')}`);
    return Object.keys(((await response.json()) as { versions?: object }).versions ?? {});
  }

  function predicateOf({ bundle }: { bundle: Readonly<Record<string, unknown>> }) {
    const { dsseEnvelope } = bundle as { dsseEnvelope: { payload: string } };
    return parseStatement(Buffer.from(dsseEnvelope.payload, 'base64'));
  }

  describe('of workspaces', () => {
    it('asks for one identity and one certificate, and publishes each with its own entry', async () => {
      const root = await repository('many', ['a', 'b', 'c', 'private']);
      await throughProxy(root);
      const workspaces = await findWorkspaces(root);
      assert.deepEqual(
        workspaces.map(({ name }) => name),
        ['@example/many-a', '@example/many-b', '@example/many-c'],
      );
      const size = await scene.logSize();
      const options = optionsFor(root);
      proxy.seen.length = 0;
      const told: string[] = [];
      const reports = await publishPackages(
        workspaces.map(({ path }) => path),
        { ...options, services: servicesThroughProxy(), onPublished: ({ name }) => told.push(name) },
      );
      assert.equal(options.asked(), 1);
      assert.equal(proxy.seen.filter((line) => line.endsWith('/signingCert')).length, 1);
      assert.equal(await scene.logSize(), size + 3);
      assert.deepEqual(
        told.sort(),
        workspaces.map(({ name }) => name),
      );
      for (const { name, identity } of reports) {
        assert.equal(identity?.subject, alice);
        assert.deepEqual(await versions(name), ['1.0.0']);
      }
    });

    it('signs nothing when one of them cannot be published', async () => {
      const root = await repository('taken', ['a', 'b']);
      const workspaces = (await findWorkspaces(root)).map(({ path }) => path);
      await publishPackages(workspaces.slice(1), optionsFor(root));
      const size = await scene.logSize();
      await assert.rejects(publishPackages(workspaces, optionsFor(root)), { code: 'ERR_VERSION_EXISTS' });
      assert.equal(await scene.logSize(), size);
      assert.deepEqual(await versions('@example/taken-a'), []);
    });

    it('goes on with the others when one stops, and --resume finishes that one', async () => {
      const root = await repository('stopped', ['a', 'b', 'c']);
      await throughProxy(root);
      const workspaces = (await findWorkspaces(root)).map(({ path }) => path);
      const size = await scene.logSize();
      proxy.tamper = async (passing) =>
        passing.method === 'PUT' && passing.path.includes('stopped-b')
          ? { status: 503, headers: {}, body: Buffer.from('{}') }
          : await passing.forward();
      const done: string[] = [];
      const options = optionsFor(root);
      const onPublished = ({ name }: PublishReport) => void done.push(name);
      await assert.rejects(publishPackages(workspaces, { ...options, services: servicesThroughProxy(), onPublished }), {
        code: 'ERR_PUBLISH_UNFINISHED',
        message: /^2 of 3 packages are published; .*stopped-b.*--resume/,
      });
      assert.deepEqual(done.sort(), ['@example/stopped-a', '@example/stopped-c']);
      proxy.tamper = (passing) => passing.forward();
      const [report, ...others] = await resumePublishes(options);
      assert.equal(report?.name, '@example/stopped-b');
      assert.equal(others.length, 0);
      assert.equal(await scene.logSize(), size + 3);
      assert.equal(options.asked(), 1);
    });

    it('is told which workspaces there are, when another is chosen', async () => {
      const root = await repository('chosen', ['a', 'b']);
      assert.deepEqual(
        (await findWorkspaces(root, ['packages/b'])).map(({ name }) => name),
        ['@example/chosen-b'],
      );
      assert.deepEqual(
        (await findWorkspaces(root, ['@example/chosen-a'])).map(({ name }) => name),
        ['@example/chosen-a'],
      );
      assert.equal((await findWorkspaces(root, ['packages'])).length, 2);
      await assert.rejects(findWorkspaces(root, ['c']), { code: 'ERR_USAGE', message: /no workspace c/ });
      await assert.rejects(findWorkspaces(join(root, 'packages', 'a')), {
        code: 'ERR_USAGE',
        message: /no workspaces/,
      });
    });
  });

  describe('with attestations of its own', () => {
    const lockfile = (name: string) => {
      const left = {
        version: '1.0.0',
        resolved: `${scene.registry}left/-/left-1.0.0.tgz`,
        integrity: `sha512-${'A'.repeat(86)}==`,
      };
      const packages = { '': { name, version: '1.0.0', dependencies: { left: '1.0.0' } }, 'node_modules/left': left };
      return JSON.stringify({ name, version: '1.0.0', lockfileVersion: 3, requires: true, packages });
    };
    const manifestOf = (name: string) => ({ name, version: '1.0.0', dependencies: { left: '1.0.0' } });

    /** What npm asks of a registry that has advisories, and knows of none. */
    const advisories = () => {
      proxy.tamper = async (passing) =>
        passing.path.includes('/security/advisories/bulk')
          ? { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from('{}') }
          : await passing.forward();
    };

    it('has them logged once each and served beside the provenance', async () => {
      const name = '@example/sbom-full';
      const folder = await scene.package(manifestOf(name), { 'package-lock.json': lockfile(name) });
      await throughProxy(folder);
      advisories();
      const size = await scene.logSize();
      const options = { ...optionsFor(folder), source: folder, sbom: 'cyclonedx', audit: true } as const;
      const report = await publishPackage(options);
      assert.equal(await scene.logSize(), size + 3);
      const [sbom, audit] = report.extra.map(predicateOf);
      assert.equal(sbom?.predicateType, 'https://cyclonedx.org/bom');
      assert.equal(sbom.predicate.bomFormat, 'CycloneDX');
      const { component } = sbom.predicate.metadata as { component: { name: string; purl: string } };
      assert.deepEqual([component.name, component.purl], [name, 'pkg:npm/%40example/sbom-full@1.0.0']);
      assert.match(String(sbom.predicate.serialNumber), /^urn:uuid:[0-9a-f-]{36}$/);
      assert.ok(!('timestamp' in (sbom.predicate.metadata as object)), 'no time of the run');
      assert.deepEqual(sbom.subject, predicateOf(report).subject);
      assert.equal(audit?.predicateType, 'https://cosign.sigstore.dev/attestation/vuln/v1');
      const { scanner } = audit.predicate as { scanner: { result: { auditReportVersion: number } } };
      assert.equal(scanner.result.auditReportVersion, 2);
      const served = await fetch(`${scene.registry}-/npm/v1/attestations/${name.replace('/', '%2f')}@1.0.0`);
      const { attestations } = (await served.json()) as { attestations: { predicateType: string }[] };
      assert.deepEqual(attestations.map(({ predicateType }) => predicateType).sort(), [
        'https://cosign.sigstore.dev/attestation/vuln/v1',
        'https://cyclonedx.org/bom',
        'https://slsa.dev/provenance/v1',
      ]);
    });

    it('is finished by --resume with one entry for each, wherever it stopped', async () => {
      for (const [index, hits] of [
        (path: string) => path.endsWith('/api/v2/log/entries'),
        (path: string) => path.endsWith('/-/signet/v1/bundles'),
      ].entries()) {
        const name = `@example/sbom-resumed-${index}`;
        const folder = await scene.package(manifestOf(name), { 'package-lock.json': lockfile(name) });
        await throughProxy(folder);
        const size = await scene.logSize();
        // The second of its kind is done, and its answer lost.
        let count = 0;
        proxy.tamper = async (passing, response) => {
          if (passing.path.includes('/security/advisories/bulk'))
            return { status: 200, headers: {}, body: Buffer.from('{}') };
          const answer = await passing.forward();
          if (passing.method === 'POST' && hits(passing.path) && ++count === 2) {
            response.destroy();
            return undefined;
          }
          return answer;
        };
        const options = { ...optionsFor(folder), services: servicesThroughProxy() };
        await assert.rejects(publishPackage({ ...options, source: folder, sbom: 'cyclonedx', audit: true }), {
          code: 'ERR_PUBLISH_UNFINISHED',
        });
        proxy.tamper = (passing) => passing.forward();
        const [report] = await resumePublishes(options);
        assert.equal(report?.extra.length, 2);
        assert.equal(await scene.logSize(), size + 3);
        assert.deepEqual(await versions(name), ['1.0.0']);
        assert.ok(!existsSync(join(folder, '.signet')));
      }
    });

    it('signs nothing when the audit itself failed', async () => {
      const name = '@example/sbom-unaudited';
      const folder = await scene.package(manifestOf(name), { 'package-lock.json': lockfile(name) });
      await throughProxy(folder);
      proxy.tamper = async (passing) =>
        passing.path.includes('/security/')
          ? { status: 405, headers: {}, body: Buffer.from('{"error":"no audit here"}') }
          : await passing.forward();
      const size = await scene.logSize();
      await assert.rejects(publishPackage({ ...optionsFor(folder), source: folder, audit: true }), {
        code: 'ERR_PACK_FAILED',
        message: /npm audit did not audit.*nothing was signed/,
      });
      assert.equal(await scene.logSize(), size);
    });

    it('signs nothing that the registry’s policy has no use for', async () => {
      const name = '@example/plain-with-sbom';
      const folder = await scene.package(manifestOf(name), { 'package-lock.json': lockfile(name) });
      const size = await scene.logSize();
      await assert.rejects(publishPackage({ ...optionsFor(folder), source: folder, sbom: 'spdx' }), {
        code: 'ERR_EVIDENCE_REFUSED',
        message:
          /asks for no https:\/\/spdx\.dev\/Document.*predicateType: "https:\/\/spdx\.dev\/Document", by: \[NAME\]/,
      });
      assert.equal(await scene.logSize(), size);
    });

    it('says what is missing without a lockfile', async () => {
      const folder = await scene.package({ name: '@example/sbom-none', version: '1.0.0' });
      await assert.rejects(publishPackage({ ...optionsFor(folder), source: folder, sbom: 'cyclonedx' }), {
        code: 'ERR_PACK_FAILED',
        message: /no lockfile.*npm install --package-lock-only/,
      });
    });
  });

  it('that an earlier version of the file describes is finished too', async () => {
    const folder = await scene.package({ name: '@example/older-job', version: '1.0.0' });
    await throughProxy(folder);
    proxy.tamper = async (passing) =>
      passing.method === 'PUT' ? { status: 503, headers: {}, body: Buffer.from('{}') } : await passing.forward();
    const options = optionsFor(folder);
    await assert.rejects(
      publishPackage({ ...options, services: servicesThroughProxy(), source: folder }),
      /--resume, or|--resume/,
    );
    proxy.tamper = (passing) => passing.forward();
    const { readdir } = await import('node:fs/promises');
    const kept = (await readdir(join(folder, '.signet'))).find((name) => name.endsWith('.json')) ?? assert.fail();
    const file = join(folder, '.signet', kept);
    const { bundles, ...job } = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...job, format: 1, bundle: bundles[0] }));
    const [report] = await resumePublishes(options);
    assert.equal(report?.name, '@example/older-job');
  });

  describe('from a job without an npm token', () => {
    let platform: ReturnType<typeof createServer>;
    let claims: Record<string, unknown> = {};

    before(async () => {
      const publisher = {
        package: '@example/trusted',
        issuer: scene.instance.urls.ciIssuer,
        claims: { repository_id: '1001' },
      };
      await scene.reconfigure((text) =>
        text.replace('trustedPublishing: []', `trustedPublishing: ${JSON.stringify([publisher])}`),
      );
      // The platform's own endpoint: gives the job a token for the audience that it asks for.
      platform = createServer(async (request, response) => {
        const audience = new URL(request.url ?? '/', 'http://localhost').searchParams.get('audience') ?? '';
        response.end(JSON.stringify({ value: await scene.jobTokenFor(audience, claims) }));
      });
      platform.listen(0, '127.0.0.1');
      await once(platform, 'listening');
    });
    after(() => platform.close());

    async function publish(name: string) {
      const folder = await scene.package({ name, version: '1.0.0' });
      await writeFile(join(folder, '.npmrc'), `registry=${scene.registry}\n`);
      const { port } = platform.address() as AddressInfo;
      return await publishPackage({
        ...optionsFor(folder),
        source: folder,
        findToken: async () => ({ token: await scene.jobToken(), source: 'test', skipped: [] }),
        env: {
          ...scene.env,
          ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${port}/token?api=1`,
          ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'request-token',
        },
      });
    }

    it('exchanges its identity for a publish token', async () => {
      const report = await publish('@example/trusted');
      assert.match(report.user ?? '', /^trusted-publisher:repo:example\/widgets/);
      assert.deepEqual(await versions('@example/trusted'), ['1.0.0']);
    });

    it('is told why it gets none, instead of falling back in silence', async () => {
      const size = await scene.logSize();
      await assert.rejects(publish('@example/untrusted'), {
        code: 'ERR_REGISTRY_CREDENTIALS',
        message: /no publish token for the identity from GitHub Actions: .*@example\/untrusted/,
      });
      claims = { repository_id: '9999' };
      await assert.rejects(publish('@example/trusted'), (error: Error & { code?: string }) => {
        assert.match(error.message, /repository_id must be 1001, found 9999/);
        assert.doesNotMatch(error.message, /eyJ/, 'no token is shown');
        return error.code === 'ERR_REGISTRY_CREDENTIALS';
      });
      assert.equal(await scene.logSize(), size);
    });
  });
});
