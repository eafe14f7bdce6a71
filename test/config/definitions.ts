/** What the configuration tests take for instrumentations: one option of each kind. */
import type { Definition } from '../../src/config/row.js'

export const definitions: Definition[] = [
  { name: 'pg', options: { parameters: { default: false, about: 'Record bound parameters.' } } },
  {
    name: 'aws-sdk',
    options: {
      layers: { default: 'handler', values: ['handler', 'all', 'none'], about: 'Which spans.' },
      maxLength: { default: 10, about: 'How long.' },
      captureHeaders: { default: [], about: 'Which headers.' },
      label: { default: 'none', about: 'What to call it.' },
    },
  },
  { name: 'http' },
]
