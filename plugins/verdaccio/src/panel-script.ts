/**
 * The panel's script, for the browser. It writes foreign texts as text alone, makes links of http and https alone, and takes
 * colours from the page, so that it follows its theme. Verdaccio's page has no place for others, so it waits for the sidebar to
 * appear and puts the panel at its top; without a sidebar nothing happens.
 */
export const panelScript = `(() => {
  'use strict';
  const id = 'signet-panel';
  // Colours that stand out from light and dark pages alike, three to one at least (WCAG 2.2, 1.4.11).
  const marks = {
    verified: ['\\u2713', '#3d9142'],
    refused: ['\\u2717', '#ef5350'],
    unsigned: ['\\u2013', '#888888'],
    foreign: ['\\u2013', '#888888'],
  };

  // Which version the page is about, and what is known of it.
  let shown = '';
  let facts;

  const element = (tag, text, style) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (style !== undefined) made.style.cssText = style;
    return made;
  };

  const link = (text, address) => {
    let url;
    try {
      url = new URL(address, document.baseURI);
    } catch {
      return element('span', text);
    }
    if (url.protocol !== 'https:' && url.protocol !== 'http:') return element('span', text);
    const made = element('a', text, 'color:inherit;text-decoration:underline;overflow-wrap:anywhere');
    made.href = url.href;
    made.rel = 'noopener noreferrer nofollow';
    made.target = '_blank';
    return made;
  };

  const row = (list, name, value, address) => {
    if (value === undefined || value === null || value === '') return;
    list.append(element('dt', name, 'opacity:.7;font-size:.75rem;margin-top:.4rem'));
    const data = element('dd', undefined, 'margin:0;overflow-wrap:anywhere');
    data.append(address === undefined ? element('span', value) : link(value, address));
    list.append(data);
  };

  const panel = (facts) => {
    const box = element('section', undefined,
      'color:inherit;border:1px solid rgba(128,128,128,.45);border-radius:6px;padding:.75rem 1rem;margin:0 0 1rem;' +
      'font-family:inherit;font-size:.875rem;line-height:1.4');
    box.id = id;
    box.dataset.state = facts.state;
    box.setAttribute('aria-label', 'Evidence');
    const [mark, colour] = marks[facts.state] ?? marks.foreign;
    // Drawn, not said: the title says it.
    box.style.borderLeft = '4px solid ' + colour;
    const title = element('h2', undefined, 'font-size:1rem;margin:0 0 .25rem;font-weight:600');
    const drawn = element('span', mark, 'display:inline-block;width:1.3em;color:' + colour);
    drawn.setAttribute('aria-hidden', 'true');
    title.append(drawn, facts.title);
    box.append(title);
    if (facts.explanation) box.append(element('p', facts.explanation, 'margin:0 0 .25rem'));
    for (const one of facts.evidence) {
      const list = element('dl', undefined, 'margin:.5rem 0 0;border-top:1px solid rgba(128,128,128,.3)');
      for (const { name, value, url } of one.facts) row(list, name, value, url);
      box.append(list);
    }
    if (facts.document) {
      const more = element('p', undefined, 'margin:.6rem 0 0');
      more.append(link('All evidence as JSON', facts.document));
      box.append(more);
    }
    return box;
  };

  const page = () => {
    const base = new URL(document.baseURI).pathname;
    const path = decodeURIComponent(location.pathname);
    const local = path.startsWith(base) ? path.slice(base.length - 1) : path;
    return local.match(/^\\/-\\/web\\/detail\\/((?:@[^/]+\\/)?[^/]+)(?:\\/v\\/([^/]+))?\\/?$/);
  };

  const show = () => {
    const sidebar = document.querySelector('[data-testid="sidebar"]');
    const present = document.getElementById(id);
    if (facts === undefined || sidebar === null || (present !== null && present.dataset.of === shown)) return;
    present?.remove();
    const made = panel(facts);
    made.dataset.of = shown;
    (sidebar.firstElementChild ?? sidebar).prepend(made);
  };

  const follow = () => {
    const detail = page();
    const wanted = detail === null ? '' : detail[1] + '@' + (detail[2] ?? '');
    if (wanted !== shown) {
      shown = wanted;
      facts = undefined;
      document.getElementById(id)?.remove();
      if (detail === null) return;
      const query = new URLSearchParams({ name: detail[1], ...(detail[2] ? { version: detail[2] } : {}) });
      fetch('-/signet/v1/panel?' + query)
        .then((answer) => (answer.ok ? answer.json() : undefined))
        .then((found) => {
          if (shown !== wanted) return;
          facts = found;
          show();
        })
        .catch(() => {});
    }
    show();
  };

  new MutationObserver(follow).observe(document.documentElement, { childList: true, subtree: true });
  follow();
})();
`;
