/** One row of the table of options. */
import type { Kind } from './parse.js'

export interface Row<T = any> {
  readonly kind: Kind<T>
  readonly default: T
  /** Environment variables; the first that holds an acceptable value wins. */
  readonly env: readonly string[]
  readonly about: string
  /** What is never shown: all of the value, or the credentials in a URL. */
  readonly secret?: 'value' | 'credentials'
}

export const row = <T>(
  kind: Kind<T>,
  byDefault: NoInfer<T>,
  env: string | readonly string[],
  about: string,
  secret?: Row['secret'],
): Row<T> => ({ kind, default: byDefault, env: typeof env === 'string' ? [env] : env, about, secret })
