import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import type { CommandContext } from '../src/command.ts';
import { InstanceReport } from '../src/commands/operator/instance-report.ts';

/** Only what a report asks of its command. */
function contextOf(settings: { json?: boolean; quiet?: boolean; terminal?: boolean; env?: Record<string, string> }) {
  const stderr = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: settings.terminal ?? false });
  const { json = false, quiet = false, env = {} } = settings;
  const note = (line: string) => {
    if (!quiet) stderr.write(`${line}\n`);
  };
  const context = { stderr, json, quiet, env, note } as unknown as CommandContext;
  return { report: new InstanceReport(context), written: () => String(stderr.read() ?? '') };
}

const refusal = {
  kind: 'decision',
  decision: 'refused',
  package: '@example/x',
  version: '1.0.0',
  user: 'mallory',
  status: 403,
  code: 'ERR_EVIDENCE_MISSING',
  reason: 'no\u001b[2J\nevidence',
} as const;

describe('the lines of signet up', () => {
  it('are one for each decision, and nothing in them acts on the terminal', () => {
    const { report, written } = contextOf({});
    report.event(refusal);
    report.event({
      kind: 'decision',
      decision: 'accepted',
      package: '@example/x',
      user: 'alice',
      evidence: ['signed'],
    });
    report.event({ kind: 'decision', decision: 'accepted', action: 'user', what: 'bob' });
    const [refused = '', accepted = '', account = '', ...more] = written().split('\n');
    assert.match(
      refused,
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ refused {2}publish @example\/x@1\.0\.0 from mallory: no\\u\{1b\}\[2J\\u\{a\}evidence \(403 ERR_EVIDENCE_MISSING\)$/,
    );
    assert.match(accepted, /Z accepted publish @example\/x from alice: signed$/);
    assert.match(account, /Z accepted user bob from nobody who is logged in$/);
    assert.deepEqual(more, ['']);
  });

  it('have colours on a terminal alone, and not with NO_COLOR', () => {
    for (const [settings, coloured] of [
      [{ terminal: true }, true],
      [{ terminal: true, env: { NO_COLOR: '1' } }, false],
      [{ terminal: false }, false],
    ] as const) {
      const { report, written } = contextOf(settings);
      report.event(refusal);
      assert.equal(written().includes('\u001b[31m'), coloured, JSON.stringify(settings));
    }
  });

  it('are JSON with --json', () => {
    const { report, written } = contextOf({ json: true });
    report.event(refusal);
    report.note('a key expires');
    report.stopped();
    const documents = written()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      documents.map(({ format, kind }) => [format, kind]),
      [
        [1, 'decision'],
        [1, 'note'],
        [1, 'stopped'],
      ],
    );
    assert.equal(documents[0].reason, refusal.reason);
  });

  it('are errors alone with --quiet', () => {
    const { report, written } = contextOf({ quiet: true });
    report.event(refusal);
    report.event({ kind: 'registry', level: 'warning', message: 'slow' });
    report.event({ kind: 'registry', level: 'error', message: 'the disk is full' });
    assert.match(written(), /^\S+Z !! the disk is full\n$/);
  });
});
