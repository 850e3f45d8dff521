import assert from 'node:assert/strict';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createPublishDocument, parseIntegrity, sha512Integrity, toPurl } from '@signet/client/npm';
import { signStatement } from '@signet/client/sign';
import { statementV1, toHex } from '@signet/primitives/formats';
import { type Browser, chromium, type Page } from 'playwright-core';
import { githubClaims, mintToken, readDevelopmentKeys } from '../src/index.ts';
import { packTarball } from './support/package.ts';
import { TestRegistry } from './support/registry.ts';

/** Where distributions put it; `CHROMIUM` names another. */
const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

async function findChromium(): Promise<string | undefined> {
  for (const place of places) {
    if (place === undefined) continue;
    try {
      await access(place);
      return place;
    } catch {
      // The next one.
    }
  }
  return undefined;
}

const injected = '<img src=x onerror="document.title=1">';

describe('the panel in Verdaccio’s page', () => {
  let registry: TestRegistry;
  let browser: Browser;

  before(async function () {
    const executablePath = await findChromium();
    if (executablePath === undefined) {
      process.stderr.write('skipped: no Chromium here (apt-get install chromium, or name it by CHROMIUM)\n');
      this.skip();
    }
    registry = await TestRegistry.start();
    // Chromium's own sandbox needs rights that containers and root do not have; the pages are our own.
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    await publishFromCi('@example/built');
    assert.equal((await registry.put(await registry.parcel('@example/by-hand'))).status, 201);
  });

  after(async () => {
    await browser?.close();
    await registry?.remove();
  });

  /** A version as a CI job publishes it, whose branch carries markup. */
  async function publishFromCi(name: string) {
    const { urls, instance } = registry.running;
    const { policyFile } = instance.layout;
    const policy = await readFile(policyFile, 'utf8');
    const subject = 'https://github.com/example/widgets/.github/workflows/release.yml@refs/heads/main';
    const publisher = `  ci: { oidc: { issuer: ${JSON.stringify(urls.ciIssuer)}, san: [${JSON.stringify(subject)}] } }\n`;
    await writeFile(
      policyFile,
      policy
        .replace('publishers:\n', `publishers:\n${publisher}`)
        .replace('by: ["publisher-1"]', 'by: ["publisher-1", "ci"]'),
    );
    const manifest = { name, version: '1.0.0', description: 'from a job' };
    const tarball = packTarball(manifest);
    const claims = githubClaims({ repository: 'example/widgets', environment: injected });
    const { bundle } = await signStatement({
      statement: statementV1({
        subject: [{ name: toPurl(name, '1.0.0'), digest: { sha512: toHex(parseIntegrity(sha512Integrity(tarball))) } }],
        predicateType: `javascript:alert(1)//${injected}`,
        predicate: {},
      }),
      identityToken: mintToken(await readDevelopmentKeys(instance.layout), urls.ciIssuer, claims),
      services: { caUrl: urls.ca, tsaUrl: `${urls.tsa}/api/v1/timestamp`, logUrl: urls.log },
      trust: await registry.trust(),
    });
    const document = createPublishDocument({ manifest, tarball, registry: registry.url, bundle });
    const answer = await registry.put({ name, document: structuredClone(document) as Record<string, unknown> });
    assert.equal(answer.status, 201, answer.text);
  }

  async function open(path: string, dark = false): Promise<{ page: Page; problems: string[] }> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('dialog', (dialog) => problems.push(dialog.message()));
    // Where Verdaccio's theme remembers what was chosen.
    await page.addInitScript(`localStorage.setItem('darkMode', '${dark}')`);
    await page.goto(`${registry.url}-/web/detail/${path}`);
    await page.waitForSelector('#signet-panel', { timeout: 20_000 });
    return { page, problems };
  }

  /** For people to look at; `npm test` leaves the pictures where nothing is committed. */
  async function picture(page: Page, name: string) {
    const folder = process.env.PANEL_PICTURES;
    if (folder === undefined) return;
    await mkdir(folder, { recursive: true });
    await page.screenshot({ path: join(folder, `${name}.png`) });
  }

  it('says who signed, from which commit and workflow, when, and where in the log', async () => {
    const { page, problems } = await open('@example/built');
    const panel = page.locator('#signet-panel');
    assert.equal(await panel.getAttribute('data-state'), 'verified');
    const text = await panel.innerText();
    assert.match(text, /Signed and verified/);
    for (const part of [
      'https://github.com/example/widgets/.github/workflows/release.yml@refs/heads/main',
      '0123456789abcdef0123456789abcdef01234567',
      'refs/heads/main',
      'Log entry',
      'UTC',
    ]) {
      assert.ok(text.includes(part), `${part} in ${text}`);
    }
    const links = await panel.locator('a').evaluateAll((found) => found.map((one) => one.getAttribute('href')));
    assert.ok(links.some((href) => href?.endsWith('/commit/0123456789abcdef0123456789abcdef01234567')));
    assert.deepEqual(
      links.filter((href) => !/^https?:\/\//.test(href ?? '')),
      [],
    );
    await picture(page, 'light');
    assert.deepEqual(problems, []);
    await page.close();
  });

  it('shows foreign texts as texts', async () => {
    const { page, problems } = await open('@example/built');
    const panel = page.locator('#signet-panel');
    assert.ok((await panel.innerText()).includes('<img src=x'), 'the markup is to be read');
    assert.equal(await panel.locator('img, script').count(), 0);
    assert.deepEqual(problems, []);
    await page.close();
  });

  it('can be read in the dark theme as in the light one', async () => {
    for (const dark of [false, true]) {
      const { page } = await open('@example/built', dark);
      const [ink, paper] = (await page.evaluate(coloursOfPanel)) as [string, string];
      assert.ok(contrast(ink, paper) >= 4.5, `${dark ? 'dark' : 'light'}: ${ink} on ${paper}`);
      const edge = await page.evaluate(`getComputedStyle(document.querySelector('#signet-panel')).borderLeftColor`);
      assert.ok(contrast(String(edge), paper) >= 3, `${dark ? 'dark' : 'light'}: ${edge} on ${paper}`);
      await picture(page, dark ? 'dark' : 'light-again');
      await page.close();
    }
  });

  it('follows from version to version and package to package, and says plainly when there is nothing', async () => {
    const { page } = await open('@example/by-hand');
    assert.match(await page.locator('#signet-panel').innerText(), /alice@example\.com/);
    // As the page does when somebody chooses another version: an address and something new to see.
    await page.evaluate(`history.pushState({}, '', '/-/web/detail/@example/by-hand/v/9.9.9')`);
    await page.evaluate(`void document.body.append(document.createElement('i'))`);
    await page.waitForSelector('#signet-panel[data-state="unsigned"]');
    assert.match(await page.locator('#signet-panel').innerText(), /Nobody signed this version/);
    await picture(page, 'unsigned');
    await page.close();
  });

  it('says so when evidence is not accepted', async () => {
    const { policyFile } = registry.running.instance.layout;
    const policy = await readFile(policyFile, 'utf8');
    await writeFile(policyFile, policy.replace('alice@example.com', 'carol@example.com'));
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const { page } = await open('@example/by-hand');
    assert.equal(await page.locator('#signet-panel').getAttribute('data-state'), 'refused');
    assert.match(await page.locator('#signet-panel').innerText(), /wrong publisher/);
    await picture(page, 'refused');
    await page.close();
    await writeFile(policyFile, policy);
  });
});

/** For the browser: the colour of the panel's text, and of the first thing behind it that has one. */
const coloursOfPanel = `(() => {
  const panel = document.querySelector('#signet-panel');
  let behind = panel;
  let colour = 'transparent';
  while (behind !== null && /, 0\\)$|transparent/.test(colour)) {
    colour = getComputedStyle(behind).backgroundColor;
    behind = behind.parentElement;
  }
  return [getComputedStyle(panel).color, colour];
})()`;

/** WCAG 2.2 contrast ratio of two `rgb(…)` colours. */
function contrast(one: string, other: string): number {
  const luminance = (colour: string) => {
    const [r = 0, g = 0, b = 0] = (colour.match(/[\d.]+/g) ?? []).map((part) => {
      const value = Number(part) / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}
