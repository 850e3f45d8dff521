import { Metrics } from '../http/metrics.ts';
import type { LogShards } from '../log-shards.ts';
import type { TransparencyLog } from '../transparency-log.ts';
import type { VerificationTimes } from '../verification/verified-request.ts';

/** Where the time of an entry goes; `answer` is proof and JSON. */
export const stages = ['parse', 'verify', 'sequence', 'sync', 'answer'] as const;

export type Stage = (typeof stages)[number];

const resultLabels = { new: { result: 'new' }, duplicate: { result: 'duplicate' } } as const;
const stageLabels = {
  parse: { stage: 'parse' },
  verify: { stage: 'verify' },
  sequence: { stage: 'sequence' },
  sync: { stage: 'sync' },
  answer: { stage: 'answer' },
} as const satisfies Record<Stage, object>;

/** What a log counts for its operator. */
export class LogMetrics {
  readonly #metrics = new Metrics();
  readonly #watched = new WeakSet<TransparencyLog>();
  /** Entries that were answered; `result` is `new` or `duplicate`. */
  readonly countEntry: (result: 'new' | 'duplicate') => void;
  /** Requests that were refused, by error code or status. */
  readonly countRefused: (reason: string) => void;
  readonly countSearch: () => void;
  readonly #countStage: (stage: Stage, entries: number, seconds: number) => void;

  constructor(shards: () => LogShards<TransparencyLog> | readonly TransparencyLog[], waiting: () => number) {
    const metrics = this.#metrics;
    const entries = metrics.counter('signet_log_entries_total', 'Entries answered with a proof.', [
      { result: 'new' },
      { result: 'duplicate' },
    ]);
    const refused = metrics.counter('signet_log_refused_total', 'Requests refused, by reason.');
    const searches = metrics.counter('signet_log_searches_total', 'Searches answered.', [{}]);
    const seconds = metrics.counter('signet_log_stage_seconds_total', 'Time spent on entries, by stage.');
    const counts = metrics.counter('signet_log_stage_entries_total', 'Entries that went through a stage.');
    this.countEntry = (result) => entries(resultLabels[result]);
    this.countRefused = (reason) => refused({ reason });
    this.countSearch = () => searches();
    this.#countStage = (stage, count, time) => {
      counts(stageLabels[stage], count);
      seconds(stageLabels[stage], time);
    };
    const logs = (): readonly TransparencyLog[] => {
      const source = shards();
      return 'all' in source ? source.all.map(({ log }) => log) : source;
    };
    metrics.gauge('signet_log_size', 'Entries in the published tree, by shard.', () =>
      logs().map((log, i) => [{ shard: i + 1 }, Number(log.size)]),
    );
    metrics.gauge('signet_log_waiting', 'Entries that wait, by what for.', () => [
      [{ for: 'verification' }, waiting()],
      [{ for: 'disk' }, logs().reduce((sum, log) => sum + log.waiting, 0)],
    ]);
    metrics.gauge('signet_log_healthy', 'Whether every shard is sound.', () => [
      [{}, logs().every(({ healthy }) => healthy) ? 1 : 0],
    ]);
    metrics.gauge('process_resident_memory_bytes', 'Memory of the process.', () => [[{}, process.memoryUsage.rss()]]);
    metrics.gauge('process_cpu_seconds_total', 'Processor time of the process.', () => {
      const { user, system } = process.cpuUsage();
      return [[{}, (user + system) / 1e6]];
    });
  }

  /** Counts the batches of a log from now on; those of one log once. */
  watch(log: TransparencyLog): void {
    if (this.#watched.has(log)) return;
    this.#watched.add(log);
    log.watchBatches(({ entries, sequence, sync }) => {
      this.countStage('sequence', entries, sequence);
      this.countStage('sync', entries, sync);
    });
  }

  countVerified(entries: number, { parse, verify }: VerificationTimes): void {
    this.countStage('parse', entries, parse);
    this.countStage('verify', entries, verify);
  }

  countStage(stage: Stage, entries: number, milliseconds: number): void {
    this.#countStage(stage, entries, milliseconds / 1000);
  }

  toText(): string {
    return this.#metrics.toText();
  }
}
