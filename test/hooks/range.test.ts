/** Ranges of versions, against semver's own reading of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { satisfies } from 'semver'
import { inRange } from '../../src/hooks/range.js'
import { instrumentations } from '../../src/instrumentations/index.js'

const RANGES = [
  '>=1 <2',
  '>=4.10 <5',
  '>=5.12.1 <9.3',
  '>=0.10 <0.11.2',
  ...instrumentations.flatMap(({ modules = [] }) => modules.map(({ versions }) => versions)),
]

const VERSIONS = [0, 1, 3, 4, 5, 8, 9, 10, 20, 27, 28].flatMap(major =>
  [0, 2, 6, 9, 10, 11, 12].flatMap(minor => [0, 1, 2, 10].map(patch => `${major}.${minor}.${patch}`)),
)

test('reads the ranges of definitions as semver does', () => {
  for (const range of RANGES) {
    for (const version of VERSIONS)
      assert.equal(inRange(version, range), satisfies(version, range), `${version} ${range}`)
  }
})

test('a prerelease is of the version that it leads to', () => {
  assert.equal(inRange('5.0.0-beta.3', '>=4 <5'), false)
  assert.equal(inRange('5.0.0-beta.3', '>=5 <6'), true)
  assert.equal(inRange('4.21.2-rc.1+build.5', '>=4.21 <5'), true)
})

test('what is no version lies in no range', () => {
  for (const version of ['', 'latest', 'x.y.z', '*']) assert.equal(inRange(version, '>=1 <2'), false, version)
})
