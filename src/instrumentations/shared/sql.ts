/** What may be told of an SQL statement: its summary, and its text without the values in it. */
import { COMMENT, END, LITERAL, MAX_TEXT, OTHER, QUOTED, Scanner, startsName } from './sql-scanner.js'

export interface Statement {
  /** Operations and their targets in the order of the text, `INSERT orders SELECT carts`: at most 255 characters. */
  readonly summary: string | undefined
  /** Only where there is a single one, in upper case. */
  readonly operation: string | undefined
  /** The table, only where there is a single operation on a single table. */
  readonly collection: string | undefined
  /** What a `CALL` calls. */
  readonly procedure: string | undefined
  /** At most 4,096 characters, without comments, each literal a `?`. Undefined where quotes do not pair up. */
  readonly text: string | undefined
}

const MAX_SUMMARY = 255
const MAX_STATEMENTS = 500

// Applications repeat their statements: a hit costs 10 ns, reading one of 200 characters 9 microseconds (Node 20).
const known = new Map<string, Statement>()

/** Reads a statement of PostgreSQL's dialect, or several. Anything may be passed that is a string. */
export function summarize(text: string): Statement {
  // Not kept: a part of a string keeps the whole of it in memory.
  if (text.length > MAX_TEXT) return read(text.slice(0, MAX_TEXT), true)
  let statement = known.get(text)
  if (statement === undefined) {
    statement = read(text, false)
    if (known.size >= MAX_STATEMENTS) known.clear()
    known.set(text, statement)
  }
  return statement
}

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '))

const OPERATIONS = words(
  'ABORT ALTER ANALYZE BEGIN CALL CHECKPOINT CLOSE CLUSTER COMMENT COMMIT COPY CREATE DEALLOCATE DECLARE DELETE DISCARD DO DROP ' +
    'END EXECUTE EXPLAIN FETCH GRANT IMPORT INSERT LISTEN LOAD LOCK MERGE MOVE NOTIFY PREPARE REASSIGN REFRESH REINDEX RELEASE ' +
    'RESET REVOKE ROLLBACK SAVEPOINT SECURITY SELECT SET SHOW START TABLE TRUNCATE UNLISTEN UPDATE VACUUM VALUES WITH',
)
const CHANGES = words('INSERT UPDATE DELETE MERGE')
/** Operations that a query may stand in. */
const AROUND_QUERIES = words('SELECT INSERT UPDATE DELETE MERGE WITH EXPLAIN CREATE COPY DECLARE PREPARE VALUES TABLE')
/** Operations whose target follows at once. */
const BEFORE_TARGET = words('UPDATE TRUNCATE CALL COPY LOCK TABLE EXECUTE')
/** Operations that are named with what they are done to. */
const COMPOUND = words('CREATE ALTER DROP START')
const OBJECTS = words(
  'AGGREGATE CAST COLLATION DATABASE DOMAIN EXTENSION FUNCTION INDEX POLICY PROCEDURE PUBLICATION ROLE RULE SCHEMA SEQUENCE ' +
    'SERVER STATISTICS SUBSCRIPTION TABLE TABLESPACE TRANSACTION TRIGGER TYPE USER VIEW',
)
/** What may stand before a target. */
const BEFORE_NAME = words('ONLY LATERAL IF NOT EXISTS CONCURRENTLY TABLE TEMP TEMPORARY UNLOGGED ON')
/** What ends a list of targets. */
const CLAUSES = words(
  'WHERE GROUP ORDER HAVING LIMIT OFFSET FETCH UNION INTERSECT EXCEPT RETURNING WINDOW SET VALUES FOR WHEN',
)
/** Operations that take several targets. */
const IN_LISTS = words('TRUNCATE LOCK DROP')
const ON_TABLES = words('SELECT INSERT UPDATE DELETE MERGE COPY TRUNCATE LOCK TABLE')

/** What a level of parentheses is about to name. */
interface Level {
  /** Whether its FROM is a clause, and not the FROM of `extract(day FROM t)`. */
  query: boolean
  target: 'none' | 'next' | 'seen'
  /** Whether the target is one of a list, as in FROM, where a name before a parenthesis is a function's. */
  list: boolean
  /** `WITH`: whether the name of a query comes next, or the queries are defined and the statement comes next. */
  with: 'none' | 'name' | 'defined'
}

const level = (target: Level['target']): Level => ({ query: false, target, list: true, with: 'none' })

/** Collects the summary of the statements in a text from their words. */
class Summary {
  /** The word or character before; '' for a quoted name. */
  previous = ''
  private readonly statements: string[][] = []
  private readonly operations: string[] = []
  private readonly targets: string[] = []
  private parts: string[] = []
  private operation = ''
  private levels: Level[] = [level('none')]
  private queryNames = new Set<string>()
  private unstarted = true
  private compound = false
  private beforeParenthesis = ''

  character(c: string): void {
    const current = this.level()
    const { target } = current
    if (target === 'next') current.target = c === '(' ? 'seen' : 'none'
    if (c === '(') {
      this.levels.push(level(target === 'next' && this.previous !== 'USING' ? 'next' : 'none'))
      this.beforeParenthesis = this.previous
    } else if (c === ')') {
      if (this.levels.length > 1) this.levels.pop()
    } else if (c === ';') this.finish()
    else if (c === ',') {
      if (target === 'seen') current.target = 'next'
      if (current.with === 'defined') current.with = 'name'
    }
    this.previous = c
  }

  /** `raw` is a name with all its parts or a keyword, as it stands there; `called`: a parenthesis follows. */
  word(raw: string, quoted: boolean, called: boolean): void {
    const upper = quoted ? '' : raw.toUpperCase()
    this.take(raw, upper, called)
    this.previous = upper
  }

  private level(): Level {
    return this.levels[this.levels.length - 1] as Level
  }

  private take(raw: string, upper: string, called: boolean): void {
    const current = this.level()
    const { operation } = this
    if (this.unstarted) {
      this.unstarted = false
      if (OPERATIONS.has(upper)) this.start(upper)
    } else if (operation === '') return
    else if (current.with === 'name') {
      if (upper === 'RECURSIVE') return
      this.queryNames.add(raw.toLowerCase())
      current.with = 'defined'
    } else if (this.starts(upper)) this.start(upper)
    else if (this.compound && OBJECTS.has(upper)) this.nameObject(upper)
    else if (upper === 'FROM' && current.query && this.previous !== 'DISTINCT') this.expect(true)
    else if (upper === 'JOIN') this.expect(true)
    else if (upper === 'USING' && (operation === 'DELETE' || operation === 'MERGE')) this.expect(true)
    else if (upper === 'INTO' && current.query) this.expect(false)
    else if (CLAUSES.has(upper)) current.target = 'none'
    else if (current.target === 'next' && !BEFORE_NAME.has(upper)) this.target(raw, called)
  }

  private expect(list: boolean): void {
    const current = this.level()
    current.target = 'next'
    current.list = list
  }

  private starts(upper: string): boolean {
    const { previous, operation } = this
    if (!AROUND_QUERIES.has(operation)) return false
    if (upper === 'SELECT') return (previous !== 'FOR' && previous !== 'ON') || operation === 'DECLARE'
    const explained = operation === 'EXPLAIN'
    if (upper === 'WITH') return previous === '(' || previous === 'AS' || explained || operation === 'INSERT'
    if (!CHANGES.has(upper)) return false
    // A word of that name is an operation only where one can begin, and not in FOR UPDATE or ON CONFLICT DO UPDATE.
    const defines = previous === '(' && (this.beforeParenthesis === 'AS' || this.beforeParenthesis === 'MATERIALIZED')
    const prepares = operation === 'PREPARE' && previous === 'AS'
    return defines || prepares || explained || this.level().with === 'defined'
  }

  private start(upper: string): void {
    const current = this.level()
    this.operation = upper
    current.with = upper === 'WITH' ? 'name' : 'none'
    if (upper === 'WITH') return
    current.query = upper === 'SELECT' || CHANGES.has(upper)
    current.target = BEFORE_TARGET.has(upper) ? 'next' : 'none'
    current.list = IN_LISTS.has(upper)
    this.compound = COMPOUND.has(upper)
    this.operations.push(upper)
    this.parts.push(upper)
  }

  private nameObject(upper: string): void {
    const named = `${this.operation} ${upper}`
    this.compound = false
    this.operations[this.operations.length - 1] = named
    this.parts[this.parts.length - 1] = named
    if (upper !== 'TRANSACTION') this.expect(IN_LISTS.has(this.operation))
  }

  private target(raw: string, called: boolean): void {
    const current = this.level()
    current.target = current.list ? 'seen' : 'none'
    if ((current.list && called) || this.queryNames.has(raw.toLowerCase())) return
    this.parts.push(raw)
    this.targets.push(raw)
  }

  private finish(): void {
    const before = this.statements[this.statements.length - 1]
    // A script of a thousand inserts is told by one: its length is not a class of statements.
    if (this.parts.length > 0 && before?.join(' ') !== this.parts.join(' ')) this.statements.push(this.parts)
    this.parts = []
    this.operation = ''
    this.levels = [level('none')]
    this.queryNames = new Set()
    this.unstarted = true
    this.compound = false
  }

  /** What the statements are, whose text without values is `text`. */
  result(text: string | undefined): Statement {
    this.finish()
    const [operation] = this.operations
    // Where quotes do not pair up, a name may be a piece of a value.
    if (text === undefined) return { summary: operation, operation, collection: undefined, procedure: undefined, text }
    const single = this.operations.length === 1 ? operation : undefined
    const target = this.targets.length === 1 ? this.targets[0]?.replaceAll('"', '') : undefined
    return {
      summary: joined(this.statements.flat()),
      operation: single,
      collection: single !== undefined && (ON_TABLES.has(single) || single.endsWith(' TABLE')) ? target : undefined,
      procedure: single === 'CALL' ? target : undefined,
      text,
    }
  }
}

/** Never cut inside a name. */
function joined(parts: readonly string[]): string | undefined {
  let summary: string | undefined
  for (const part of parts) {
    const longer: string = summary === undefined ? part : `${summary} ${part}`
    if (longer.length > MAX_SUMMARY) break
    summary = longer
  }
  return summary
}

function read(text: string, cut: boolean): Statement {
  const scanner = new Scanner(text)
  const summary = new Summary()
  let told = ''
  let copied = 0
  let inList = false
  /** After a literal in `IN (1, 2)`: how many there are says nothing. */
  let listed = false

  for (let kind = scanner.next(); kind !== END; kind = scanner.next()) {
    const { start } = scanner
    if (kind === COMMENT) {
      const apart = start === copied || text.charCodeAt(start - 1) <= 32
      told += text.slice(copied, start) + (apart ? '' : ' ')
      copied = scanner.end
    } else if (kind === LITERAL) {
      if (!listed) told += `${text.slice(copied, start)}?`
      copied = scanner.end
      listed = inList
      summary.character('?')
    } else if (kind === OTHER) {
      const c = text.charAt(start)
      if (c !== ',') {
        inList = c === '(' && summary.previous === 'IN'
        listed = false
      }
      summary.character(c)
    } else {
      inList = false
      listed = false
      while (text.charCodeAt(scanner.end) === 46 /* . */ && startsName(text.charCodeAt(scanner.end + 1))) {
        scanner.end++
        scanner.next()
      }
      summary.word(text.slice(start, scanner.end), kind === QUOTED, isCalled(text, scanner.end))
    }
  }
  told += text.slice(copied)
  return summary.result(scanner.broken && !cut ? undefined : told.trim())
}

function isCalled(text: string, end: number): boolean {
  let at = end
  while (text.charCodeAt(at) <= 32) at++
  return text.charCodeAt(at) === 40
}
