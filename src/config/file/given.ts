/** What a configuration file comes to: options, components of the application, and what is to be said. */
import type { ComponentKind } from './components.js'
import type { Component, Properties } from './model.js'

/** An option of ours, by its path, and the path of the file that it is from. */
export interface Given {
  readonly option: string
  readonly value: unknown
  readonly from: string
}

/** A component that is made when tracing starts: of the application, which has registered it perhaps, or a sampler of ours. */
export type Wanted = OwnComponent | DeclaredSampler

export interface OwnComponent {
  readonly kind: ComponentKind
  readonly name: string
  readonly properties: Properties
  readonly from: string
}

interface DeclaredSampler {
  readonly kind: 'Sampler'
  readonly sampler: Component
  readonly from: string
}

export interface Remark {
  readonly level: 'warn' | 'info' | 'debug'
  readonly path: string
  readonly text: string
}

export interface Outcome {
  /** Of the same option the last counts. */
  readonly given: Given[]
  readonly wanted: Wanted[]
  readonly remarks: Remark[]
}
