// What npm runs before start, test and bench. Read by every Node there is, so in its oldest words: an old one is told what
// is missing. Then the built preparation (tsx alone would cost a third of a second), or the source where there is none, or an
// older one: that would build the programs that there were when it was built.
var fs = require('node:fs');
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
var isCurrent =
  fs.existsSync(built) &&
  ['prepare.ts', 'build.ts'].every(function (name) {
    return fs.statSync(join(__dirname, name)).mtimeMs <= fs.statSync(built).mtimeMs;
  });
if (isCurrent) {
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
