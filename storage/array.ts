/**
 * A one-dimensional array as the server reads it: `{"a",null,"b"}`. The driver would build the same text, but asks the
 * catalogue for the array types first and looks at every element's type; a group of hundreds of rows feels that.
 */
export function arrayLiteral(elements: readonly (string | number | null)[]): string {
  let text = '{';
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i]!;
    if (i > 0) text += ',';
    if (element === null) text += 'null';
    else if (typeof element === 'number') text += element;
    else text += `"${/["\\]/.test(element) ? element.replace(/["\\]/g, '\\$&') : element}"`;
  }
  return `${text}}`;
}

/**
 * JSON text as it stands within a quoted element. JSON has no raw control characters, so escaping quotes and backslashes
 * is all there is to do, and `JSON.stringify` of a string does just that, natively. Escaped parts may be joined.
 */
export const escapedJson = (json: string): string => JSON.stringify(json).slice(1, -1);

/** An array of texts that {@link escapedJson} has been over. */
export const escapedLiteral = (elements: readonly (string | null)[]): string =>
  `{${elements.map((element) => (element === null ? 'null' : `"${element}"`)).join()}}`;

/** Bytes as an element of a `bytea[]`. */
export const bytesText = (bytes: Uint8Array): string => `\\x${Buffer.from(bytes).toString('hex')}`;
