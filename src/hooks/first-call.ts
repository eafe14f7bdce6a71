/** Puts the patch of a module off until the first call of one of its functions. */
import { promisify } from 'node:util'
import { wrap } from './wrap.js'

type Functions = Record<string, Function & { readonly [promisify.custom]?: Function }>

/** `patch` is given exports of its own, over the module's: what it replaces there is called by those who call `names` of the module. */
export function onFirstCall(exports: Functions, names: readonly string[], patch: (exports: Functions) => void): void {
  const own: Functions = Object.create(exports)
  let met = false
  const forward = (functionNow: () => Function): Function =>
    function (this: unknown) {
      if (!met) {
        met = true
        patch(own)
      }
      return Reflect.apply(functionNow(), this, arguments)
    }
  for (const name of names) {
    wrap(exports, name, original => {
      own[name] = original
      const forwarding = forward(() => own[name] as Function)
      const promised = original[promisify.custom]
      // It calls the function by itself.
      if (promised !== undefined)
        Object.defineProperty(forwarding, promisify.custom, { value: forward(() => promised) })
      return forwarding
    })
  }
}
