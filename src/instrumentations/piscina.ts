/** Tasks that piscina runs in worker threads: a span around each where it is asked for, and one where it runs. */
import { basename } from 'node:path'
import threads, { type MessagePort } from 'node:worker_threads'
import type { SemanticAttributes } from '../semconv.js'
import { type Call, defineInstrumentation, internal, type Kit, type OpenCall, type Operation } from './define.js'
import { createStamp } from './shared/stamp.js'

// Older ones are one file, whose parts cannot be reached.
const LIBRARY = { name: 'piscina', versions: '>=4.6 <6' }

export default defineInstrumentation({
  name: 'piscina',
  title: 'piscina',
  category: 'process',
  modules: [
    {
      ...LIBRARY,
      file: 'dist/index.js',
      patch({ Piscina }: { Piscina: { prototype: Pool } }, kit) {
        kit.wrap(Piscina.prototype, 'run', original => {
          // Workers outlive the call that has them started (in 4, here): what they do besides tasks is not done in its name.
          const run = kit.detach(original)
          return function (this: Pool) {
            const promise = Reflect.apply(run, this, arguments as never)
            // What was refused has not become a task.
            asking = undefined
            return promise
          }
        })
        kit.trace(Piscina.prototype, 'run', running)
      },
    },
    {
      ...LIBRARY,
      file: 'dist/task_queue/index.js',
      patch(lib: { TaskInfo: Constructor }, kit) {
        kit.wrap(lib, 'TaskInfo', original => {
          return function (...args: unknown[]) {
            const info = Reflect.construct(original, args, new.target)
            if (asking !== undefined) headersOf.set(info, asking)
            asking = undefined
            return info
          } as unknown as Constructor
        })
      },
    },
    { ...LIBRARY, file: 'dist/worker_pool/index.js', patch: patchWorkers },
    {
      ...LIBRARY,
      // The first file that a worker's script loads, so that we hear of the port for tasks before it does.
      file: 'dist/symbols.js',
      patch(_, kit) {
        const { parentPort } = threads
        if (parentPort === null || !WORKER_SCRIPT.test(process.argv[1] ?? '')) return
        // What a worker does besides tasks, as to load their files, is not done in the name of who had it started.
        kit.adopt({})
        parentPort.once('message', ({ port }: { port: MessagePort }) => followTasks(port, kit))
      },
    },
  ],
})

const WORKER_SCRIPT = /[\\/]piscina[\\/]dist[\\/]worker\.js$/

type Constructor = new (...args: any[]) => object
type Headers = Record<string, string>

interface Pool {
  readonly options: Partial<Place>
  run(task: unknown, options?: Partial<Place>): Promise<unknown>
}

/** Where the function of a task is. */
interface Place {
  readonly filename: string | null
  readonly name: string | null
}

/** A task on its way to a worker: piscina's own object, with the headers that we add. */
interface Message extends Place {
  readonly taskId: number
  readonly [HEADERS]?: Headers
}

const HEADERS = '@org/trace'

/** Of the call of `run` that is about to make its task. */
let asking: Headers | undefined
const headersOf = createStamp<Headers>()

const running: Operation<Call<Pool, [unknown, Partial<Place>?]>> = {
  inside: 'none',
  // A task may be anything.
  callsBack: false,
  start({ self, args: [, options] }) {
    const filename = options?.filename ?? self.options.filename
    const { name, attributes } = describe(filename, options?.name ?? self.options.name)
    return internal(`run ${name}`, attributes)
  },
  inject(_, headers) {
    asking = headers
  },
}

function patchWorkers(lib: { WorkerInfo: Constructor & { prototype: WorkerInfo } }, kit: Kit<object>): void {
  let posting: Headers | undefined
  kit.wrap(lib.WorkerInfo.prototype, 'postTask', postTask => {
    return function (this: WorkerInfo, task) {
      posting = headersOf.get(task)
      Reflect.apply(postTask, this, arguments as never)
      posting = undefined
    }
  })
  kit.wrap(lib, 'WorkerInfo', original => {
    return function (...args: unknown[]) {
      // In 5 workers are started here, by the pool's constructor too.
      const create = kit.detach(() => Reflect.construct(original, args, new.target) as WorkerInfo)
      const worker = create()
      kit.wrap(worker.port, 'postMessage', post => {
        return function (this: MessagePort, message: Message, transferred: never) {
          const sent = posting === undefined ? message : { ...message, [HEADERS]: posting }
          Reflect.apply(post, this, [sent, transferred])
        } as typeof post
      })
      return worker
    } as unknown as typeof original
  })
}

interface WorkerInfo {
  readonly port: MessagePort
  postTask(task: object): void
}

interface Task {
  readonly message: Message
  error?: unknown
}

/** In a worker: tasks come by the port's event, or are taken from the port while the thread waits for them. */
function followTasks(port: MessagePort, kit: Kit<object>): void {
  const open = new Map<number, { readonly task: Task; readonly call: OpenCall<Task> }>()
  let perform: (message: Message) => void = () => {}

  const begin = (message: Message): void => {
    const task: Task = { message }
    const call = kit.begin(processing, task)
    if (call === undefined) perform(message)
    else {
      open.set(message.taskId, { task, call })
      call.run(perform, undefined, [message])
    }
  }
  kit.wrap(port, 'on', on => {
    return function (this: MessagePort, event: string, listener: (message: Message) => void) {
      if (event !== 'message') return Reflect.apply(on, this, [event, listener] as never)
      perform = message => Reflect.apply(listener, this, [message])
      return Reflect.apply(on, this, [event, begin] as never)
    } as typeof on
  })
  // While no task runs, the thread waits for them without its event loop.
  kit.wrap(threads, 'receiveMessageOnPort', receive => from => {
    if (from !== port) return receive(from)
    for (let entry = receive(port); entry !== undefined; entry = receive(port)) begin(entry.message)
    return undefined
  })
  kit.wrap(port, 'postMessage', post => {
    return function (this: MessagePort, response: Response) {
      const ended = open.get(response.taskId)
      open.delete(response.taskId)
      if (ended !== undefined) {
        ended.task.error = response.error ?? undefined
        ended.call.end(ended.task)
      }
      Reflect.apply(post, this, arguments as never)
    } as typeof post
  })
}

interface Response {
  readonly taskId: number
  readonly error: unknown
}

const processing: Operation<Task> = {
  extract: ({ message }) => message[HEADERS],
  start({ message: { filename, name: task } }) {
    const { name, attributes } = describe(filename, task)
    return internal(name, { ...attributes, 'thread.id': threads.threadId })
  },
}

/** A task is known by its file, and by the name of the function unless it is all that the file exports. */
function describe(filename: unknown, task: unknown): { name: string; attributes: SemanticAttributes } {
  const path = typeof filename === 'string' ? filename : undefined
  const name = typeof task === 'string' && task !== 'default' ? task : undefined
  return {
    name: [path === undefined ? 'task' : basename(path), name].filter(part => part !== undefined).join(' '),
    attributes: { 'code.file.path': path, 'code.function.name': name },
  }
}
