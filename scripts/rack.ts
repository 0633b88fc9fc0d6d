// `rack`: simulates the rack of one partition. Ends cleanly on SIGTERM and SIGINT.
import { createLogger } from './log.ts';
import { readConfig, USAGE, type RackConfig } from './rack/config.ts';
import { createJournal } from './rack/journal.ts';
import { startRack } from './rack/rack.ts';

const configured = (): RackConfig | undefined => {
  try {
    return readConfig(process.argv.slice(2), process.env);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return undefined;
  }
};

const config = configured();
if (config === undefined) {
  process.exitCode = 2;
} else {
  const rack = await startRack(config, createJournal(createLogger('rack', { rack: config.partition })));
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) process.exit(1);
    isStopping = true;
    void rack.stop().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
