import assert from 'node:assert/strict';
import { compileTemplate, MissingValueError } from '../../src/ca/go-template.ts';

const values = new Map([
  ['url', 'https://github.com'],
  ['ref', 'main'],
  ['ref_type', 'branch'],
  ['empty', ''],
  ['oidc.circleci.com/ssh-rerun', 'true'],
]);

describe('provider templates', () => {
  const cases: [string, string][] = [
    ['url', 'https://github.com'],
    ['{{ .url }}/{{.ref}}', 'https://github.com/main'],
    ['refs/{{if eq .ref_type "branch"}}heads/{{ else }}tags/{{end}}{{ .ref }}', 'refs/heads/main'],
    ['{{if eq .ref_type "tag" "branch"}}yes{{end}}', 'yes'],
    ['{{if ne .ref_type "branch"}}yes{{else if .ref}}second{{else}}third{{end}}', 'second'],
    ['{{(index . "oidc.circleci.com/ssh-rerun")}}', 'true'],
    ['{{index . "missing"}}.', '.'],
    ['{{if eq (index . "oidc.circleci.com/ssh-rerun") "true"}}ssh-rerun{{ else }}""{{end}}', 'ssh-rerun'],
    ['{{if eq (index . "missing") "true"}}ssh-rerun{{ else }}""{{end}}', '""'],
    ['{{if .empty}}full{{else}}empty{{end}}', 'empty'],
    ['{{if not .empty}}empty{{end}}', 'empty'],
    ['{{if and .url .empty}}both{{else}}not both{{end}}', 'not both'],
    ['{{if or .empty .url}}one{{end}}', 'one'],
    ['{{or .empty .ref}}', 'main'],
    ['a {{- .ref -}} b', 'amainb'],
    ['a{{/* nothing */}}b', 'ab'],
    ['{{"quoted \\"text\\""}}{{`raw`}}', 'quoted "text"raw'],
    ['{{if .url}}{{if .empty}}x{{else}}y{{end}}{{end}}', 'y'],
  ];
  for (const [source, expected] of cases) {
    it(`renders ${source}`, () => assert.equal(compileTemplate(source).render(values), expected));
  }

  for (const source of ['missing', '{{ .missing }}', '{{if eq .missing "x"}}y{{end}}']) {
    it(`names the claim that ${source} lacks`, () => {
      assert.throws(
        () => compileTemplate(source).render(values),
        (error) => error instanceof MissingValueError && error.field === 'missing',
      );
    });
  }

  const malformed = [
    '{{ .url',
    '{{ }}',
    '{{ . }}',
    '{{ .url.more }}',
    '{{ .url .ref }}',
    '{{ printf "%s" .url }}',
    '{{ .url | len }}',
    '{{ range .url }}{{ end }}',
    '{{ if .url }}',
    '{{ end }}',
    '{{ else }}',
    '{{ else nonsense }}',
    '{{ index .url "x" }}',
    '{{ index . .url }}',
    '{{ eq .url }}',
    '{{ (.url }}',
    '{{ .url) }}',
    '{{ "\\x41" }}',
    '{{ constructor }}',
    '{{ toString .url }}',
    `{{ ${'('.repeat(20)}.url${')'.repeat(20)} }}`,
    '{{if .url}}'.repeat(20) + '{{end}}'.repeat(20),
    'x'.repeat(5000),
  ];
  for (const source of malformed) {
    it(`refuses ${source.slice(0, 40)} when it is compiled`, () => {
      assert.throws(() => compileTemplate(source), { code: 'ERR_ISSUER_CONFIG' });
    });
  }
});
