import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'mocha';
import { author, Instance } from '../scene/instance.ts';
import type { Finished } from '../scene/processes.ts';
import { Workshop } from '../scene/workshop.ts';

describe('the commands of an author', () => {
  let workshop: Workshop;
  let instance: Instance;
  let places: string[];
  let who: string[];
  let token: string;

  before(async () => {
    workshop = await Workshop.open();
    instance = await Instance.create(workshop);
    token = await instance.token();
    const { registry, oidc, trustedRoot } = instance.urls;
    places = ['--registry', registry, '--trusted-root', trustedRoot];
    who = ['--trusted-root', trustedRoot, '--issuer', oidc, '--identity', author];
    await writeFile(workshop.path('notes.txt'), 'hello\n');
    await writeFile(workshop.path('other.txt'), 'other\n');
    await writeFile(workshop.path('passphrase'), 'correct horse\n');
  });
  after(async () => {
    await instance?.stop();
    await workshop?.close();
  });

  const signet = (args: readonly string[], env: Record<string, string> = {}): Promise<Finished> =>
    workshop.signet(args, { env: { SIGSTORE_ID_TOKEN: token, ...env } });
  const encrypted = () => ({ SIGNET_PASSPHRASE_FILE: workshop.path('passphrase') });

  async function json(args: readonly string[], env: Record<string, string> = {}): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await signet([...args, '--json'], env);
    assert.equal(code, 0, `${args.join(' ')}\n${stdout}${stderr}`);
    return JSON.parse(stdout);
  }

  async function refused(args: readonly string[], exitCode: number, words: RegExp, env = {}): Promise<void> {
    const { code, stderr } = await signet(args, env);
    assert.equal(code, exitCode, stderr);
    assert.match(stderr, words);
  }

  it('sign several files with one certificate, and verify them one by one', async () => {
    const { signed, identity } = await json(['sign', 'notes.txt', 'other.txt', ...places]);
    assert.equal((signed as { bundle: string }[]).length, 2);
    assert.equal((identity as { subject: string }).subject, author);
    const { verdict } = await json(['verify', 'notes.txt', ...who]);
    assert.equal(verdict, 'allowed');
    await refused(
      ['verify', 'notes.txt', ...who.slice(0, 4), '--identity', 'mallory@example.com'],
      11,
      /ERR_IDENTITY_MISMATCH/,
    );
    await refused(['verify', 'notes.txt', '--bundle', 'other.txt.sigstore.json', ...who], 11, /ERR_/);
    await refused(
      ['verify', 'notes.txt', '--trusted-root', instance.urls.trustedRoot],
      2,
      /--issuer and --identity or with --key/,
    );
  });

  it('say before anything is signed for whom the certificate would be, and what would be public', async () => {
    const { source, certificate } = await json(['whoami']);
    assert.equal(source, 'SIGSTORE_ID_TOKEN');
    assert.ok((certificate as { subjects: string[] }).subjects.includes(author));
    await instance.logIn('alice');
    await workshop.copyExample('greeting', 'rehearsed');
    const checkpoint = async () => await (await fetch(`${instance.urls.log}/checkpoint`)).text();
    await (await fetch(`${instance.urls.registry}-/signet/v1/policy`)).arrayBuffer();
    const before = (await checkpoint()).split('\n')[1];
    const rehearsal = await json(['publish', 'rehearsed', '--dry-run', '--trusted-root', instance.urls.trustedRoot]);
    assert.ok((rehearsal.certificate as { subjects: string[] }).subjects.includes(author));
    assert.deepEqual(rehearsal.logEntry, { kind: 'hashedrekord', version: '0.0.2', logs: [instance.urls.log] });
    assert.equal(rehearsal.upload, 'document');
    assert.match(JSON.stringify(rehearsal.statement), /pkg:npm\/%40example.*slsa\.dev\/provenance\/v1/);
    assert.equal((await checkpoint()).split('\n')[1], before);
    assert.ok(!JSON.stringify(rehearsal).includes(token), 'the token is not printed');
    const mallory = await instance.token('mallory@example.com');
    await refused(['publish', 'rehearsed', '--dry-run', '--trusted-root', instance.urls.trustedRoot], 15, /TP111/, {
      SIGSTORE_ID_TOKEN: mallory,
    });
  });

  it('publish the workspaces of a repository with one identity', async () => {
    await instance.logIn('alice');
    for (const name of ['one', 'two']) {
      await workshop.copyExample('greeting', `repository/packages/${name}`, (manifest) => ({
        ...manifest,
        name: `@example/workspace-${name}`,
      }));
    }
    const root = { name: 'root', version: '0.0.0', private: true, workspaces: ['packages/*'] };
    await writeFile(workshop.path('repository', 'package.json'), JSON.stringify(root));
    const options = { cwd: workshop.path('repository'), env: { SIGSTORE_ID_TOKEN: token } };
    const { code, stdout, stderr } = await workshop.signet(
      ['publish', '--workspaces', '--trusted-root', instance.urls.trustedRoot],
      options,
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(stdout.trim().split('\n').sort(), [
      '+ @example/workspace-one@1.0.0',
      '+ @example/workspace-two@1.0.0',
    ]);
    const unknown = await workshop.signet(
      ['publish', '-w', 'three', '--trusted-root', instance.urls.trustedRoot],
      options,
    );
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /no workspace three/);
  });

  it('publish with a key where the registry’s policy names it, and say beforehand where it does not', async () => {
    await instance.logIn('alice');
    await json(['key', 'generate', 'holder'], encrypted());
    const trusted = ['--trusted-root', instance.urls.trustedRoot];
    const folder = await workshop.copyExample('greeting', 'keyed', (manifest) => ({
      ...manifest,
      name: '@example/keyed',
    }));
    const publish = ['publish', folder, '--key', 'holder.key', ...trusted];
    for (const flags of [['--dry-run'], []])
      await refused([...publish, ...flags], 15, /TP111.*an identity of/s, encrypted());
    const policy = `${instance.data}/trust-policy.yaml`;
    const before = await readFile(policy, 'utf8');
    await writeFile(`${instance.data}/holder.pub`, await readFile(workshop.path('holder.pub')));
    const holder = 'publishers:\n  holder: { key: { file: ./holder.pub } }\n';
    await writeFile(policy, before.replace('publishers:\n', holder).replaceAll('by: [author]', 'by: [author, holder]'));
    const rehearsal = await json([...publish, '--dry-run'], encrypted());
    const report = await json(publish, encrypted());
    assert.equal(report.key, rehearsal.key);
    assert.equal(report.identity, undefined);
    const verify = ['verify', '@example/keyed@1.0.0', '--policy', policy, '--registry', instance.urls.registry];
    assert.equal((await json(verify)).verdict, 'allowed');
    await refused(['publish', '--resume', '--key', 'holder.key', ...trusted], 2, /takes no --key/, encrypted());
    await writeFile(policy, before);
  }).timeout(180_000);

  it('overwrite nothing, and log nothing for a bundle that could not be written', async () => {
    const size = async () => Number((await (await fetch(`${instance.urls.log}/checkpoint`)).text()).split('\n')[1]);
    const before = await size();
    await refused(['sign', 'notes.txt', ...places], 2, /--force overwrites it/);
    await refused(['sign', 'absent.txt', ...places], 2, /cannot be read/);
    assert.equal(await size(), before);
  });

  it('attest a file with a predicate, which verify can demand', async () => {
    const bom = { bomFormat: 'CycloneDX', specVersion: '1.5', components: [] };
    await writeFile(workshop.path('bom.json'), JSON.stringify(bom));
    const { subject, predicateType } = await json([
      'attest',
      'notes.txt',
      '--type',
      'cyclonedx',
      '--predicate',
      'bom.json',
      ...places,
    ]);
    assert.equal(predicateType, 'https://cyclonedx.org/bom');
    assert.deepEqual(Object.keys((subject as { digest: object }).digest), ['sha256', 'sha512']);
    const bundle = ['--bundle', 'notes.txt.cyclonedx.sigstore.json'];
    const verified = await json(['verify', 'notes.txt', ...bundle, '--type', 'cyclonedx', ...who]);
    assert.equal(verified.predicateType, 'https://cyclonedx.org/bom');
    await refused(['verify', 'notes.txt', ...bundle, '--type', 'spdx', ...who], 11, /another type of statement/);
    await refused(['verify', 'other.txt', ...bundle, ...who], 11, /ERR_ARTIFACT_MISMATCH/);
    await refused(
      ['attest', 'notes.txt', '--type', 'openvex', '--predicate', 'bom.json', ...places],
      2,
      /nothing was signed/,
    );
    await refused(['attest', 'notes.txt', '--type', 'bill', '--predicate', 'bom.json', ...places], 2, /or any URI/);
  });

  it('name a tarball of npm by its purl', async () => {
    await workshop.copyExample('greeting');
    const packed = await workshop.npm(['pack', './greeting', '--json']);
    const [{ filename }] = JSON.parse(packed.stdout);
    await writeFile(workshop.path('review.json'), '{"approved":true}');
    const type = 'https://acme.example/review/v1';
    const { subject } = await json(['attest', filename, '--type', type, '--predicate', 'review.json', ...places]);
    const { name, digest } = subject as { name: string; digest: object };
    assert.match(name, /^pkg:npm\/%40example\/greeting@/);
    assert.deepEqual(Object.keys(digest), ['sha512']);
  });

  it('make a key, sign with it, and verify with its public half', async () => {
    await refused(['key', 'generate', 'release'], 2, /SIGNET_PASSPHRASE_FILE/);
    await json(['key', 'generate', 'release'], encrypted());
    assert.equal((await stat(workshop.path('release.key'))).mode & 0o077, 0);
    assert.ok(!(await readFile(workshop.path('release.key'), 'utf8')).includes('PRIVATE KEY-----'));
    await refused(['sign', 'notes.txt', '--force', '--key', 'release.key', ...places], 2, /encrypted/);
    const { key } = await json(['sign', 'notes.txt', '--force', '--key', 'release.key', ...places], encrypted());
    assert.equal(typeof key, 'string');
    const trust = ['--trusted-root', instance.urls.trustedRoot];
    const { signer } = await json(['verify', 'notes.txt', '--key', 'release.pub', ...trust]);
    assert.deepEqual(signer, { key });
    await json(['key', 'generate', 'stranger', '--no-passphrase']);
    await refused(['verify', 'notes.txt', '--key', 'stranger.pub', ...trust], 11, /ERR_/);
    await refused(['verify', 'notes.txt', ...who], 2, /ERR_KEY_REQUIRED/);
  });

  it('attest with keys that sign whole messages, and say before anything is logged that files are not signed so', async () => {
    for (const algorithm of ['ed25519', 'ml-dsa-65']) {
      const made = await signet(['key', 'generate', algorithm, '--algorithm', algorithm], encrypted());
      if (made.code !== 0) {
        // Node before 24.6 has no ML-DSA.
        assert.match(made.stderr, /use Node 24\.6 or later/);
        continue;
      }
      await writeFile(workshop.path('whole.json'), '{"approved":true}');
      const type = ['--type', 'https://acme.example/whole/v1'];
      const bundle = `${algorithm}.sigstore.json`;
      const key = ['--key', `${algorithm}.key`];
      const attest = ['attest', 'notes.txt', ...type, '--predicate', 'whole.json', '--out', bundle, ...key, ...places];
      await json(attest, encrypted());
      const verify = ['verify', 'notes.txt', '--bundle', bundle, ...type, '--trusted-root', instance.urls.trustedRoot];
      const { verdict } = await json([...verify, '--key', `${algorithm}.pub`]);
      assert.equal(verdict, 'allowed');
      await refused(['sign', 'notes.txt', '--force', ...key, ...places], 11, /or attest the file/, encrypted());
    }
    await refused(['sign', 'notes.txt', '--force', '--algorithm', 'ed25519', ...places], 11, /or attest the file/);
  });

  it('take keys in and give them out, as cosign and as openssl have them', async () => {
    await json(['key', 'export', 'release.key', '--private', '--format', 'cosign', '--out', 'cosign.key'], encrypted());
    await json(['key', 'import', 'cosign.key', 'again'], encrypted());
    const pem = async (name: string) => await readFile(workshop.path(name), 'utf8');
    assert.equal(await pem('again.pub'), await pem('release.pub'));
    await json(['key', 'export', 'again.key', '--private', '--out', 'pkcs8.pem'], encrypted());
    assert.match(await pem('pkcs8.pem'), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    const { pem: exported } = await json(['key', 'export', 'pkcs8.pem'], encrypted());
    assert.equal(exported, await pem('release.pub'));
    // cosign's own variable serves its keys.
    await json(['sign', 'other.txt', '--force', '--key', 'cosign.key', ...places], {
      COSIGN_PASSWORD: 'correct horse',
    });
    await refused(['key', 'import', 'cosign.key', 'release'], 2, /exists already|ERR_KEY_FILE/, encrypted());
  });

  it('bring an old bundle to the present format', async () => {
    await json(['sign', 'notes.txt', '--force', ...places]);
    const bundle = JSON.parse(await readFile(workshop.path('notes.txt.sigstore.json'), 'utf8'));
    const { certificate, ...others } = bundle.verificationMaterial;
    const old = {
      ...bundle,
      mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.2',
      verificationMaterial: { ...others, x509CertificateChain: { certificates: [certificate] } },
    };
    await writeFile(workshop.path('old.json'), JSON.stringify(old));
    const { changed } = await json(['bundle', 'upgrade', 'old.json', '--out', 'new.json']);
    assert.equal(changed, true);
    assert.deepEqual(JSON.parse(await readFile(workshop.path('new.json'), 'utf8')), bundle);
    await json(['verify', 'notes.txt', '--bundle', 'new.json', ...who]);
  });

  it('go through the proxy that npm is configured for, without npm’s tokens', async () => {
    const through: string[] = [];
    const proxy = createServer((incoming, outgoing) => {
      through.push(
        `${incoming.method} ${new URL(incoming.url ?? '').pathname} ${incoming.headers.authorization ?? ''}`,
      );
      const onward = request(incoming.url ?? '', { method: incoming.method, headers: incoming.headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(onward);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    await instance.logIn('alice');
    const env = {
      npm_config_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
      npm_config_noproxy: '',
      NO_PROXY: '',
      no_proxy: '',
    };
    try {
      await json(['sign', 'notes.txt', '--force', ...places], env);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
    const asked = through.map((line) => line.split(' ')[1]);
    for (const path of ['/signingCert', '/timestamp', '/log/entries']) {
      assert.ok(
        asked.some((one) => one?.endsWith(path)),
        `${path} in ${asked.join(', ')}`,
      );
    }
    assert.ok(
      through.every((line) => line.endsWith(' ')),
      'no credentials on the way',
    );
  });
});
