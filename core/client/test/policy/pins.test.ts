import assert from 'node:assert/strict';
import {
  type AttestationFacts,
  emptyTrustLock,
  evaluatePolicy,
  formatTrustLock,
  type PackageFacts,
  type Pin,
  parsePolicy,
  parseTrustLock,
  type ReleaseClaim,
  type TrustLock,
  versionSet,
} from '@signet/client/policy';

const policyText = (defaults = 'tofu: { onChange: error }') =>
  `{ version: 1, noMatch: allow, trustRoots: { public-good: { builtin: sigstore-public-good } }, defaults: { ${defaults} } }`;
const policy = parsePolicy(policyText());
const slsa = 'https://slsa.dev/provenance/v1';

interface Source {
  repository?: string;
  repositoryId?: string;
  ownerId?: string;
  workflow?: string;
  type?: string;
  time?: string;
}

/** A verified attestation by a workflow of a repository. */
function by({
  repository = 'axios/axios',
  repositoryId = '23088740',
  ownerId = '32372333',
  ...more
}: Source = {}): AttestationFacts {
  const { workflow = '.github/workflows/publish.yml', type = slsa, time = '2026-02-01T00:00:00Z' } = more;
  const sourceRepositoryUri = `https://github.com/${repository}`;
  const buildConfigUri = `${sourceRepositoryUri}/${workflow}@refs/tags/v1`;
  return {
    predicateType: type,
    predicate: {},
    verified: {
      signer: {
        kind: 'certificate',
        issuer: 'https://token.actions.githubusercontent.com',
        subject: { type: 'uri', value: buildConfigUri },
        claims: {
          sourceRepositoryUri,
          sourceRepositoryIdentifier: repositoryId,
          sourceRepositoryOwnerIdentifier: ownerId,
          buildConfigUri,
        },
      },
      timestamps: [{ time: new Date(time) }],
      logEntries: [{ index: 7n }],
      trustRoot: 'public-good',
    },
  };
}

function lockOf(name: string, pin: Pin, created = '2026-02-15T00:00:00Z'): TrustLock {
  return { version: 1, created, packages: new Map([[name, pin]]) };
}

function decide(lock: TrustLock, facts: PackageFacts, { frozen = false, rules = policy } = {}) {
  const decision = evaluatePolicy(rules, facts, { pins: { lock, frozen } });
  return { ...decision, codes: decision.violations.map(({ code, severity }) => `${code} ${severity}`).join(', ') };
}

/** What a registry says of its versions, by publishing time. */
function releases(version: string, published: Record<string, string>): ReleaseClaim {
  const claimed = published[version];
  return {
    ...(claimed === undefined ? {} : { published: new Date(claimed) }),
    versions: Object.entries(published).map(([one, time]) => ({ version: one, published: new Date(time) })),
  };
}

/** Pins a package by what its first version brings. */
function pinned(name: string, version: string, attestations: AttestationFacts[]): Pin {
  const { pin } = decide(emptyTrustLock(new Date('2026-02-15T00:00:00Z')), { name, version, attestations });
  return pin ?? assert.fail('nothing was pinned');
}

describe('trust on first use', () => {
  it('pins who published, by what cannot be registered again', () => {
    assert.deepEqual(pinned('axios', '1.13.0', [by()]), {
      level: 'provenance',
      identity: {
        issuer: 'https://token.actions.githubusercontent.com',
        repository: 'https://github.com/axios/axios',
        repositoryId: '23088740',
        ownerId: '32372333',
        workflow: '.github/workflows/publish.yml',
      },
      since: { version: '1.13.0', time: '2026-02-01T00:00:00.000Z' },
    });
  });

  it('pins nothing that nothing proves, and nothing where the policy does not say so', () => {
    const facts = { name: 'left-pad', version: '1.0.0', attestations: [] };
    assert.equal(decide(emptyTrustLock(new Date()), facts).pin, undefined);
    const off = parsePolicy(policyText('downgrade: error'));
    const signed = { ...facts, attestations: [by()] };
    assert.equal(decide(emptyTrustLock(new Date()), signed, { rules: off }).pin, undefined);
  });

  it('makes no pins where nobody watches', () => {
    const facts = { name: 'axios', version: '1.13.0', attestations: [by()] };
    assert.equal(decide(emptyTrustLock(new Date()), facts, { frozen: true }).codes, 'TP203 error');
    const unproven = { ...facts, attestations: [] };
    assert.equal(decide(emptyTrustLock(new Date()), unproven, { frozen: true }).codes, '');
  });

  const lock = lockOf('axios', pinned('axios', '1.13.0', [by()]));
  const table: [what: string, source: Source, codes: string][] = [
    ['the same publisher', {}, ''],
    ['the same repository under another name', { repository: 'axios-js/axios' }, ''],
    ['the same name over another repository', { repositoryId: '666' }, 'TP202 error'],
    ['another owner', { ownerId: '666' }, 'TP202 error'],
    ['another workflow', { workflow: '.github/workflows/pwn.yml' }, 'TP202 error'],
  ];
  for (const [what, source, codes] of table) {
    it(`${codes === '' ? 'accepts' : 'refuses'} ${what}`, () => {
      assert.equal(decide(lock, { name: 'axios', version: '1.14.0', attestations: [by(source)] }).codes, codes);
    });
  }

  it('is not deceived by a scan that somebody else signed beside the provenance', () => {
    const scan = by({ type: 'scan/v1', repositoryId: '1', ownerId: '1' });
    assert.equal(decide(lock, { name: 'axios', version: '1.14.0', attestations: [scan, by()] }).codes, '');
  });

  it('holds a package that is proven better from now on to that', () => {
    const signed = lockOf('axios', pinned('axios', '1.12.0', [by({ type: 'statement/v1' })]));
    const facts = { name: 'axios', version: '1.13.0', attestations: [by()] };
    assert.equal(decide(signed, facts).pin?.level, 'provenance');
    assert.equal(decide(signed, facts, { frozen: true }).pin, undefined);
  });
});

describe('downgrades on verified evidence', () => {
  const published = {
    '0.29.0': '2024-11-01T00:00:00Z',
    '0.30.0': '2025-04-01T00:00:00Z',
    '1.13.0': '2026-02-01T00:00:00Z',
  };
  const before = Object.keys(published);
  const axios = lockOf('axios', { ...pinned('axios', '1.13.0', [by()]), versions: versionSet(before) });
  const hijacked = { ...published, '1.14.1': '2026-03-31T00:21:00Z', '0.30.4': '2026-03-31T01:00:00Z' };

  for (const version of ['1.14.1', '0.30.4']) {
    it(`catches axios ${version}, published from a hijacked machine`, () => {
      const facts = { name: 'axios', version, attestations: [], release: releases(version, hijacked) };
      const { allowed, violations } = decide(axios, facts);
      assert.equal(allowed, false);
      const [violation] = violations;
      assert.equal(violation?.code, 'TP201');
      assert.match(violation?.expected ?? '', /provenance, as 1\.13\.0 had it by https:\/\/github\.com\/axios\/axios/);
      assert.match(violation?.next ?? '', /stay with 1\.13\.0/);
    });
  }

  it('catches them without a word of the registry about the time', () => {
    assert.equal(decide(axios, { name: 'axios', version: '1.14.1', attestations: [] }).codes, 'TP201 error');
  });

  it('catches a mere signature where there was provenance', () => {
    const facts = { name: 'axios', version: '1.14.1', attestations: [by({ type: 'statement/v1' })] };
    assert.equal(decide(axios, facts).codes, 'TP201 error');
  });

  it('lets semver 6.3.1 pass, an old line that nobody proves', () => {
    const times = { '5.7.2': '2023-07-10T21:00:00Z', '6.3.1': '2023-07-10T22:00:00Z', '7.5.4': '2023-07-07T00:00:00Z' };
    const source = { repository: 'npm/node-semver', repositoryId: '1357199', ownerId: '6078720' };
    const pin = { ...pinned('semver', '7.5.4', [by(source)]), versions: versionSet(Object.keys(times)) };
    const facts = { name: 'semver', version: '6.3.1', attestations: [], release: releases('6.3.1', times) };
    assert.equal(decide(lockOf('semver', pin), facts).codes, '');
  });

  it('catches a release that the registry dates back behind the lock', () => {
    const forged = { ...published, '0.30.4': '2025-05-01T00:00:00Z' };
    const facts = { name: 'axios', version: '0.30.4', attestations: [], release: releases('0.30.4', forged) };
    assert.equal(decide(axios, facts).codes, 'TP204 error');
  });

  it('catches evidence that was taken away from the very version that was pinned', () => {
    const facts = { name: 'axios', version: '1.13.0', attestations: [], release: releases('1.13.0', published) };
    assert.equal(decide(axios, facts).codes, 'TP201 error');
  });

  it('can be told to warn, to be silent, or to begin later', () => {
    const facts = { name: 'axios', version: '1.14.1', attestations: [], release: releases('1.14.1', hijacked) };
    const rules = (text: string) => ({ rules: parsePolicy(policyText(text)) });
    assert.equal(decide(axios, facts, rules('downgrade: warn')).codes, 'TP201 warning');
    assert.equal(decide(axios, facts, rules('downgrade: allow')).codes, '');
    assert.equal(decide(axios, facts, rules('enforceSince: 2026-04-01')).codes, '');
  });
});

describe('the trust lock', () => {
  const pin = pinned('axios', '1.13.0', [by()]);
  const lock: TrustLock = {
    version: 1,
    created: '2026-02-15T00:00:00.000Z',
    packages: new Map([
      [
        'axios',
        {
          ...pin,
          versions: versionSet(['1.0.0']),
          accepted: [{ at: '2026-02-16T00:00:00Z', by: 'alice', reason: 'moved' }],
        },
      ],
      ['@a/b', pin],
    ]),
  };

  it('is read as it was written, sorted', () => {
    const text = formatTrustLock(lock);
    assert.deepEqual(parseTrustLock(text), { ...lock, packages: new Map([...lock.packages].reverse()) });
    assert.equal(formatTrustLock(parseTrustLock(text)), text);
    assert.ok(text.indexOf('@a/b') < text.indexOf('axios'));
  });

  const broken: Record<string, (text: string) => string> = {
    'no JSON': () => '<<<<<<< HEAD',
    'another version': (text) => text.replace('"version": 1', '"version": 2'),
    'a level that does not exist': (text) => text.replace('"provenance"', '"probably"'),
    'a field that it does not know': (text) => text.replace('"ownerId"', '"ownerIdx"'),
    'a number for an id': (text) => text.replace('"32372333"', '32372333'),
    'a key twice': (text) => text.replace('"axios": {', '"@a/b": {'),
    'no packages': () => '{"version":1,"created":"2026-01-01T00:00:00Z"}',
    'no time': (text) => text.replace('2026-02-15T00:00:00.000Z', 'once'),
  };
  for (const [what, change] of Object.entries(broken)) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => parseTrustLock(change(formatTrustLock(lock))), { code: 'ERR_TRUST_LOCK' });
    });
  }
});
