import assert from 'node:assert/strict';
import { IdentityToken } from '@signet/client/identity';
import { identityOf } from '@signet/client/sign';
import { describe, it } from 'mocha';
import { unsignedToken } from '../identity/tokens.ts';
import { certificateFor } from './test-certificate.ts';

const issuer = 'https://login.example';
const token = (claims: Readonly<Record<string, unknown>>) =>
  IdentityToken.parse(unsignedToken({ iss: issuer, ...claims }));

describe('the identity of a certificate', () => {
  it('is the email, the subject or the job that the token names', () => {
    const cases: readonly (readonly [object, 'email' | 'uri' | 'otherName', string, object?])[] = [
      [{ email: 'alice@example.com' }, 'email', 'alice@example.com'],
      [{ sub: 'https://login.example/jobs/1' }, 'uri', 'https://login.example/jobs/1'],
      [{ sub: 'spiffe://example.org/ci' }, 'uri', 'spiffe://example.org/ci'],
      [{ sub: 'alice' }, 'otherName', 'alice!login.example'],
      [{ sub: 'alice' }, 'otherName', 'alice!example'],
      [{ sub: 'alice' }, 'uri', 'https://login.example/alice'],
      [
        { job_workflow_ref: 'o/r/.github/workflows/x.yml@refs/heads/main' },
        'uri',
        'https://github.com/o/r/.github/workflows/x.yml@refs/heads/main',
      ],
      [
        { ci_config_ref_uri: 'gitlab.com/o/r//.gitlab-ci.yml@refs/heads/main' },
        'uri',
        'https://gitlab.com/o/r//.gitlab-ci.yml@refs/heads/main',
      ],
      [{ organization_slug: 'o', pipeline_slug: 'p' }, 'uri', 'https://buildkite.com/o/p'],
      [{ sub: 'job:7' }, 'uri', 'https://ci.example/any/template', { tokenSubject: 'job:7' }],
    ];
    for (const [claims, type, value, extra = {}] of cases) {
      const identity = identityOf(certificateFor([{ type, value }], { issuer, ...extra }), token({ ...claims }));
      assert.deepEqual(identity, { issuer, subject: value });
    }
  });

  it('may have the issuer behind Dex', () => {
    const behind = token({
      email: 'alice@example.com',
      federated_claims: { connector_id: 'https://github.example/login' },
    });
    const certificate = certificateFor([{ type: 'email', value: 'alice@example.com' }], {
      issuer: 'https://github.example/login',
    });
    assert.equal(identityOf(certificate, behind).issuer, 'https://github.example/login');
  });

  it('is refused when it is anybody else’s', () => {
    const alice = { email: 'alice@example.com', sub: 'alice' };
    const cases: readonly (readonly [object, Parameters<typeof certificateFor>[0], object])[] = [
      [alice, [{ type: 'email', value: 'mallory@example.com' }], { issuer }],
      [alice, [{ type: 'email', value: 'Alice@example.com' }], { issuer }],
      // A subject claim does not make up for another address.
      [alice, [{ type: 'email', value: 'mallory@example.com' }], { issuer, tokenSubject: 'alice' }],
      [alice, [{ type: 'email', value: 'alice@example.com' }], { issuer: 'https://elsewhere.example' }],
      [alice, [{ type: 'email', value: 'alice@example.com' }], {}],
      [alice, [{ type: 'email', value: 'alice@example.com' }], { issuer, tokenSubject: 'mallory' }],
      [alice, [], { issuer }],
      [
        alice,
        [
          { type: 'email', value: 'alice@example.com' },
          { type: 'email', value: 'mallory@example.com' },
        ],
        { issuer },
      ],
      [{ sub: 'alice' }, [{ type: 'email', value: 'alice' }], { issuer }],
      [{ sub: 'alice' }, [{ type: 'otherName', value: 'alice!elsewhere.example' }], { issuer }],
      [{ job_workflow_ref: 'o/r/x@main' }, [{ type: 'uri', value: 'https://github.com/o/other/x@main' }], { issuer }],
    ];
    for (const [claims, names, certified] of cases) {
      assert.throws(
        () => identityOf(certificateFor(names, certified), token({ ...claims })),
        { code: 'ERR_CA_IDENTITY_MISMATCH' },
        JSON.stringify([claims, names, certified]),
      );
    }
  });
});
