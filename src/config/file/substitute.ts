/** References to environment variables in a scalar (specification/configuration/data-model.md#environment-variable-substitution). */
import type { Environment } from '../sources.js'

const REFERENCE = /\$\{([^}\n]*)\}/g
const VALID = /^(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/

/** Throws an error whose message says which reference is none. */
export const substitute = (text: string, env: Environment): string =>
  // What an escaped `$` begins is no reference, and what a variable holds is looked at no more.
  text
    .split('$$')
    .map(piece => piece.replace(REFERENCE, (whole, inner: string) => replacement(whole, inner, env)))
    .join('$')

function replacement(whole: string, inner: string, env: Environment): string {
  const [, name, byDefault = ''] = VALID.exec(inner) ?? []
  if (name === undefined) throw new Error(`expected \${NAME} or \${NAME:-default}, found ${JSON.stringify(whole)}`)
  // The prototype of `process.env` has names, too.
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  return value === undefined || value === '' ? byDefault : value
}
