import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findToken } from '@signet/client/identity';
import { publishPackage } from '@signet/client/publish';
import { after, before, describe, it } from 'mocha';
import { AuthorScene, alice } from './author-scene.ts';

/** A person at a browser: follows redirects, keeps cookies, and types an address into the form that comes. */
async function logIn(start: URL, email: string): Promise<string> {
  const cookies = new Map<string, string>();
  let url = start;
  let form: URLSearchParams | undefined;
  for (let step = 0; step < 20; step++) {
    const response = await fetch(url.href, {
      redirect: 'manual',
      method: form ? 'POST' : 'GET',
      headers: { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') },
      ...(form ? { body: form } : {}),
    });
    form = undefined;
    for (const cookie of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (cookie.split(';')[0] ?? '').split('=');
      cookies.set(name, value);
    }
    const page = await response.text();
    const location = response.headers.get('location');
    if (location !== null) {
      url = new URL(location, url.href);
      // The resolver of this machine may not know localhost; browsers always do.
      if (url.hostname === 'localhost') url.hostname = '127.0.0.1';
      continue;
    }
    const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1];
    if (action === undefined) return page;
    url = new URL(action.replaceAll('&amp;', '&'), url.href);
    form = new URLSearchParams({ email });
  }
  throw new Error('the login leads nowhere');
}

describe('publishing as a person', () => {
  let scene: AuthorScene;
  before(async () => {
    scene = await AuthorScene.open();
  });
  after(() => scene.close());

  it('asks for a login where the registry says and the authority confirms it', async () => {
    const folder = await scene.package({ name: '@example/by-hand', version: '1.0.0' });
    let lastPage: Promise<string> | undefined;
    const report = await publishPackage({
      source: folder,
      cwd: folder,
      env: scene.env,
      trust: scene.trust,
      findToken: (wanted) =>
        findToken({
          env: {},
          ...wanted,
          openBrowser: (url) => {
            lastPage = logIn(url, alice);
          },
        }),
    });
    assert.equal(report.identity?.subject, alice);
    assert.equal(report.identity?.source, 'browser login');
    assert.match((await lastPage) ?? '', /You are logged in/);
  });

  it('ends at once with 130 by Ctrl-C while the browser is waited for', async () => {
    const folder = await scene.package({ name: '@example/not-by-hand', version: '1.0.0' });
    const { layout } = scene.instance.instance;
    const main = fileURLToPath(new URL('../../../cli/src/main.ts', import.meta.url));
    const words = ['publish', '--trusted-root', layout.trust.trustedRoot, '--issuer', scene.instance.urls.oidc];
    const child = spawn(process.execPath, ['--conditions=@signet/source', main, ...words], {
      cwd: folder,
      // No browser of this machine is found there.
      env: { ...scene.env, PATH: dirname(process.execPath) },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk) => {
      // A second signal would end the process without a word.
      const before = said;
      said += chunk;
      if (!/Log in at:\n {2}http\S+\n/.test(before) && /Log in at:\n {2}http\S+\n/.test(said)) child.kill('SIGINT');
    });
    const [code] = await once(child, 'close');
    assert.equal(code, 130, said);
    assert.match(said, /signet: cancelled; nothing was signed \[ERR_CANCELLED\]\n$/);
    assert.ok(!(await readdir(folder)).includes('.signet'));
  });
});
