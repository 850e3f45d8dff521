import ms from 'ms';
import colours from 'picocolors';

/** A greeting for `name`, with the time it takes to read. */
export function greet(name) {
  const text = `Hello, ${name}!`;
  return `${colours.green(text)} (${ms(text.length * 50)} to read)`;
}
