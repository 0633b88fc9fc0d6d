// Read by every Node there is, so in its oldest words: says in one sentence what is missing.
var major = Number(process.versions.node.split('.')[0]);
if (major < 20) {
  console.error(
    'Hanse needs Node 20 or newer, this is ' +
      process.versions.node +
      ': install the current LTS from nodejs.org and try again.',
  );
  process.exit(1);
}
