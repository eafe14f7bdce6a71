/** A reporter of node:test: a line of JSON for each test, with its file and the names of the suites that it is in. */
import { relative } from 'node:path'

export default async function* results(events) {
  const path = []
  for await (const { type, data } of events) {
    if (type === 'test:start') path[data.nesting] = data.name
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const passed = type === 'test:pass' && data.skip === undefined && data.todo === undefined
    const file = relative(process.cwd(), data.file ?? '')
    yield `${JSON.stringify({ file, suites: path.slice(0, data.nesting), name: data.name, passed })}\n`
  }
}
