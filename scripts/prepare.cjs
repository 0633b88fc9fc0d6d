// What npm runs before start, test and bench. Read by every Node there is, so in its oldest words: an old one is told what
// is missing. Then the built preparation if there is one (tsx alone would cost a third of a second), else the source.
var existsSync = require('node:fs').existsSync;
var join = require('node:path').join;
var spawnSync = require('node:child_process').spawnSync;
var pathToFileURL = require('node:url').pathToFileURL;

var major = Number(process.versions.node.split('.')[0]);
if (major < 20) {
  console.error(
    'Hanse needs Node 20 or newer, this is ' +
      process.versions.node +
      ': install the current LTS from nodejs.org and try again.',
  );
  process.exit(1);
}
var built = join(__dirname, '..', 'dist', 'prepare.js');
if (existsSync(built)) {
  void import(pathToFileURL(built).href);
} else {
  var run = spawnSync(
    process.execPath,
    ['--import', 'tsx', join(__dirname, 'prepare.ts')].concat(process.argv.slice(2)),
    {
      stdio: 'inherit',
      cwd: join(__dirname, '..'),
    },
  );
  process.exitCode = run.status === null ? 1 : run.status;
}
