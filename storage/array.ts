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

/** Bytes as an element of a `bytea[]`. */
export const bytesText = (bytes: Uint8Array): string => `\\x${Buffer.from(bytes).toString('hex')}`;
