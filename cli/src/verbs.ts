import type { Command } from './command.ts';

/** Where each verb lives. A verb's file is read only when the verb is used, so that `ci` and `verify` start at once. */
export const verbs: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  publish: () => import('./commands/publish.ts'),
  sign: () => import('./commands/sign.ts'),
  attest: () => import('./commands/attest.ts'),
  key: () => import('./commands/key.ts'),
  bundle: () => import('./commands/bundle.ts'),
  whoami: () => import('./commands/whoami.ts'),
  ci: () => import('./commands/ci.ts'),
  audit: () => import('./commands/audit.ts'),
  policy: () => import('./commands/policy.ts'),
  export: () => import('./commands/export.ts'),
  install: () => import('./commands/install.ts'),
  verify: () => import('./commands/verify.ts'),
  inspect: () => import('./commands/inspect.ts'),
  trust: () => import('./commands/trust.ts'),
  init: () => import('./commands/init.ts'),
  up: () => import('./commands/up.ts'),
  log: () => import('./commands/log.ts'),
  ca: () => import('./commands/ca.ts'),
  tsa: () => import('./commands/tsa.ts'),
  ctlog: () => import('./commands/ctlog.ts'),
  tuf: () => import('./commands/tuf.ts'),
  registry: () => import('./commands/registry.ts'),
  doctor: () => import('./commands/doctor.ts'),
  backup: () => import('./commands/backup.ts'),
  restore: () => import('./commands/restore.ts'),
  dev: () => import('./commands/dev.ts'),
  help: () => import('./commands/help.ts'),
};

/** The verbs as `signet --help` groups them: by who uses them. */
export const verbGroups: readonly { readonly title: string; readonly verbs: readonly string[] }[] = [
  { title: 'Authors', verbs: ['publish', 'sign', 'attest', 'whoami', 'key', 'bundle'] },
  { title: 'Consumers', verbs: ['ci', 'install', 'verify', 'audit', 'export', 'policy', 'inspect', 'trust'] },
  {
    title: 'Operators',
    verbs: ['init', 'up', 'registry', 'doctor', 'backup', 'restore', 'ca', 'tsa', 'ctlog', 'tuf', 'log'],
  },
  { title: 'Development', verbs: ['dev'] },
];
