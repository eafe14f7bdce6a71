/** Tasks that workerpool runs in worker threads or processes: a span around each where it is asked for, and one where it runs. */
import threads, { type MessagePort } from 'node:worker_threads'
import type { Promise as WorkerPromise } from 'workerpool'
import { type Call, defineInstrumentation, internal, type Kit, type OpenCall, type Operation } from './define.js'
import { createStamp } from './shared/stamp.js'

const LIBRARY = { name: 'workerpool', versions: '>=9 <11' }

export default defineInstrumentation({
  name: 'workerpool',
  title: 'workerpool',
  category: 'process',
  modules: [
    {
      ...LIBRARY,
      file: 'src/Pool.js',
      patch(Pool: { prototype: Pool }, kit) {
        kit.wrap(Pool.prototype, 'exec', exec => {
          return function (this: Pool, ...args) {
            const call: Exec = { self: this, args }
            const open = kit.begin(running, call)
            if (open === undefined) return Reflect.apply(exec, this, args)
            // A promise of the library's own, with `cancel` and `timeout`.
            const promise = open.attempt(exec, this, call.args, call)
            const settle = (error?: unknown): void => open.end({ ...call, error })
            promise.then(
              () => settle(),
              error => settle(error ?? new Error('rejected with nothing')),
            )
            return promise
          }
        })
        // Workers outlive the call that has them started: what they do besides its task is not done in its name.
        kit.wrap(Pool.prototype, '_createWorkerHandler', kit.detach)
      },
    },
    {
      ...LIBRARY,
      file: 'src/WorkerHandler.js',
      patch(WorkerHandler: { prototype: WorkerHandler }, kit) {
        kit.wrap(WorkerHandler.prototype, 'exec', exec => {
          return function (this: WorkerHandler, _method, _params, _resolver, options) {
            const headers = options === null || typeof options !== 'object' ? undefined : headersOf.get(options)
            if (headers !== undefined) expected(this, kit).set(this.lastId + 1, headers)
            return Reflect.apply(exec, this, arguments as never)
          }
        })
      },
    },
    {
      ...LIBRARY,
      // Loaded just before the worker's script, which listens for tasks.
      file: 'src/index.js',
      patch(lib: { worker(...args: unknown[]): void }, kit) {
        kit.wrap(lib, 'worker', worker => {
          return function (this: unknown) {
            const leave = followTasks(kit)
            Reflect.apply(worker, this, arguments as never)
            leave()
          }
        })
      },
    },
    {
      ...LIBRARY,
      // The first file that this script loads, where it is all that the worker has.
      file: 'src/transfer.js',
      patch(_, kit) {
        if (WORKER_SCRIPT.test(process.argv[1] ?? '')) followTasks(kit)
      },
    },
  ],
})

const WORKER_SCRIPT = /[\\/]workerpool[\\/]src[\\/]worker\.js$/

type Headers = Record<string, string>

interface Pool {
  exec(method: unknown, params?: unknown, options?: unknown): WorkerPromise<unknown>
  _createWorkerHandler(): WorkerHandler
}

interface WorkerHandler {
  readonly lastId: number
  /** A thread or a process; null when it has ended. */
  readonly worker: { send(message: Message | string, transfer?: unknown): unknown } | null
  exec(method: string, params: unknown, resolver: unknown, options: unknown): unknown
}

/** What goes to a worker: workerpool's own object, with the headers that we add. */
interface Message {
  readonly id: number
  readonly method: string
  readonly params?: readonly unknown[]
  readonly [HEADERS]?: Headers
}

const HEADERS = '@org/trace'

/** By the options of the task, which go with it from the pool to the worker. */
const headersOf = createStamp<Headers>()
const expecting = createStamp<Map<number, Headers>>()

/** The headers of tasks that are on their way to a worker, by the task's number. */
function expected(handler: WorkerHandler, kit: Kit<object>): Map<number, Headers> {
  const before = expecting.get(handler)
  if (before !== undefined) return before
  const tasks = new Map<number, Headers>()
  expecting.set(handler, tasks)
  if (handler.worker !== null) {
    kit.wrap(handler.worker, 'send', send => {
      return function (this: unknown, message, transfer) {
        const headers = typeof message === 'string' ? undefined : tasks.get(message.id)
        if (headers === undefined) return Reflect.apply(send, this, arguments as never)
        tasks.delete((message as Message).id)
        return Reflect.apply(send, this, [{ ...(message as Message), [HEADERS]: headers }, transfer])
      }
    })
  }
  return tasks
}

type Exec = Call<Pool, [method: unknown, params?: unknown, options?: unknown]>

const running: Operation<Exec> = {
  inside: 'none',
  start({ args: [method, params] }) {
    // A function comes back as text, for the method `run`; `methods` is what the library asks for itself.
    if (typeof method !== 'string' || method === 'methods') return undefined
    const name = nameOf(method, params)
    return internal(`exec ${name}`, { 'code.function.name': name })
  },
  inject(call, headers) {
    const [method, params, options = {}] = call.args
    if (options === null || typeof options !== 'object') return
    const copy = Object.assign(Object.create(Object.getPrototypeOf(options)), options)
    headersOf.set(copy, headers)
    call.args = [method, params, copy]
  },
}

interface Task {
  readonly request: Message
  error?: unknown
}

interface Response {
  readonly id?: number
  readonly isEvent?: boolean
  readonly error?: unknown
}

/**
 * In a worker, just before the library's script runs, which takes from its surroundings how to listen and how to answer: for
 * that moment these are ours. Returns what puts everything back if the script has run before.
 */
function followTasks(kit: Kit<object>): () => void {
  const open = new Map<unknown, { readonly task: Task; readonly call: OpenCall<Task> }>()
  const perform = (listener: (request: Message) => void, self: unknown, request: Message): void => {
    const task: Task = { request }
    const call = isTask(request) ? kit.begin(processing, task) : undefined
    if (call === undefined) Reflect.apply(listener, self, [request])
    else {
      open.set(request.id, { task, call })
      call.run(listener, self, [request])
    }
  }
  const answered = ({ id, isEvent, error }: Response): void => {
    const ended = isEvent === true ? undefined : open.get(id)
    if (ended === undefined) return
    open.delete(id)
    if (error) ended.task.error = error
    ended.call.end(ended.task)
  }

  const { parentPort } = threads
  const source = (parentPort ?? process) as Pick<MessagePort, 'on'>
  let listens = false
  const returnOn = borrow(kit, source, 'on', on => {
    return function (this: typeof source, event: string, listener: any) {
      if (event !== 'message') return Reflect.apply(on, this, arguments as never)
      listens = true
      returnOn()
      // A thread's way to answer is bound by now; a process's is looked up for each answer.
      if (parentPort !== null) returnSend()
      const heard = function (this: unknown, request: Message): void {
        perform(listener, this, request)
      }
      return Reflect.apply(on, this, [event, heard])
    } as typeof on
  })
  const answering = (send: Function) => {
    return function (this: unknown, answer: Response) {
      answered(answer)
      return Reflect.apply(send, this, arguments)
    }
  }
  const returnSend =
    parentPort === null
      ? borrow(kit, process, 'send', answering as never)
      : borrow(kit, parentPort, 'postMessage', answering as never)
  return () => {
    if (listens) return
    returnOn()
    returnSend()
  }
}

/** Wraps a method until the function that is returned is called. */
function borrow<T extends object, K extends keyof T>(
  kit: Kit<object>,
  owner: T,
  method: K,
  wrapper: (original: T[K]) => T[K],
): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, method)
  kit.wrap(owner, method, wrapper)
  return () => {
    if (before === undefined) Reflect.deleteProperty(owner, method)
    else Reflect.defineProperty(owner, method, before)
  }
}

/** Not what the library says to its workers itself. */
const isTask = (request: Partial<Message> | string): boolean =>
  typeof request === 'object' &&
  typeof request?.method === 'string' &&
  request.method !== 'methods' &&
  !request.method.startsWith('__workerpool-')

const processing: Operation<Task> = {
  extract: ({ request }) => request[HEADERS],
  start({ request: { method, params } }) {
    const name = nameOf(method, params)
    return internal(name, { 'code.function.name': name, 'thread.id': threads.threadId })
  },
}

const FUNCTION = /^(?:async\s+)?function\b\s*\*?\s*([\w$]+)/

/** A method's name, or that of a function whose text is run. */
function nameOf(method: string, params: unknown): string {
  const text = method === 'run' && Array.isArray(params) ? params[0] : undefined
  return typeof text === 'string' ? (FUNCTION.exec(text)?.[1] ?? 'run') : method
}
