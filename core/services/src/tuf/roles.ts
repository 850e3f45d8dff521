/** The four top-level roles of The Update Framework (TUF specification §2.1). */
export const roleNames = ['root', 'targets', 'snapshot', 'timestamp'] as const;

export type RoleName = (typeof roleNames)[number];

const day = 24 * 60 * 60 * 1000;

/**
 * How long metadata of each role is valid, milliseconds. Root and targets may need people with keys, so they last; the
 * timestamp is what stops somebody from showing clients an old repository, so it is short.
 */
export const roleLifetimes: Readonly<Record<RoleName, number>> = {
  root: 365 * day,
  targets: 180 * day,
  snapshot: 21 * day,
  timestamp: 7 * day,
};

/** When metadata of a role that ends at `expires` is due to be signed again: at half of its life. */
export function renewalTime(role: RoleName, expires: Date): Date {
  return new Date(expires.getTime() - roleLifetimes[role] / 2);
}

/**
 * The version of metadata that follows `previous`. It is at least the time in seconds, so that a repository that was restored
 * from a backup continues above everything that clients may have seen: a version that goes back makes every client refuse
 * the repository (TUF specification §5.4.3). Roots count one by one (§5.3.5) and are not numbered by this.
 */
export function nextVersion(previous: number, now: Date): number {
  return Math.max(previous + 1, Math.floor(now.getTime() / 1000));
}
