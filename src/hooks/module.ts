/** Node's class `Module`, with what we use of `node:module`. */
import type { Module as NodeModule } from 'node:module'

/** To load `node:module` itself takes 1.8 of the 47 million instructions of a start. Only a bundler has modules that are not of this class. */
export const { Module }: { Module: typeof NodeModule } =
  (module.constructor as { Module?: typeof NodeModule }).Module === undefined
    ? require('node:module')
    : module.constructor
