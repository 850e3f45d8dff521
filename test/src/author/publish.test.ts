import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { IdentityToken } from '@signet/client/identity';
import { type PublishOptions, publishPackage, rehearsePublish } from '@signet/client/publish';
import { loadTrustMaterial, TrustMaterial } from '@signet/client/trust';
import { parseStatement } from '@signet/primitives/formats';
import { after, afterEach, before, describe, it } from 'mocha';
import { AuthorScene, alice } from './author-scene.ts';
import { TamperingProxy } from './tampering-proxy.ts';

describe('publishing a package', () => {
  let scene: AuthorScene;
  let proxy: TamperingProxy;
  let count = 0;

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
    proxy.seen.length = 0;
  });

  const fresh = (): { name: string; version: string } => ({ name: `@example/lib-${++count}`, version: '1.0.0' });

  async function publish(folder: string, options: Partial<PublishOptions> & { token?: IdentityToken } = {}) {
    const { token = await scene.token(), ...rest } = options;
    return await publishPackage({
      source: folder,
      cwd: folder,
      env: scene.env,
      trust: scene.trust,
      retryFor: 0,
      findToken: async () => ({ token, source: 'test', skipped: [] }),
      ...rest,
    });
  }

  /** What the registry serves of a package. */
  async function served(name: string): Promise<{ status: number; body: Record<string, never> }> {
    const response = await fetch(`${scene.registry}${name.replace('/', '%2f')}`);
    return { status: response.status, body: (await response.json()) as Record<string, never> };
  }

  const integrityOf = (bytes: Uint8Array): string => `sha512-${createHash('sha512').update(bytes).digest('base64')}`;

  it('packs once with its scripts, signs those bytes and reads them back', async () => {
    const manifest = {
      ...fresh(),
      bin: './index.js',
      scripts: {
        prepublishOnly: 'echo prepublishOnly >> ran.txt',
        prepack: 'echo prepack >> ran.txt',
        prepare: 'echo prepare >> ran.txt',
        postpack: 'echo postpack >> ran.txt',
        publish: 'echo publish >> ran.txt',
        postpublish: 'echo postpublish >> ran.txt',
      },
    };
    const folder = await scene.package(manifest, { 'README.md': '# Read me\n' });
    const steps: string[] = [];
    const report = await publish(folder, { onStep: (step) => steps.push(step) });
    assert.deepEqual(steps, [
      'pack',
      'preflight',
      'identity',
      'certificate',
      'timestamp',
      'log entry',
      'verification',
      'upload',
      'read back',
    ]);
    const ran = (await readFile(join(folder, 'ran.txt'), 'utf8')).trim().split(/\s+/);
    assert.deepEqual(ran, ['prepublishOnly', 'prepack', 'prepare', 'postpack', 'publish', 'postpublish']);
    const tarball = await fetch(`${scene.registry}${manifest.name}/-/${manifest.name.split('/')[1]}-1.0.0.tgz`);
    assert.equal(integrityOf(new Uint8Array(await tarball.arrayBuffer())), report.integrity);
    assert.equal(report.identity?.subject, alice);
    assert.equal(report.user, 'alice');
    assert.match(report.logEntries[0]?.index ?? '', /^\d+$/);
    const { body } = await served(manifest.name);
    const published = body as unknown as { versions: Record<string, { bin: unknown }>; readme: string };
    // As npm writes it: a registry's manifest names each command.
    assert.deepEqual(published.versions['1.0.0']?.bin, { [manifest.name.split('/')[1] ?? '']: 'index.js' });
    assert.equal(published.readme, '# Read me\n');
    assert.ok(!JSON.stringify(body).includes(scene.directory), 'no path of this machine may be published');
  });

  it('publishes a tarball with the very bytes it has', async () => {
    const manifest = fresh();
    const first = await scene.package(manifest);
    const rehearsal = await rehearsePublish({ source: first, cwd: first, env: scene.env, trust: scene.trust });
    const file = join(first, 'given.tgz');
    await writeFile(file, rehearsal.packed.tarball);
    const report = await publish(file, { cwd: first });
    assert.equal(report.integrity, integrityOf(rehearsal.packed.tarball));
  });

  it('says in its provenance what the job’s certificate says', async () => {
    const manifest = fresh();
    const folder = await scene.package(manifest);
    const token = await scene.jobToken({ repository: 'example/widgets', ref: 'refs/tags/v1.0.0' });
    const report = await publish(folder, { token });
    const { dsseEnvelope } = report.bundle as { dsseEnvelope: { payload: string } };
    const { predicate } = parseStatement(Buffer.from(dsseEnvelope.payload, 'base64'));
    const { buildDefinition } = predicate as {
      buildDefinition: { externalParameters: unknown; resolvedDependencies: unknown };
    };
    assert.deepEqual(buildDefinition.externalParameters, {
      workflow: {
        ref: 'refs/tags/v1.0.0',
        repository: 'https://github.com/example/widgets',
        path: '.github/workflows/release.yml',
      },
    });
    assert.deepEqual(buildDefinition.resolvedDependencies, [
      {
        uri: 'git+https://github.com/example/widgets@refs/tags/v1.0.0',
        digest: { gitCommit: '0123456789abcdef0123456789abcdef01234567' },
      },
    ]);
    assert.ok(!JSON.stringify(predicate).includes('GITHUB_'), 'no variables of the build');
  });

  describe('logs and sends nothing when', () => {
    let size: number;
    before(async () => {
      size = await scene.logSize();
    });
    afterEach(async () => {
      assert.equal(await scene.logSize(), size);
    });

    it('it is only a rehearsal', async () => {
      const manifest = fresh();
      const folder = await scene.package(manifest);
      const rehearsal = await rehearsePublish({ source: folder, cwd: folder, env: scene.env, trust: scene.trust });
      assert.equal(rehearsal.preflight.user, 'alice');
      assert.equal((await served(manifest.name)).status, 404);
      assert.deepEqual((await readdir(folder)).sort(), ['.npmrc', 'index.js', 'package.json']);
    });

    it('the version is taken', async () => {
      const folder = await scene.package({ name: '@example/lib-1', version: '1.0.0' });
      await assert.rejects(publish(folder), { code: 'ERR_VERSION_EXISTS' });
    });

    it('a prerelease or an older version would become the latest', async () => {
      const prerelease = await scene.package({ ...fresh(), version: '2.0.0-rc.1' });
      await assert.rejects(publish(prerelease), { code: 'ERR_USAGE', message: /--tag next/ });
      const older = await scene.package({ name: '@example/lib-1', version: '0.9.0' });
      await assert.rejects(publish(older), { code: 'ERR_USAGE', message: /later version 1\.0\.0/ });
    });

    it('there are no credentials, or wrong ones', async () => {
      const folder = await scene.package(fresh());
      await writeFile(join(folder, '.npmrc'), `registry=${scene.registry}\n`);
      await assert.rejects(publish(folder), {
        code: 'ERR_REGISTRY_CREDENTIALS',
        message: /no credentials are configured for .*npm login/,
      });
      const { host } = new URL(scene.registry);
      await writeFile(join(folder, '.npmrc'), `registry=${scene.registry}\n//${host}/:_authToken=not-a-token-123\n`);
      await assert.rejects(publish(folder), (error: Error & { code?: string }) => {
        assert.match(error.message, /credentials are configured for .* and not accepted/);
        return error.code === 'ERR_REGISTRY_CREDENTIALS' && !error.message.includes('not-a-token-123');
      });
    });

    it('the name is not one that the registry owns', async () => {
      const folder = await scene.package({ name: '@notowned/e', version: '1.0.0' });
      const refusal = {
        code: 'ERR_PUBLISH_FORBIDDEN',
        message: /owns only @example\/\*, you tried @notowned\/e; nothing was signed/,
      };
      const findToken = () => assert.fail('no token may be asked for');
      await assert.rejects(publish(folder, { findToken }), refusal);
      await assert.rejects(publish(folder, { findToken, services: scene.services }), refusal);
      await assert.rejects(
        rehearsePublish({ source: folder, cwd: folder, env: scene.env, trust: scene.trust }),
        refusal,
      );
    });

    it('it is interrupted while a person is asked to log in', async () => {
      const folder = await scene.package(fresh());
      const stop = new AbortController();
      const findToken = async () => {
        stop.abort(new Error('SIGINT'));
        throw stop.signal.reason;
      };
      await assert.rejects(publish(folder, { findToken, signal: stop.signal }), {
        code: 'ERR_CANCELLED',
        message: 'cancelled; nothing was signed',
      });
      assert.ok(!(await readdir(folder)).includes('.signet'));
    });

    it('the package is private, has no version, or is none', async () => {
      await assert.rejects(publish(await scene.package({ ...fresh(), private: true })), {
        code: 'ERR_PACKAGE_PRIVATE',
      });
      await assert.rejects(publish(await scene.package({ name: '@example/none' })), { code: 'ERR_PACKAGE' });
      await assert.rejects(publish(join(scene.directory, 'absent')), { code: 'ERR_PACKAGE' });
      const file = join(await scene.package(fresh()), 'index.js');
      await assert.rejects(publish(file), { code: 'ERR_TARBALL' });
    });

    it('a script fails, and its words are shown', async () => {
      const folder = await scene.package({ ...fresh(), scripts: { prepack: 'echo the compiler says no >&2; exit 3' } });
      await assert.rejects(publish(folder), { code: 'ERR_PACK_FAILED', message: /the compiler says no/ });
    });

    it('scripts are turned off in npm’s configuration, they do not run', async () => {
      const folder = await scene.package({ ...fresh(), scripts: { prepublishOnly: 'exit 1', prepack: 'exit 1' } });
      await writeFile(join(folder, '.npmrc'), `${await scene.npmrc()}ignore-scripts=true\n`);
      assert.ok(await rehearsePublish({ source: folder, cwd: folder, env: scene.env, trust: scene.trust }));
    });

    it('the registry names services that the trusted root does not', async () => {
      const folder = await scene.package(fresh());
      await writeFile(
        join(folder, '.npmrc'),
        (await scene.npmrc()).replaceAll(new URL(scene.registry).host, new URL(proxy.origin).host),
      );
      proxy.tamper = async (passing) => {
        const answer = await passing.forward();
        if (!passing.path.endsWith('/-/signet/v1/instance')) return answer;
        const description = JSON.parse(answer.body.toString());
        return { ...answer, body: Buffer.from(JSON.stringify({ ...description, ca: `${proxy.origin}/-/signet/ca` })) };
      };
      const findToken = () => assert.fail('no token may be asked for');
      await assert.rejects(publish(folder, { findToken }), { code: 'ERR_SERVICES', message: /does not know/ });
    });

    it('the registry has no services', async () => {
      const folder = await scene.package(fresh());
      proxy.tamper = async (passing) =>
        passing.path.startsWith('/-/signet/')
          ? { status: 404, headers: {}, body: Buffer.from('{}') }
          : await passing.forward();
      await assert.rejects(
        publish(folder, { registry: proxy.origin, env: { ...scene.env, ...tokenFor(await scene.npmrc()) } }),
        {
          code: 'ERR_CONFIGURATION',
          message: /npm config set @example:registry URL.*--signing-config/,
        },
      );
    });

    it('the trusted root is another instance’s', async () => {
      const folder = await scene.package(fresh());
      const root = JSON.parse(await scene.readTrustedRoot());
      root.certificateAuthorities = [];
      await assert.rejects(publish(folder, { trust: TrustMaterial.fromTrustedRoot(root) }), { code: 'ERR_SERVICES' });
      await assert.rejects(loadTrustMaterial(join(folder, 'absent.json')), { code: 'ERR_TRUST_FILE' });
    });
  });

  describe('does not believe the registry', () => {
    async function through(change: (path: string, value: Record<string, unknown>) => void) {
      const manifest = fresh();
      const folder = await scene.package(manifest);
      await writeFile(
        join(folder, '.npmrc'),
        (await scene.npmrc()).replaceAll(new URL(scene.registry).host, new URL(proxy.origin).host),
      );
      let sent = false;
      proxy.tamper = async (passing) => {
        const answer = await passing.forward();
        if (passing.method === 'PUT') sent = true;
        if (!sent || passing.method !== 'GET' || answer.status !== 200) return answer;
        const value = JSON.parse(answer.body.toString());
        change(passing.path, value);
        return { ...answer, body: Buffer.from(JSON.stringify(value)) };
      };
      return await publish(folder);
    }

    it('when it then serves other bytes', async () => {
      await assert.rejects(
        through((_path, value) => {
          const versions = (value.versions ?? {}) as Record<string, { dist: { integrity: string } }>;
          for (const version of Object.values(versions)) version.dist.integrity = integrityOf(Buffer.from('evil'));
        }),
        { code: 'ERR_INTEGRITY_MISMATCH', message: /other bytes/ },
      );
    });

    it('when it then serves no signature', async () => {
      await assert.rejects(
        through((path, value) => {
          if (path.includes('/attestations/')) value.attestations = [];
        }),
        { code: 'ERR_READ_BACK', message: /signature/ },
      );
    });
  });

  it('tells in the registry’s words why it is refused', async () => {
    const folder = await scene.package(fresh());
    const npmrc = (await scene.npmrc()).replaceAll(new URL(scene.registry).host, new URL(proxy.origin).host);
    await writeFile(join(folder, '.npmrc'), npmrc);
    // A registry that does not say by what it judges.
    proxy.tamper = async (passing) =>
      passing.path.endsWith('/-/signet/v1/policy')
        ? { status: 404, headers: {}, body: Buffer.from('{}') }
        : await passing.forward();
    const token = await scene.token('mallory@example.com');
    await assert.rejects(publish(folder, { token }), (error: Error & { code?: string }) => {
      assert.doesNotMatch(error.message, /--resume/);
      return error.code === 'ERR_REGISTRY_REFUSED' && /mallory@example\.com|TP\d+/.test(error.message);
    });
    // A refusal that a repetition would not change leaves nothing in the way of the next publish.
    assert.ok(!(await readdir(folder)).includes('.signet'));
    assert.equal((await publish(folder)).identity?.subject, alice);
  });

  it('counts a version that arrived although its answer was lost', async () => {
    const manifest = fresh();
    const folder = await scene.package(manifest);
    await writeFile(
      join(folder, '.npmrc'),
      (await scene.npmrc()).replaceAll(new URL(scene.registry).host, new URL(proxy.origin).host),
    );
    proxy.tamper = async (passing) => {
      const answer = await passing.forward();
      return passing.method === 'PUT'
        ? { status: 409, headers: {}, body: Buffer.from('{"error":"this package is already present"}') }
        : answer;
    };
    assert.equal((await publish(folder)).name, manifest.name);
  });

  function tokenFor(npmrc: string): Record<string, string> {
    const token = /_authToken=(\S+)/.exec(npmrc)?.[1] ?? '';
    return { [`npm_config_//${new URL(proxy.origin).host}/:_authToken`]: token };
  }
});
