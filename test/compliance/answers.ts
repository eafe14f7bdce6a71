import type { Answer } from './matrix.js'
export const answers: Readonly<Record<string, Answer>> = {}
