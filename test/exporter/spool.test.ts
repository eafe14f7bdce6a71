/** Files of the spool, on a real disk: whose they are, how large together, and what a broken one does. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createSpool, type Spool } from '../../src/exporter/spool.js'

const base = mkdtempSync(join(tmpdir(), 'spool-'))
after(() => rmSync(base, { recursive: true }))
let folders = 0

function setUp(maxBytes = 1e6) {
  const path = join(base, String(++folders))
  const spool = createSpool(path, maxBytes, 'shop', '.pb')
  const folder = join(path, 'shop')
  const files = (): string[] => readdirSync(folder).sort()
  return { path, folder, files, spool, again: () => createSpool(path, maxBytes, 'shop', '.pb') }
}

const body = (text: string): Uint8Array => Buffer.from(text)
const text = (bodies: readonly Uint8Array[] = []): string[] => bodies.map(each => Buffer.from(each).toString())

function write(spool: Spool, ...texts: string[]) {
  const segment = spool.create()
  for (const each of texts) assert.equal(spool.append(segment, body(each), 2), true)
  return segment
}

/** Makes a file look as if another process had left it. */
function disown(folder: string, file: string, { host = '', pid = '999999999', start = '1' } = {}): void {
  const [stem = '', ownHost = ''] = file.split('_')
  renameSync(join(folder, file), join(folder, `${stem}_${host || ownHost}_${pid}_${start}_0.pb`))
}

test('what was written is read again, and is gone when it is removed', () => {
  const { spool, files } = setUp()
  const segment = write(spool, 'one', 'two')
  assert.equal(segment.spans, 4)
  assert.deepEqual(text(spool.read(segment)?.bodies), ['one', 'two'])
  assert.equal(files().length, 1)
  spool.remove(segment)
  assert.deepEqual(files(), [])
  assert.equal(spool.read(segment), undefined)
  assert.equal(spool.touch(segment), false)
})

test('files are private to the user, and so is the folder', { skip: process.platform === 'win32' }, () => {
  const mask = process.umask(0)
  try {
    const { spool, folder, files, path } = setUp()
    write(spool, 'one')
    assert.equal(statSync(join(folder, files()[0] as string)).mode & 0o777, 0o600)
    assert.equal(statSync(folder).mode & 0o777, 0o700)
    assert.equal(statSync(path).mode & 0o777, 0o700)
  } finally {
    process.umask(mask)
  }
})

test('a folder that others may write to, and one that is none, are not used', () => {
  const { path, folder, again } = setUp()
  chmodSync(folder, 0o777)
  assert.throws(again, /others may write/)
  rmSync(folder, { recursive: true })
  writeFileSync(folder, '')
  assert.throws(again, /EEXIST/)
  assert.throws(() => createSpool(join(path, 'shop', 'x'), 1e6, 'shop', '.pb'), /ENOTDIR/)
})

test('no name of a service leads out of the folder', () => {
  const path = join(base, 'names')
  for (const name of ['..', '.', '../x', 'a/b', 'x'.repeat(400)]) createSpool(path, 1e6, name, '.pb')
  assert.deepEqual(readdirSync(path).sort(), ['%2E', '%2E%2E', '%2E%2E%2Fx', 'a%2Fb', 'x'.repeat(200)].sort())
  assert.ok(!readdirSync(base).includes('x'))
})

test('what a process that is gone has left is taken over, oldest first and once', () => {
  const { spool, folder, files, again } = setUp()
  for (const each of ['one', 'two', 'three']) {
    write(spool, each)
    for (const file of files()) if (!file.includes('_999999999_')) disown(folder, file)
  }
  const [first, second] = [again(), again()]
  const adopted = first.adopt()
  assert.deepEqual(
    adopted.map(segment => text(first.read(segment)?.bodies)[0]),
    ['one', 'two', 'three'],
  )
  assert.deepEqual(
    adopted.map(({ spans }) => spans),
    [2, 2, 2],
  )
  assert.deepEqual(second.adopt(), [], 'this process lives')
  assert.equal(files().length, 3)
})

test('an earlier process of the same id is gone', { skip: process.platform !== 'linux' }, () => {
  const { spool, folder, files } = setUp()
  write(spool, 'one')
  disown(folder, files()[0] as string, { pid: String(process.pid), start: '1' })
  assert.equal(spool.adopt().length, 1)
})

test('a process that lives keeps its files', () => {
  const { spool } = setUp()
  write(spool, 'one')
  assert.deepEqual(spool.adopt(), [])
})

test('a process of another host is gone when it was silent for ten minutes', () => {
  const { spool, folder, files } = setUp()
  write(spool, 'one')
  write(spool, 'two')
  for (const file of files()) disown(folder, file, { host: 'elsewhere' })
  const old = new Date(Date.now() - 11 * 60_000)
  const [first = '', second = ''] = files()
  utimesSync(join(folder, first), old, old)
  assert.deepEqual(spool.adopt(), [], 'one of its files was touched just now')
  utimesSync(join(folder, second), old, old)
  assert.equal(spool.adopt().length, 2)
})

test('files that are none of ours stay as they are', () => {
  const { spool, folder, files } = setUp()
  const names = ['README', 'x.pb', '1795840929657-000000-d8bf1501211c_h_1_1_0.json', '.hidden']
  for (const name of names) writeFileSync(join(folder, name), 'mine')
  mkdirSync(join(folder, '1795840929657-000000-d8bf1501211c_h_1_1_0.pb'))
  assert.deepEqual(spool.adopt(), [])
  assert.equal(files().length, 5)
})

test('of a damaged file all is read that stands before the damage', () => {
  const { spool, folder, files } = setUp()
  const read = (break_: (file: string) => void) => {
    const segment = write(spool, 'first', 'second', 'third')
    const file = join(folder, files().at(-1) as string)
    break_(file)
    const contents = spool.read(segment)
    spool.remove(segment)
    return [contents?.spans, ...text(contents?.bodies)]
  }
  const flip = (at: number) => (file: string) => {
    const bytes = readFileSync(file)
    bytes[at] = (bytes[at] as number) ^ 0x40
    writeFileSync(file, bytes)
  }
  assert.deepEqual(
    read(() => {}),
    [6, 'first', 'second', 'third'],
  )
  assert.deepEqual(
    read(file => truncateSync(file, statSync(file).size - 1)),
    [4, 'first', 'second'],
    'cut short',
  )
  assert.deepEqual(
    read(file => truncateSync(file, 21 + 7)),
    [2, 'first'],
    'cut within a header',
  )
  assert.deepEqual(read(flip(16)), [0], 'a byte of the first body')
  assert.deepEqual(read(flip(21 + 4)), [2, 'first'], 'the spans of the second')
  assert.deepEqual(read(flip(21 + 3)), [2, 'first'], 'the length of the second')
  assert.deepEqual(
    read(file => appendFileSync(file, 'garbage that is long enough')),
    [6, 'first', 'second', 'third'],
  )
  assert.deepEqual(
    read(file => writeFileSync(file, '')),
    [0],
  )
  assert.deepEqual(
    read(file => writeFileSync(file, Buffer.alloc(4096))),
    [0],
    'as a power failure leaves it',
  )
})

test('the limit is for all processes together', () => {
  const { spool, folder, files, again } = setUp(1000)
  assert.equal(spool.hasRoom(900), true)
  assert.equal(spool.hasRoom(1000), false)
  const segment = write(spool, 'x'.repeat(500))
  assert.equal(spool.hasRoom(500), false)
  spool.remove(segment)
  assert.equal(spool.hasRoom(500), true)

  write(spool, 'x'.repeat(500))
  disown(folder, files()[0] as string, { host: 'elsewhere' })
  const other = again()
  other.adopt()
  assert.equal(other.hasRoom(400), true)
  assert.equal(other.hasRoom(500), false)
})

test('a folder that was removed is made again', () => {
  const { spool, path, files } = setUp()
  rmSync(path, { recursive: true })
  write(spool, 'one')
  assert.equal(files().length, 1)
})
