import assert from 'node:assert/strict';
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
    assert.equal(report.identity.subject, alice);
    assert.equal(report.identity.source, 'browser login');
    assert.match((await lastPage) ?? '', /You are logged in/);
  });
});
