type Labels = Readonly<Record<string, string | number>>;

/** A metric of the Prometheus text format. */
interface Metric {
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly values: Map<string, number>;
}

/**
 * Numbers for operators in the Prometheus text format 0.0.4, which is a few lines and no reason for a dependency. Values of
 * labels come from small fixed sets, never from requests.
 */
export class Metrics {
  readonly #metrics = new Map<string, Metric>();
  readonly #gauges: (() => void)[] = [];

  /** @param values which of them there are from the beginning, at 0 */
  counter(name: string, help: string, values: readonly Labels[] = []): (labels?: Labels, by?: number) => void {
    const metric: Metric = { type: 'counter', help, values: new Map(values.map((labels) => [labelText(labels), 0])) };
    this.#metrics.set(name, metric);
    return (labels = {}, by = 1) => {
      const key = labelText(labels);
      metric.values.set(key, (metric.values.get(key) ?? 0) + by);
    };
  }

  /** @param read called when somebody looks */
  gauge(name: string, help: string, read: () => Iterable<readonly [Labels, number]>): void {
    const metric: Metric = { type: 'gauge', help, values: new Map() };
    this.#metrics.set(name, metric);
    this.#gauges.push(() => {
      metric.values.clear();
      for (const [labels, value] of read()) metric.values.set(labelText(labels), value);
    });
  }

  toText(): string {
    for (const read of this.#gauges) read();
    const lines: string[] = [];
    for (const [name, { type, help, values }] of this.#metrics) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      for (const [labels, value] of values) lines.push(`${name}${labels} ${value}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

// Whoever counts often does so with the same object.
const texts = new WeakMap<Labels, string>();

function labelText(labels: Labels): string {
  const known = texts.get(labels);
  if (known !== undefined) return known;
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${String(value).replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`,
  );
  const text = pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
  texts.set(labels, text);
  return text;
}
