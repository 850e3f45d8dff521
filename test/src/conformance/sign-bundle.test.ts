import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { author, Instance } from '../scene/instance.ts';
import { run } from '../scene/processes.ts';
import { Workshop } from '../scene/workshop.ts';

const client = fileURLToPath(new URL('../../conformance/client', import.meta.url));

describe('official client conformance, sign-bundle', () => {
  let workshop: Workshop;
  let instance: Instance;
  let config: string;

  before(async function () {
    // The protocol's entry point is a shell script.
    if (process.platform === 'win32') this.skip();
    workshop = await Workshop.open();
    instance = await Instance.create(workshop);
    config = workshop.path('signing_config.json');
    const answer = await fetch(new URL('/-/signet/v1/signing_config.v0.2.json', instance.urls.registry));
    await writeFile(config, Buffer.from(await answer.arrayBuffer()));
  });
  after(async () => {
    await instance?.stop();
    await workshop?.close();
  });

  const places = () => ['--trusted-root', instance.urls.trustedRoot, '--signing-config', config];
  const call = async (...args: readonly string[]) => await run(client, args, workshop.options());

  async function sign(
    name: string,
    contents: string,
    ...flags: readonly string[]
  ): Promise<[file: string, bundle: string]> {
    const file = workshop.path(name);
    const bundle = `${file}.sigstore.json`;
    await writeFile(file, contents);
    const token = await instance.token();
    const { code, stderr } = await call(
      'sign-bundle',
      '--identity-token',
      token,
      '--bundle',
      bundle,
      ...flags,
      ...places(),
      file,
    );
    assert.equal(code, 0, stderr);
    return [file, bundle];
  }

  async function verify(bundle: string, artifact: string): Promise<number | null> {
    const who = ['--certificate-identity', author, '--certificate-oidc-issuer', instance.urls.oidc];
    const root = ['--trusted-root', instance.urls.trustedRoot];
    return (await call('verify-bundle', '--bundle', bundle, ...who, ...root, artifact)).code;
  }

  it('signs a file with the services of a signing config, so that the client and the reference client verify it', async () => {
    const [file, bundle] = await sign('a.txt', 'an artifact\n');
    assert.equal(await verify(bundle, file), 0);
    assert.equal(await verify(bundle, config), 1);
    const trust = toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(await instance.readTrustedRoot())));
    const entity = toSignedEntity(bundleFromJSON(JSON.parse(await readFile(bundle, 'utf8'))), await readFile(file));
    new Verifier(trust).verify(entity);
  });

  it('signs a statement in an envelope', async () => {
    const statement = {
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'a', digest: { sha256: 'ab'.repeat(32) } }],
      predicateType: 'https://predicate.example/v1',
      predicate: {},
    };
    const [, bundle] = await sign('statement.json', JSON.stringify(statement), '--in-toto');
    assert.equal(await verify(bundle, `sha256:${'ab'.repeat(32)}`), 0);
    assert.equal(await verify(bundle, `sha256:${'cd'.repeat(32)}`), 1);
  });

  it('refuses a token that the authority does not take, and leaves no bundle behind', async () => {
    const bundle = workshop.path('none.sigstore.json');
    const token = `${(await instance.token()).split('.').slice(0, 2).join('.')}.AAAA`;
    const args = ['--identity-token', token, '--bundle', bundle, ...places(), config];
    const { code, stderr } = await call('sign-bundle', ...args);
    assert.equal(code, 1, stderr);
    assert.ok(!stderr.includes(token), 'the token is not shown');
    await assert.rejects(readFile(bundle), { code: 'ENOENT' });
  });

  it('tells a wrong call from a refusal', async () => {
    for (const args of [[], ['sign'], ['sign-bundle', '--bundle', 'x', 'y'], ['verify-bundle', '--bundle', 'x']]) {
      assert.equal((await call(...args)).code, 2, args.join(' '));
    }
  });
});
