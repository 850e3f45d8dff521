import { inert } from '@signet/primitives/formats';

/** A page without scripts or anything from elsewhere; form-action is left out since the form ends at the client's own port. */
export const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

const style = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
main { max-width: 30rem; margin: 12vh auto; padding: 0 1.5rem }
h1 { font-size: 1.5rem; line-height: 1.25 }
label { display: block; font-weight: 600 }
input, button { font: inherit; padding: .55rem .75rem; border-radius: .4rem; box-sizing: border-box }
input { width: 100%; border: 1px solid GrayText; margin: .25rem 0 1rem }
button { border: 1px solid transparent; background: #1d4ed8; color: #fff; cursor: pointer }
:focus-visible { outline: 3px solid #f59e0b; outline-offset: 2px }
.note { border-left: .3rem solid #b45309; padding: .1rem 0 .1rem .9rem }
.error { color: #b91c1c; font-weight: 600 }
@media (prefers-color-scheme: dark) { .error { color: #fca5a5 } }
`;

/**
 * The login of the development identity provider: one field, no password.
 *
 * @param action where the form goes
 * @param problem what was wrong with the last answer, and that answer
 */
export function loginPage(action: string, problem?: { readonly sentence: string; readonly email: string }): string {
  const field =
    problem === undefined ? '' : ` value="${escapeHtml(problem.email)}" aria-invalid="true" aria-describedby="problem"`;
  return page(
    'Sign in for development',
    `<h1>Sign in for development</h1>
<p class="note">This login is for development only: it asks for no password and believes every address.
It is served on this computer alone.</p>
${problem === undefined ? '' : `<p id="problem" class="error" role="alert">${escapeHtml(problem.sentence)}</p>`}
<form method="post" action="${escapeHtml(action)}">
<label for="email">E-mail address to sign as</label>
<input id="email" name="email" type="email" autocomplete="email" required autofocus maxlength="254"${field}>
<button type="submit">Sign in</button>
</form>`,
  );
}

/** A page with one sentence, for what went wrong. */
export function messagePage(title: string, sentence: string): string {
  return page(title, `<h1>${escapeHtml(title)}</h1>\n<p>${escapeHtml(sentence)}</p>`);
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} – Signet</title>
<style>${style}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return inert(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
