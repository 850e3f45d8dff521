import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { auditIssuers, explainToken, openUsedTokens, parseIssuers } from '@signet/services/ca';
import { IdentityProvider } from './identity-provider.ts';

describe('an explained token', () => {
  let provider: IdentityProvider;

  before(async () => {
    provider = await IdentityProvider.start('ES256');
  });

  after(() => provider.stop());

  const issuers = () =>
    parseIssuers(
      JSON.stringify({
        'oidc-issuers': { [provider.url]: { type: 'email', 'required-claims': { team: { pattern: 'a|b' } } } },
      }),
    );

  it('that is accepted shows what a certificate would say', async () => {
    const token = await provider.token({ email: 'a@b.example', email_verified: true, team: 'a' });
    const explanation = await explainToken(issuers(), token);
    assert.equal(explanation.accepted, true);
    assert.deepEqual(explanation.certificate?.subject, { type: 'email', value: 'a@b.example' });
    assert.deepEqual(explanation.challenges, ['a@b.example', 'subject-1']);
    assert.deepEqual(explanation.issuer?.requiredClaims, ['team: pattern "a|b"']);
  });

  it('that is refused shows the claim and what was expected', async () => {
    const token = await provider.token({ email: 'a@b.example', email_verified: true, team: '\u001b[31mc' });
    const explanation = await explainToken(issuers(), token);
    assert.equal(explanation.accepted, false);
    assert.equal(explanation.reason, 'required-claim-mismatch');
    assert.equal(explanation.claim, 'team');
    assert.equal(explanation.expected, 'pattern "a|b"');
    assert.equal(explanation.claims.team, '\\u{1b}[31mc');
    const [, payload = '', signature = ''] = token.split('.');
    const shown = JSON.stringify(explanation);
    assert(!shown.includes(payload) && !shown.includes(signature));
  });

  it('that is none is explained too', async () => {
    const explanation = await explainToken(issuers(), 'nonsense');
    assert.equal(explanation.accepted, false);
    assert.equal(explanation.reason, 'malformed-token');
    assert.deepEqual(explanation.claims, {});
  });
});

describe('an audit of the issuers', () => {
  const github = 'https://token.actions.githubusercontent.com';

  it('tells what strangers could obtain', () => {
    const audit = auditIssuers(
      parseIssuers(
        JSON.stringify({
          'oidc-issuers': {
            [github]: { type: 'github-workflow' },
            [`${github}/acme`]: { type: 'github-workflow', 'required-claims': { repository_owner_id: '1' } },
            'https://login.acme.example': { type: 'email' },
            'https://old.acme.example': { type: 'email', 'skip-email-verification': true },
          },
          'meta-issuers': {
            'https://oidc.eks.*.amazonaws.com/id/*': { type: 'kubernetes' },
            'https://*.acme.example': { type: 'kubernetes' },
          },
        }),
      ),
    );
    const patterns = [
      /any GitHub repository/,
      undefined,
      undefined,
      /did not verify/,
      /any AWS account/,
      /pattern matches/,
    ];
    assert.equal(audit.length, patterns.length);
    patterns.forEach((pattern, index) => {
      const warnings = audit[index]?.warnings ?? [];
      if (pattern === undefined) assert.deepEqual(warnings, []);
      else assert.match(warnings.join(), pattern);
    });
    assert.equal(audit[0]?.templates?.subject, '{{ .url }}/{{ .job_workflow_ref }}');
  });
});

describe('used tokens in a file', () => {
  let directory: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-used-'));
  });

  after(() => rm(directory, { recursive: true }));

  it('are remembered over a restart, until they expire', () => {
    let now = 1_000_000;
    const path = join(directory, 'used.sqlite');
    const clock = () => new Date(now);
    const first = openUsedTokens(path, clock);
    assert(first.take('a', new Date(now + 1000)));
    assert(first.take('b', new Date(now + 1_000_000)));
    assert(first.take('c', new Date(now + 1_000_000)));
    first.giveBack('c');
    first.close();
    const second = openUsedTokens(path, clock);
    assert(!second.take('a', new Date(now + 1000)));
    assert(!second.take('b', new Date(now + 1000)));
    assert(second.take('c', new Date(now + 1000)));
    now += 61_000;
    assert(second.take('a', new Date(now + 1000)));
    assert(!second.take('b', new Date(now + 1000)));
    second.close();
  });

  it('of a newer version are not opened', () => {
    const path = join(directory, 'newer.sqlite');
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 2');
    database.close();
    assert.throws(() => openUsedTokens(path), { code: 'ERR_INSTANCE_FORMAT' });
  });
});
