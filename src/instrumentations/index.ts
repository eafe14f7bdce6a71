/** Every instrumentation, in alphabetical order. */
import type { Instrumentation } from './define.js'
import http from './http.js'
import undici from './undici.js'

export const instrumentations: readonly Instrumentation[] = [http, undici]
