// What the command `signet log` does with a data directory; without Verdaccio, so that it starts at once.
export * from '@signet/services/log';
