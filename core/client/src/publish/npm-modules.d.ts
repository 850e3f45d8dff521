// Modules of npm's own that carry no types: what is used of them.

declare module '@npmcli/config/lib/definitions/index.js' {
  import type Config from '@npmcli/config';

  const npm: {
    readonly definitions: Config.DefinitionsObject;
    readonly shorthands: Config.ShortFlags;
    /** Settings that belong to one registry. */
    readonly nerfDarts: readonly string[];
    readonly flatten: (data: Config.ConfigData['data'], flattened: Record<string, unknown>) => void;
  };
  export default npm;
}

declare module 'npm-registry-fetch/lib/auth.js' {
  /** The credentials that npm's configuration has for a registry. */
  export default function getAuth(
    url: string,
    options: Readonly<Record<string, unknown>>,
  ): { readonly token?: string | null; readonly auth?: string | null; readonly isBasicAuth: boolean };
}

declare module 'libnpmpack' {
  /** Packs a folder (`spec`) with its lifecycle scripts prepack, prepare and postpack. */
  export default function pack(spec: string, options: Readonly<Record<string, unknown>>): Promise<Buffer>;
}

declare module 'libnpmpublish' {
  /** Sends a version; with `provenanceFile` together with a bundle, which it verifies before. */
  function publish(
    manifest: Readonly<Record<string, unknown>>,
    tarball: Buffer,
    options: Readonly<Record<string, unknown>>,
  ): Promise<unknown>;
  const library: { readonly publish: typeof publish };
  export default library;
}

declare module 'pacote' {
  export function manifest(spec: string, options: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>>;
}

declare module '@npmcli/run-script' {
  interface RunScriptOptions {
    readonly event: string;
    readonly path: string;
    readonly pkg: Readonly<Record<string, unknown>>;
    readonly stdio: 'pipe' | 'inherit';
    readonly stdioString?: boolean;
    readonly scriptShell?: string | undefined;
    readonly env?: Readonly<Record<string, string | undefined>>;
  }

  export default function runScript(options: RunScriptOptions): Promise<{ readonly code: number | null }>;
}

declare module '@npmcli/map-workspaces' {
  /** Folders by the names of their packages, as `workspaces` of `pkg` has them. */
  export default function mapWorkspaces(options: {
    readonly cwd: string;
    readonly pkg: Readonly<Record<string, unknown>>;
  }): Promise<Map<string, string>>;
}
