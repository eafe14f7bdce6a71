/** What the specification asks documents to say, and that COMPLIANCE.md is what the answers give. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../helpers/root.js'
import { complianceDocument, readRows } from './matrix.js'

test('README.md says that attributes are best given at creation', () => {
  assert.match(
    readFileSync(join(root, 'README.md'), 'utf8'),
    /attributes.{0,80}when (?:a|the) span is (?:made|started|created)/s,
  )
})

test('COMPLIANCE.md holds the table that the answers give', () => {
  const text = readFileSync(join(root, 'COMPLIANCE.md'), 'utf8')
  assert.equal(text, complianceDocument(readRows()), 'COMPLIANCE.md is stale: npm run docs')
})
