import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { sha512Integrity, toPurl } from '@signet/client/npm';
import { SigningSession } from '@signet/client/sign';
import { formatVerifierKey, fromBase64, parsePublicKeyInfo, statementV1, toHex } from '@signet/primitives/formats';
import { AuthorScene, alice } from '../author/author-scene.ts';
import { installedProgram, root, run } from './repository.ts';

const folder = path.join(root, 'docs/library');

/** The programs of a page, each with the line at which it begins. */
function programs(page: string): { line: number; text: string }[] {
  return [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => ({
    line: page.slice(0, match.index).split('\n').length + 1,
    text: match[1] ?? '',
  }));
}

/** What the examples find in their folder: a file, bundles about it, an attestation document, a trust root, a key, a policy, a token… */
async function prepare(scene: AuthorScene, place: string): Promise<void> {
  const write = (name: string, contents: string | Uint8Array) => writeFile(path.join(place, name), contents);
  const session = await SigningSession.open({
    identityToken: await scene.token(alice),
    services: scene.services,
    trust: scene.trust,
  });
  const app = Buffer.from('not really a tarball');
  await write('app.tgz', app);
  await write('trusted_root.json', await scene.readTrustedRoot());
  await write('app.tgz.sigstore.json', JSON.stringify((await session.signMessage(app)).bundle));

  const sha256 = createHash('sha256').update(app).digest('hex');
  const predicateType = 'https://example.com/review/v1';
  const review = statementV1({
    subject: [{ name: 'app.tgz', digest: { sha256 } }],
    predicateType,
    predicate: { ok: true },
  });
  await write('review.sigstore.json', JSON.stringify((await session.signStatement(review)).bundle));

  const sha512 = toHex(fromBase64(sha512Integrity(app).slice('sha512-'.length)));
  const subject = [{ name: toPurl('@example/hello', '1.0.0'), digest: { sha512 } }];
  const { bundle } = await session.signStatement(statementV1({ subject, predicateType, predicate: {} }));
  await write('attestations.json', JSON.stringify({ attestations: [{ predicateType, bundle }] }));

  // For those who sign: who they are, where to, and a package with npm's configuration for its registry.
  await write('token', (await scene.token(alice)).reveal());
  await write('signing_config.json', await readFile(scene.instance.instance.layout.trust.signingConfig));
  await write('.npmrc', await scene.npmrc());
  await mkdir(path.join(place, 'package'));
  await write('package/package.json', '{ "name": "@example/from-a-program", "version": "1.0.0" }\n');

  const { publicKey } = generateKeyPairSync('ed25519');
  await write('key.pub', publicKey.export({ format: 'pem', type: 'spki' }));
  const { keyBytes } = parsePublicKeyInfo(new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })));
  await write('witnesses.policy', `witness w ${formatVerifierKey('witness.example.com', 4, keyBytes)}\nquorum w\n`);
}

describe('the examples for programmers', () => {
  let scene: AuthorScene;
  let place: string;

  before(async function () {
    this.timeout(120_000);
    scene = await AuthorScene.open();
    // Below test/, where the packages are found by name as in any user's project.
    place = await mkdtemp(path.join(root, 'test/.library-'));
    await writeFile(path.join(place, 'package.json'), '{ "private": true, "type": "module" }\n');
    await mkdir(path.join(place, 'cache'));
    await prepare(scene, place);
  });
  after(async () => {
    await scene?.close();
    if (place !== undefined) await rm(place, { recursive: true, force: true });
  });

  const issuer = 'https://login.example.com';
  const authority = 'https://tsa.example.com/api/v1/timestamp';

  it('have types that hold, and run to their end', async function () {
    this.timeout(120_000);
    const pages = (await readdir(folder)).filter((file) => file.endsWith('.md'));
    const files: string[] = [];
    for (const page of pages) {
      for (const { line, text } of programs(await readFile(path.join(folder, page), 'utf8'))) {
        const file = path.join(place, `${path.basename(page, '.md')}-line-${line}.ts`);
        const [tsa = ''] = scene.services.tsaUrls;
        await writeFile(file, text.replaceAll(issuer, scene.instance.urls.oidc).replaceAll(authority, tsa));
        files.push(file);
      }
    }
    assert.ok(files.length >= 10, `${files.length} examples`);

    const configuration = {
      extends: path.join(root, 'tsconfig.json'),
      compilerOptions: { types: ['node'] },
      include: [`${place}/*.ts`],
    };
    await writeFile(path.join(place, 'tsconfig.json'), JSON.stringify(configuration));
    const types = await run(installedProgram('tsc'), ['-p', place, '--pretty', 'false'], place);
    const complaints = types.stdout.split('\n').filter((line) => line.includes('-line-'));
    assert.deepEqual(complaints, []);

    for (const file of files) {
      const { code, stdout, stderr } = await run(
        process.execPath,
        ['--conditions=@signet/source', file],
        place,
        scene.env,
      );
      assert.equal(code, 0, `${path.basename(file)}:\n${stdout}\n${stderr}`);
      // Where an example shows a refusal, it prints whether it was the expected one.
      assert.doesNotMatch(stdout, /^(?:false|undefined)$/m, path.basename(file));
    }
  });
});
