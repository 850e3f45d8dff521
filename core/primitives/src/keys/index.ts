export { type ExternalCommand, externalCommandSigner } from './external-command.ts';
export * from './key-file.ts';
export * from './memory.ts';
export * from './open-signer.ts';
export { type Pkcs11Key, pkcs11Signer } from './pkcs11.ts';
export * from './signer.ts';
