/** One replacement in the text of postgres.js 3.4.9, and what happens without it. */
export interface Repair {
  /** Below `src/` of the package; the CommonJS copy in `cjs/src/` has the same lines. */
  readonly file: 'connection.js' | 'index.js' | 'query.js';
  readonly why: string;
  readonly from: string;
  readonly to: string;
}

/** The version whose text these repairs were written against. */
export const repairedVersion = '3.4.9';

/**
 * All repairs of the driver (porsager/postgres #1066, #1154, #1208; pull requests #1168, #1209, and neighbours found in the same lines).
 * Each `from` stands exactly once in the untouched file, and none of them contains another one's `to`.
 */
export const repairs: readonly Repair[] = [
  {
    file: 'connection.js',
    why: 'nextWrite runs from setImmediate, outside any promise: with the socket gone it threw there, and the process died',
    from: `    const x = socket.write(chunk, fn)
    nextWriteTimer !== null && clearImmediate(nextWriteTimer)
    chunk = nextWriteTimer = null
    return x
`,
    to: `    const x = chunk
    nextWriteTimer !== null && clearImmediate(nextWriteTimer)
    chunk = nextWriteTimer = null
    if (x === null)
      return true
    if (!socket) {
      error(Errors.connection('CONNECTION_CLOSED', options))
      return true
    }
    return socket.write(x, fn)
`,
  },
  {
    file: 'connection.js',
    why: 'a cleared but remembered timer means "a flush is coming": the connection never flushed again, its queries hung for ever',
    from: `    clearImmediate(nextWriteTimer)
    if (socket) {
      socket.removeListener('data', data)
`,
    to: `    clearImmediate(nextWriteTimer)
    nextWriteTimer = chunk = null
    if (socket) {
      socket.removeListener('data', data)
`,
  },
  {
    file: 'connection.js',
    why: 'the same after a close; and an error answer of the old connection must not fail the first query of the new one',
    from: `    clearImmediate(nextWriteTimer)
    socket.removeListener('data', data)
`,
    to: `    clearImmediate(nextWriteTimer)
    nextWriteTimer = chunk = errorResponse = null
    socket.removeListener('data', data)
`,
  },
  {
    file: 'connection.js',
    why: 'a transaction that lost its connection still executes on it: its bytes must not reach the next connection, nor may the closed one count as full',
    from: `    if (stream)
      return queryError(q, Errors.generic('COPY_IN_PROGRESS',`,
    to: `    if (!socket)
      return queryError(q, Errors.connection('CONNECTION_CLOSED', options)), true

    if (stream)
      return queryError(q, Errors.generic('COPY_IN_PROGRESS',`,
  },
  {
    file: 'connection.js',
    why:
      'between the error and the close of a socket another query may have been put behind the failed one: it never settled, ' +
      'and the next connection took it for one of its own and gave every answer to the wrong query. ' +
      'A server (or balancer) that closes during start-up was dialled again without any pause',
    from: `    if (initial)
      return reconnect()

    !hadError && (query || sent.length) && error(Errors.connection('CONNECTION_CLOSED', options, socket))
`,
    to: `    const lost = Errors.connection('CONNECTION_CLOSED', options, socket)
    stream && (stream.destroy(lost), stream = null)
    query && queryError(query, lost)
    while (sent.length)
      queryError(sent.shift(), lost)
    query = results = null
    result = new Result()
    rows = 0

    if (initial) {
      closedTime = performance.now()
      delay = (typeof backoff === 'function' ? backoff(options.shared.retries) : backoff) * 1000
      return reconnect()
    }

`,
  },
  {
    file: 'connection.js',
    why: 'a destroyed pool must not dial again when its pause is over',
    from: `    setTimeout(connect, closedTime ?`,
    to: `    setTimeout(() => initial ? connect() : onclose(connection, Errors.connection('CONNECTION_CLOSED', options)), closedTime ?`,
  },
  {
    file: 'connection.js',
    why: 'a connection reset while it reads the array types was a rejection nobody awaited: the process died',
    from: `        return fetchArrayTypes()
`,
    to: `        return fetchArrayTypes().catch(noop)
`,
  },
  {
    file: 'connection.js',
    why: 'a cursor whose connection closed meanwhile must not ask the next connection for its rows: the server would skip an innocent statement',
    from: `    try {
      const x = await Promise.resolve(query.cursorFn(result))
      rows = 0
      x === CLOSE
        ? write(Close(query.portal))
        : (result = new Result(), write(Execute('', query.cursorRows)))
    } catch (err) {
      write(Sync)
      query.reject(err)
    }
`,
    to: `    const q = query
        , on = socket
    try {
      const x = await Promise.resolve(q.cursorFn(result))
      if (socket !== on)
        return
      rows = 0
      x === CLOSE
        ? write(Close(q.portal))
        : (result = new Result(), write(Execute('', q.cursorRows)))
    } catch (err) {
      socket === on && write(Sync)
      q.reject(err)
    }
`,
  },
  {
    file: 'index.js',
    why: 'a transaction that lost its connection must not go on, in no transaction, on the one opened in its place; what waits in it settles',
    from: `        new Promise((_, reject) => connection.onclose = reject)
`,
    to: `        new Promise((_, reject) => connection.onclose = e => {
          lost = e
          while (queries.length)
            queries.shift().reject(e)
          reject(e)
        })
`,
  },
  {
    file: 'index.js',
    why: 'see above: where the loss is remembered',
    from: `    let savepoints = 0
      , connection
`,
    to: `    let savepoints = 0
      , lost = null
      , connection
`,
  },
  {
    file: 'index.js',
    why: 'see above: where it is asked for',
    from: `        q.catch(e => uncaughtError || (uncaughtError = e))
        c.queue === full
`,
    to: `        q.catch(e => uncaughtError || (uncaughtError = e))
        if (lost)
          return q.reject(lost)
        c.queue === full
`,
  },
  {
    file: 'query.js',
    why: 'a cursor whose connection closed between two batches said it was at its end: rows were missing and nobody knew',
    from: `            this.reject = x => (this.active = false, reject(x))
`,
    to: `            this.reject = x => (this.active = false, this.failed = x, reject(x))
`,
  },
  {
    file: 'query.js',
    why: 'see above: where the end is told',
    from: `          if (this.executed && !this.active)
            return { done: true }
`,
    to: `          if (this.executed && !this.active)
            return this.failed ? Promise.reject(this.failed) : { done: true }
`,
  },
  {
    file: 'query.js',
    why: 'every failed statement without a template stayed in a map for ever: an outage grew the process',
    from: `    , originStackCache = new Map()
`,
    to: `    , originStackCache = new WeakMap()
`,
  },
];
