/** PostgreSQL by node-postgres: queries, cursors and streams, alone and through a pool. */
import type { Pool } from 'pg'
import { client, defineInstrumentation, flag, type Kit, type Operation } from './define.js'
import {
  apply,
  type Client,
  type Cursor,
  endQueued,
  endUnsubmitted,
  follow,
  followCopies,
  type Query,
  QueryCall,
  type Submittable,
  submit,
} from './shared/pg-submissions.js'
import { summarize } from './shared/sql.js'
import { parameterAttributes, textsOf } from './shared/sql-parameters.js'
import { concealValues } from './shared/sql-values.js'

interface Options {
  parameters: boolean
}

export default defineInstrumentation<Options>({
  name: 'pg',
  title: 'node-postgres',
  category: 'database',
  options: { parameters: flag(false, 'Record the values of query parameters. They often hold personal data.') },
  modules: [
    {
      name: 'pg',
      // Older ones never connect on the versions of Node that we run on.
      versions: '>=8.0.3 <9',
      file: 'lib/client.js',
      patch: traceClient,
    },
    // Over libpq, where the application has asked for `require('pg').native`.
    { name: 'pg', versions: '>=8.0.3 <9', file: 'lib/native/client.js', patch: traceClient },
    { name: 'pg-copy-streams', versions: '>=6 <8', patch: followCopies },
    {
      name: 'pg-cursor',
      versions: '>=2.7.1 <3',
      patch({ prototype }: { prototype: Cursor }, kit) {
        follow(prototype, kit)
        kit.bindCallback(prototype, 'read')
        kit.wrap(prototype, 'close', endUnsubmitted)
        kit.bindCallback(prototype, 'close')
      },
    },
    {
      name: 'pg-pool',
      versions: '>=3 <4',
      patch({ prototype }: { prototype: Pool }, kit) {
        // A busy pool calls back from whichever query freed the connection.
        for (const method of ['connect', 'query', 'end'] as const) kit.bindCallback(prototype, method)
      },
    },
  ],
})

function traceClient({ prototype, Query }: ClientClass, kit: Kit<Options>): void {
  kit.wrap(prototype, 'query', query => trace(query, kit))
  kit.wrap(prototype, 'cancel', endQueued)
  follow(Query.prototype, kit)
  // A connection outlives the request that opens it: what it tells later is not told in that one's name.
  kit.wrap(prototype, 'connect', kit.detach)
  kit.bindCallback(prototype, 'connect')
  kit.bindCallback(prototype, 'end')
}

type ClientClass = { prototype: Client; Query: { prototype: Submittable } }

function trace(query: Client['query'], kit: Kit<Options>): Client['query'] {
  const operation = querying(kit.options)
  return function (this: Client, ...args: any[]) {
    const call = new QueryCall(this, args)
    const open = kit.begin(operation, call)
    open?.progress(call)
    // pg reads these properties first, too: what throws here would throw there.
    const config = args[0]
    if (typeof config?.submit === 'function') return submit(query, call, open, kit)

    const at = args[2] ? 2 : typeof args[1] === 'function' ? 1 : undefined
    const before = config?.callback
    const callback = at === undefined ? before : args[at]
    if (typeof callback === 'function') {
      const resume = kit.bind(callback)
      args[at ?? 2] = function (this: unknown, error: unknown) {
        call.error = error || undefined
        open?.end(call)
        return Reflect.apply(resume, this, arguments)
      }
      const result = apply(query, call, open)
      // pg up to 8.22 leaves the callback on the customer's object: theirs, then, and not ours.
      if (config?.callback !== before) Reflect.set(config, 'callback', callback)
      return result
    }
    const result: any = apply(query, call, open)
    if (open === undefined) return result
    if (typeof result?.then !== 'function') {
      open.end(call)
      return result
    }
    // Made by pg for this call, of whatever class the client's option `Promise` names.
    return result.then(
      (value: unknown) => {
        open.end(call)
        return value
      },
      (error: unknown) => {
        call.error = error
        open.end(call)
        throw error
      },
    )
  }
}

const querying = (options: Options): Operation<QueryCall> => ({
  inside: 'none',
  start(call) {
    const text = textOf(call)
    const { client: self } = call
    const { host = '', database = '', port } = self
    if (text === undefined && call.args[0]?.name === undefined) return undefined
    const statement = text === undefined ? undefined : summarize(text)
    return client(statement?.summary ?? (database || 'postgresql'), {
      'db.system.name': 'postgresql',
      'db.namespace': database || undefined,
      'db.query.summary': statement?.summary,
      'db.query.text': statement?.text || undefined,
      'db.operation.name': statement?.operation,
      'db.collection.name': statement?.collection,
      'db.stored_procedure.name': statement?.procedure,
      'server.address': host || undefined,
      // The number in the name of a Unix socket is no port.
      'server.port': host === '' || host.startsWith('/') ? undefined : port,
      'network.peer.address': undefined,
      'network.peer.port': undefined,
    })
  },
  progress(span, call) {
    if (options.parameters) span.set(parameterAttributes(valuesOf(call)))
  },
  finish(span, { client: { connection }, error }) {
    const stream = connection?.stream
    const { code, severity } = (error ?? {}) as { code?: string; severity?: string }
    span.set({
      // Errors of the server have a severity; others have codes, too, such as ECONNRESET.
      'db.response.status_code': severity === undefined ? undefined : code,
      'network.peer.address': stream?.remoteAddress,
      'network.peer.port': stream?.remotePort,
    })
  },
  // PostgreSQL tells the value that it could not read: `invalid input syntax for type integer: "..."`.
  describe(text, call) {
    const message = String((call.error as Error).message)
    const { known, all } = textsOf(valuesOf(call))
    const allKnown = all || TELLS_NAMES.test(String((call.error as { code?: unknown }).code))
    const conceal = (words: string): string => concealValues(words, textOf(call) ?? '', known, allKnown)
    // A stack has places in it as well, whose numbers are no values.
    return message !== '' && text.includes(message) ? text.replaceAll(message, () => conceal(message)) : conceal(text)
  },
})

/** Violated constraints, and what there is not or may not be used: what stands in quotes there is a name. */
const TELLS_NAMES = /^(23|42)/

function textOf({ client: self, args: [query] }: QueryCall): string | undefined {
  if (typeof query === 'string') return query
  const { text, cursor, name = '' } = (query ?? {}) as Query
  const prepared = self.connection?.parsedStatements ?? self.namedQueries
  const found = text ?? cursor?.text ?? prepared?.[name]
  return typeof found === 'string' ? found : undefined
}

function valuesOf({ args: [query, second] }: QueryCall): readonly unknown[] {
  const { values, cursor } = (typeof query === 'string' ? {} : query) as Query
  const found = Array.isArray(second) ? second : (values ?? cursor?.values)
  return Array.isArray(found) ? found : []
}
