/** What this plugin uses of JSON Schema (2020-12). */
export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly minLength?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  /** Each of another type, so that the value's own type says which is meant. */
  readonly oneOf?: readonly Schema[];
  readonly minProperties?: number;
  /** `path`: of a file, relative to the folder of Verdaccio's configuration. `url`: http or https. */
  readonly format?: 'path' | 'url';
}

const path = (description: string, example: string): Schema => ({
  type: 'string',
  minLength: 1,
  format: 'path',
  description,
  examples: [example],
});

const url = (description: string, example: string): Schema => ({
  type: 'string',
  minLength: 1,
  format: 'url',
  description,
  examples: [example],
});

const number = (description: string, unit: string, fallback: number, example: number): Schema => ({
  type: 'integer',
  minimum: 1,
  description: `${description}, ${unit}`,
  default: fallback,
  examples: [example],
});

const count = (description: string, fallback: number, example: number): Schema => ({
  type: 'integer',
  minimum: 1,
  description,
  default: fallback,
  examples: [example],
});

const flag = (description: string, fallback: boolean): Schema => ({
  type: 'boolean',
  description,
  default: fallback,
  examples: [!fallback],
});

const choice = (description: string, choices: readonly string[], fallback: string, example: string): Schema => ({
  enum: choices,
  description,
  default: fallback,
  examples: [example],
});

const texts = (description: string, example: readonly string[], fallback?: readonly string[]): Schema => ({
  type: 'array',
  items: { type: 'string', minLength: 1 },
  description,
  ...(fallback === undefined ? {} : { default: fallback }),
  examples: [example],
});

const mapping = (
  description: string,
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[] = [],
): Schema => ({ type: 'object', description, properties, required, additionalProperties: false });

const enforcement = ['enforce', 'warn', 'off'] as const;
const uplinkModes = ['verify', 'require', 'off'] as const;

/** `middlewares.signet` of Verdaccio's configuration: every key with its type, its default and an example. */
export const configurationSchema = {
  ...mapping(
    'The plugin verdaccio-signet, as `middlewares.signet` of Verdaccio’s configuration',
    {
      names: texts('Names that this registry owns: whole scopes and single packages. Nothing else can be published', [
        '@acme/*',
      ]),
      trustedRoot: path('TrustedRoot of the Sigstore instance whose evidence counts', './trusted_root.json'),
      policy: path('Who may publish what; read anew when it changes', './trust-policy.yaml'),
      publish: choice('What the policy does about a publish', enforcement, 'enforce', 'warn'),
      tarballs: choice('What the policy does about what is served', enforcement, 'enforce', 'warn'),
      uplinks: {
        description: 'What becomes of packages that come from uplinks: a mode, or a mapping',
        default: 'verify',
        examples: ['require'],
        oneOf: [
          { enum: uplinkModes },
          mapping('', {
            mode: choice(
              '`verify`: what is there holds. `require`: signatures are there, and the policy lets pass. `off`: nothing is looked at',
              uplinkModes,
              'verify',
              'require',
            ),
            keys: path(
              'Keys of the uplink’s registry; left out: those of npm’s default registry, which ship',
              './uplink-keys.json',
            ),
            trustedRoot: path(
              'TrustedRoot for names that are not owned; left out: the policy’s, or Sigstore’s public-good instance',
              './public-good.json',
            ),
            refreshSeconds: number(
              'How long fetched attestations are taken for all there are',
              'seconds',
              86_400,
              3600,
            ),
          }),
        ],
      },
      signatures: mapping(
        'The registry’s own signature over every version; left out: it signs nothing',
        {
          key: {
            description:
              'Private key on P-256, PEM; made when neither it nor the list is there. An embedder may provide a signer',
            examples: ['./registry.pem'],
            oneOf: [
              { type: 'string', minLength: 1, format: 'path' },
              mapping(
                '',
                {
                  provided: {
                    type: 'string',
                    minLength: 1,
                    description: 'Name of a provided signer',
                    examples: ['main'],
                  },
                },
                ['provided'],
              ),
            ],
          },
          keys: path('List of every key that ever signed here', './registry-keys.json'),
        },
        ['key', 'keys'],
      ),
      publicUrl: url('What clients call the registry', 'https://npm.acme.example/'),
      advertise: flag('Whether `dist.attestations` tells every client that there is evidence', false),
      attestPublish: flag('Whether the registry attests and logs that it took a version', false),
      witnesses: mapping('Where the registry’s own statements are logged and timestamped: a file, or two services', {
        signingConfig: path('SigningConfig that names log and timestamp authority', './signing_config.json'),
        log: url('Log with Rekor’s v2 API', 'https://npm.acme.example/-/signet/log'),
        tsa: url('Timestamp authority (RFC 3161)', 'https://npm.acme.example/-/signet/tsa/api/v1/timestamp'),
      }),
      changes: mapping('Who may unpublish, deprecate and tag what is published', {
        by: choice(
          '`owners`: the first publisher and those below. `publishers`: whoever Verdaccio lets publish',
          ['owners', 'publishers'],
          'owners',
          'publishers',
        ),
        operators: texts('Users who may change every package', ['admin'], []),
        owners: {
          type: 'object',
          description: 'Further owners, by name or scope',
          additionalProperties: { type: 'array', items: { type: 'string', minLength: 1 } },
          default: {},
          examples: [{ '@acme/widgets': ['alice'] }],
        },
      }),
      trustedPublishing: {
        type: 'array',
        description: 'CI jobs that get publish tokens for their identity',
        default: [],
        examples: [
          [
            {
              packages: ['@acme/widgets'],
              issuer: 'https://token.actions.githubusercontent.com',
              claims: { repository_id: '1001' },
            },
          ],
        ],
        items: mapping(
          '',
          {
            package: {
              type: 'string',
              minLength: 1,
              description: 'The package that may be published',
              examples: ['@acme/widgets'],
            },
            packages: texts('The packages, or whole scopes, instead of one package', ['@acme/widgets', '@acme/gears']),
            issuer: url('Who issues the identity tokens; https', 'https://token.actions.githubusercontent.com'),
            claims: {
              type: 'object',
              description: 'Claims that the token must have, exactly',
              minProperties: 1,
              additionalProperties: { type: 'string', minLength: 1 },
              examples: [{ repository_id: '1001', environment: 'npm' }],
            },
          },
          ['issuer', 'claims'],
        ),
      },
      panel: flag('Whether Verdaccio’s web page shows the evidence', true),
      auditLog: path('A line of JSON for every accept and refusal; left out: none is kept', './audit.jsonl'),
      limits: mapping('Limits', {
        bundleBytes: number('Largest bundle', 'bytes', 1024 ** 2, 262_144),
        unpackedBytes: number('Largest tarball after decompression', 'bytes', 256 * 1024 ** 2, 1_073_741_824),
        unpackedRatio: count('How many times its size a tarball may have after decompression, above 16 MiB', 100, 1000),
        pendingSeconds: number('How long a bundle waits for its package', 'seconds', 3600, 600),
        verdictSeconds: number('How long the verdict about a stored tarball holds', 'seconds', 300, 60),
        anonymousBytes: number('Largest body of a request without valid credentials', 'bytes', 1024 ** 2, 65_536),
        passwordChecks: count(
          'Passwords that are checked at the same time; those of Verdaccio’s own file are checked by one thread beside the serving one',
          1,
          4,
        ),
        passwordFailures: count('Wrong passwords and new accounts that an address may have within a minute', 20, 100),
        lockMilliseconds: number(
          'How long a write waits, where the storage cannot lock (S3), to be sure that no other process writes to the package; longer than reading and writing an object takes, the same for all',
          'milliseconds',
          1000,
          3000,
        ),
        passwordSeconds: number('How long a password that was right is not checked again', 'seconds', 300, 60),
      }),
    },
    ['names', 'trustedRoot', 'policy'],
  ),
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'verdaccio-signet',
} as const satisfies Schema & { readonly $schema: string; readonly title: string };
