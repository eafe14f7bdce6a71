/** Jobs that are added to Bull and BullMQ: one by one, several at once, and as flows. */
import { type Call, client, type Kit, type OpenCall, type Operation, producer } from '../define.js'
import {
  describe,
  type Headers,
  idOf,
  isTraced,
  type Job,
  type JobOptions,
  nameOf,
  type Queue,
  type System,
  withHeaders,
} from './bull.js'

/** Adds a job, or what makes jobs. `replace` gives the arguments with other options of the job. */
export const adding = (
  system: System,
  operation: string,
  replace: (args: any[], put: (opts: JobOptions | undefined) => JobOptions | undefined) => unknown[],
): Operation<Call<Queue, unknown[], Job>> => ({
  start: ({ self }) => (isTraced(self) ? describe(producer, [operation, 'send'], system, self) : undefined),
  inject(call, headers) {
    const { self, args } = call
    if (isTraced(self)) call.args = replace(args, opts => withHeaders(opts, self.defaultJobOptions, headers))
  },
  finish(span, { result }) {
    span.set({ 'messaging.message.id': idOf(result), ...nameOf(system, result) })
  },
})

/** A job of several that are added at once; one of a flow names its queue, and waits for its children. */
interface Node {
  readonly name: string
  readonly data?: unknown
  readonly prefix?: unknown
  readonly opts?: JobOptions
  readonly queueName?: string
  readonly children?: unknown
}

const childrenOf = ({ children }: Node): Node[] => (Array.isArray(children) ? children : [])
const isNode = (node: unknown): boolean =>
  typeof node === 'object' && node !== null && childrenOf(node as Node).every(isNode)
const flat = (nodes: readonly Node[]): Node[] => nodes.flatMap(node => [node, ...flat(childrenOf(node))])

/** Replaces the options of all jobs of a tree, in the order of `flat`, on copies. What it reads may be getters of a class. */
const copied = (node: Node, put: (node: Node) => JobOptions | undefined): Node => {
  const { name, data, queueName, prefix, children } = node
  const copy = { ...node, name, data, queueName, prefix, opts: put(node) } as Node
  return Array.isArray(children) ? { ...copy, children: children.map(child => copied(child, put)) } : copy
}

/** What was made of a tree: of a bulk the jobs, of a flow each with its children's. */
interface Result extends Partial<Job> {
  readonly job?: Job
  readonly children?: readonly Result[]
}

const jobsOf = (results: readonly Result[]): (Partial<Job> | undefined)[] =>
  results.flatMap(result => (result?.job === undefined ? [result] : [result.job, ...jobsOf(result.children ?? [])]))

interface FlowOptions {
  readonly queuesOptions?: Record<string, { readonly defaultJobOptions?: JobOptions } | undefined>
}

interface Created {
  readonly queue: Queue
  readonly node: Node
  headers?: Headers
  open?: OpenCall<Created> | undefined
  result?: Partial<Job> | undefined
  error?: unknown
}

type Adding = Call<Queue, unknown[], Result | readonly Result[]> & { created?: Created[] }

/** Adds jobs, each of which starts a branch of its own: `addBulk`, and the methods of a FlowProducer. */
export function addingMany(kit: Kit<object>, system: System, operation: string): Operation<Adding> {
  const create: Operation<Created> = {
    inside: 'none',
    start({ queue, node }) {
      const draft = describe(producer, ['create', 'create'], system, queue, node.queueName)
      return { ...draft, attributes: { ...draft.attributes, ...nameOf(system, node) } }
    },
    inject(created, headers) {
      created.headers = headers
    },
    finish(span, { result }) {
      span.set({ 'messaging.message.id': idOf(result) })
    },
  }
  const rootsOf = ({ self, args: [first] }: Adding): Node[] => {
    const roots = Array.isArray(first) ? first : [first]
    return isTraced(self) && roots.every(isNode) ? roots : []
  }
  return {
    start(call) {
      const roots = rootsOf(call)
      const [first, ...others] = roots
      if (first === undefined) return undefined
      call.created = flat(roots).map(node => {
        const created: Created = { queue: call.self, node }
        created.open = kit.begin(create, created)
        return created
      })
      const shared = others.every(({ queueName }) => queueName === first.queueName) ? first.queueName : undefined
      const draft = describe(client, [operation, 'send'], system, call.self, shared)
      return { ...draft, attributes: { ...draft.attributes, 'messaging.batch.message_count': call.created.length } }
    },
    links: ({ created = [] }) => created.map(({ headers }) => headers),
    inject(call, headers) {
      const { self, args } = call
      const roots = rootsOf(call)
      const created = call.created?.values()
      const defaultsOf = ({ queueName = '' }: Node): JobOptions | undefined =>
        self.defaultJobOptions ?? (args[1] as FlowOptions | undefined)?.queuesOptions?.[queueName]?.defaultJobOptions
      const copies = roots.map(root =>
        copied(root, node => withHeaders(node.opts, defaultsOf(node), created?.next().value?.headers ?? headers)),
      )
      if (copies.length > 0) call.args = [Array.isArray(args[0]) ? copies : copies[0], ...args.slice(1)]
    },
    finish(_span, { created = [], result = [], error }) {
      const results = jobsOf(Array.isArray(result) ? result : [result])
      for (const [i, one] of created.entries()) {
        one.result = results[i]
        if (error !== undefined) one.error = error
        one.open?.end(one)
      }
    },
  }
}
