/** Interleaved rounds: each measures every variant once, so that what changes on the machine changes for all. */

/** Resolves to the results of each variant by its name, one for each round. Each round starts with another variant. */
export async function interleaved(variants, rounds, measure) {
  const results = new Map(variants.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (let index = 0; index < variants.length; index++) {
      const variant = variants[(index + round) % variants.length]
      results.get(variant.name).push(await measure(variant))
    }
  }
  return results
}
