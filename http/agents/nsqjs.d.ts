// nsqjs carries no types; this is what we use of it.
declare module 'nsqjs' {
  import type { EventEmitter } from 'node:events';

  export interface ConnectionOptions {
    /** Seconds. */
    heartbeatInterval?: number;
    /** Seconds without any byte, after which the connection is closed. */
    idleTimeout?: number;
    clientId?: string;
    tls?: boolean;
    tlsVerification?: boolean;
    ca?: Buffer;
    key?: Buffer;
    cert?: Buffer;
  }

  export interface ReaderOptions extends ConnectionOptions {
    /** `host:port` each. */
    nsqdTCPAddresses: string[];
    maxInFlight?: number;
    maxAttempts?: number;
    /** Milliseconds. */
    requeueDelay?: number;
    /** Seconds between attempts to connect. */
    lookupdPollInterval?: number;
  }

  export interface Message {
    body: Buffer;
    attempts: number;
    finish(): void;
    requeue(delayMs?: number, backoff?: boolean): void;
  }

  export class Writer extends EventEmitter {
    constructor(host: string, port: number, options?: ConnectionOptions);
    connect(): void;
    publish(topic: string, messages: string[], done: (error?: Error | null) => void): void;
    close(): void;
  }

  export class Reader extends EventEmitter {
    constructor(topic: string, channel: string, options: ReaderOptions);
    connect(): void;
    close(): void;
  }

  const nsq: { Writer: typeof Writer; Reader: typeof Reader };
  export default nsq;
}
