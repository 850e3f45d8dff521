import { openSigner, type Signer } from '@signet/primitives/keys';
import {
  entryTypeModules,
  LogShards,
  logOrigin,
  openTransparencyLog,
  RekorV1Tree,
  shardUrl,
  type TransparencyLog,
} from '@signet/services/log';
import { type Generations, generationPaths } from './generations.ts';
import type { Instance } from './initialize.ts';

/** A generation of each log. */
export type LogGenerations = Pick<Generations, 'log' | 'log-v1'>;

/**
 * The transparency logs of an instance. A rotation continues each in a new shard with a new key; all shards stay readable. Those of
 * the v2 log lie below its URL with their numbers, those of the v1 log all at one URL.
 */
export class InstanceLogs {
  readonly v2: LogShards<TransparencyLog>;
  /** Absent in an instance that was made before there was a v1 log. */
  readonly v1: LogShards<RekorV1Tree> | undefined;

  private constructor(v2: LogShards<TransparencyLog>, v1: LogShards<RekorV1Tree> | undefined) {
    this.v2 = v2;
    this.v1 = v1;
  }

  /** @throws what opening a log or a key throws */
  static async open({ layout, urls, configuration }: Instance, passphrase: string | undefined): Promise<InstanceLogs> {
    const { created, log: rules } = configuration;
    const entryTypes = rules === undefined ? [] : entryTypeModules(rules, layout.directory);
    const signer = (service: 'log' | 'log-v1', number: number): Promise<Signer> =>
      openSigner(generationPaths(layout, service, number).key, passphrase === undefined ? {} : { passphrase });
    const v2 = await LogShards.open({
      directory: layout.logDirectory,
      created,
      open: async ({ number, directory }) =>
        openTransparencyLog({
          directory,
          origin: logOrigin(shardUrl(urls.log, number)),
          signer: await signer('log', number),
        }),
    });
    try {
      const { host } = new URL(urls.publicUrl);
      const v1 =
        urls.logV1 === null
          ? undefined
          : await LogShards.open({
              directory: layout.logV1Directory,
              created,
              open: async ({ number, directory }) =>
                RekorV1Tree.open({ directory, host, entryTypes, signer: await signer('log-v1', number) }),
            });
      return new InstanceLogs(v2, v1);
    } catch (error) {
      await v2.close();
      throw error;
    }
  }

  /**
   * Opens the shards up to these, where they are not open yet. The v2 log's earlier ones go on taking entries until
   * {@link LogShards.freezeBefore}; the v1 log's end at once, because indices run through all of them.
   */
  async reach(generations: LogGenerations): Promise<void> {
    while (this.v2.all.length < generations.log) await this.v2.rotate(Number.POSITIVE_INFINITY);
    while (this.v1 !== undefined && this.v1.all.length < generations['log-v1']) await this.v1.rotate();
  }

  async close(): Promise<void> {
    const closed = await Promise.allSettled([this.v2.close(), this.v1?.close()]);
    const failed = closed.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
